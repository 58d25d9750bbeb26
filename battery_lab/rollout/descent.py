"""From gradients to new parameters: clipping and Adam, by torch's optimisers or inside a compiled program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.optim.adam import adam

from battery_lab.rollout.gradients import Tensors

FINITE = "battery_lab_finite"
Named = Sequence[tuple[str, torch.optim.Optimizer]]
# What a compiled step does not do.
PLAIN = {"amsgrad": False, "maximize": False, "differentiable": False, "decoupled_weight_decay": False}


@dataclass(frozen=True, kw_only=True)
class Clipping:
    """RLlib's ``grad_clip`` and ``grad_clip_by``.

    Attributes:
        limit: of what is clipped; None or 0 clips nothing.
        by: ``global_norm`` (of all of an optimiser's gradients), ``norm`` (of each tensor) or ``value``.
    """

    limit: float | None
    by: str

    def __call__(self, gradients: Sequence[torch.Tensor]) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Return clipped gradients, and the norm of all of them before."""
        norm = torch.nn.utils.get_total_norm(gradients, foreach=False)
        if not self.limit:
            return list(gradients), norm
        if self.by == "value":
            return [gradient.clamp(-self.limit, self.limit) for gradient in gradients], norm
        if self.by == "global_norm":
            share = self._share(norm)
            return [gradient * share for gradient in gradients], norm
        return [gradient * self._share(torch.linalg.vector_norm(gradient)) for gradient in gradients], norm

    def _share(self, norm: torch.Tensor) -> torch.Tensor:
        assert self.limit
        # torch.nn.utils.clip_grad_norm_ and RLlib keep the same distance from a division by 0.
        return (self.limit / (norm + 1e-6)).clamp(max=1.0)


def descend(optimizers: Named, clipping: Clipping) -> Tensors:
    """Clip all gradients and have each optimiser take its step, if all gradients are finite.

    Returns the norms by the names that RLlib's metrics know them by, and under ``FINITE`` whether the steps were taken.
    """
    norms = {}
    for name, optimizer in optimizers:
        parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        clipped, norms[norm_name(name)] = clipping([p.grad for p in parameters])
        for parameter, gradient in zip(parameters, clipped, strict=True):
            parameter.grad = gradient
    finite = torch.stack(list(norms.values())).isfinite().all()
    if finite:
        for _, optimizer in optimizers:
            optimizer.step()
    return {**norms, FINITE: finite}


def norm_name(optimizer: str) -> str:
    """Return RLlib's name of the norm of an optimiser's gradients."""
    return f"gradients_{optimizer}_global_norm"


@dataclass(frozen=True, kw_only=True)
class AdamPart:
    """What one optimiser does, and to which of the parameters that are trained.

    Attributes:
        name: of the optimiser.
        parameters: places among all that is trained.
        betas: decay of the moments.
        eps: keeps from dividing by 0.
        weight_decay: share of a parameter that is added to its gradient.
    """

    name: str
    parameters: tuple[int, ...]
    betas: tuple[float, float]
    eps: float
    weight_decay: float


@dataclass(frozen=True, kw_only=True)
class AdamDescent:
    """The same as ``descend``, as a function of tensors alone, which it changes in place; to be compiled.

    Attributes:
        parts: the optimisers.
        clipping: of gradients.
    """

    parts: tuple[AdamPart, ...]
    clipping: Clipping

    def __call__(
        self, parameters: Sequence[torch.Tensor], gradients: Sequence[torch.Tensor], moments: Sequence[torch.Tensor]
    ) -> Tensors:
        """Change parameters and moments, and return norms and whether all gradients were finite.

        Args:
            parameters: all that is trained.
            gradients: of those.
            moments: what ``moments`` returns.
        """
        clipped, norms = [], {}
        for part in self.parts:
            found, norms[norm_name(part.name)] = self.clipping([gradients[place] for place in part.parameters])
            clipped.append(found)
        finite = torch.stack(list(norms.values())).isfinite().all()
        for part, found in zip(self.parts, clipped, strict=True):
            count = len(part.parameters)
            mine, moments = moments[: 3 * count + 1], moments[3 * count + 1 :]
            changing = [*[parameters[place] for place in part.parameters], *mine[:-1]]
            after = _adam(part, [tensor.detach().clone() for tensor in changing], found, mine[-1])
            # Adam that can be traced divides by the learning rate, which is 0 at the end of some schedules.
            moves = finite & (mine[-1] > 0)
            for place, (tensor, new) in enumerate(zip(changing, after, strict=True)):
                tensor.detach().copy_(torch.where(moves if place < count else finite, new, tensor))
        return {**norms, FINITE: finite}


def _adam(
    part: AdamPart, changing: list[torch.Tensor], gradients: list[torch.Tensor], lr: torch.Tensor
) -> list[torch.Tensor]:
    """Have torch's Adam change copies of parameters, first and second moments and steps."""
    count = len(part.parameters)
    parameters, first, second, steps = (changing[k * count : (k + 1) * count] for k in range(4))
    adam(
        parameters,
        gradients,
        first,
        second,
        [],
        steps,
        foreach=False,
        fused=False,
        capturable=False,
        differentiable=True,  # no number is read out of a tensor then, and all can be traced
        amsgrad=False,
        maximize=False,
        beta1=part.betas[0],
        beta2=part.betas[1],
        lr=lr,
        weight_decay=part.weight_decay,
        eps=part.eps,
    )
    return changing


def adam_descent(optimizers: Named, parameters: Sequence[torch.Tensor], clipping: Clipping) -> AdamDescent | None:
    """Return what the optimisers do, if all are torch's plain Adam and have taken a step; else None."""
    places = {id(parameter): place for place, parameter in enumerate(parameters)}
    parts = []
    for name, optimizer in optimizers:
        group, *more = optimizer.param_groups
        plain = all(group.get(key, value) == value for key, value in PLAIN.items())
        if type(optimizer) is not torch.optim.Adam or more or not plain or not optimizer.state:
            return None
        parts.append(
            AdamPart(
                name=name,
                parameters=tuple(places[id(p)] for p in group["params"] if p in optimizer.state),
                betas=tuple(group["betas"]),
                eps=group["eps"],
                weight_decay=group["weight_decay"],
            )
        )
    return AdamDescent(parts=tuple(parts), clipping=clipping)


def moments(optimizers: Named) -> list[torch.Tensor]:
    """Return the tensors that Adam changes beside the parameters, and behind each optimiser's its learning rate."""
    found: list[torch.Tensor] = []
    for _, optimizer in optimizers:
        states: list[dict[str, Any]] = [
            optimizer.state[p] for p in optimizer.param_groups[0]["params"] if p in optimizer.state
        ]
        found += [state[name] for name in ("exp_avg", "exp_avg_sq", "step") for state in states]
        found.append(learning_rate(optimizer))
    return found


def learning_rate(optimizer: torch.optim.Optimizer) -> torch.Tensor:
    """Return an optimiser's present learning rate."""
    return torch.as_tensor(optimizer.param_groups[0]["lr"], dtype=torch.float32)
