"""From gradients to new parameters: clipping and torch's optimisers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.optim.adam import adam

from battery_lab.rollout.gradients import Tensors

FINITE = "battery_lab_finite"
Named = Sequence[tuple[str, torch.optim.Optimizer]]
# Options of torch's Adam where its kernel is called by itself.
ADAM = {
    "fused": True,
    "amsgrad": False,
    "maximize": False,
    "capturable": False,
    "differentiable": False,
    "decoupled_weight_decay": False,
}


@dataclass(frozen=True, kw_only=True)
class Clipping:
    """RLlib's ``grad_clip`` and ``grad_clip_by``.

    Attributes:
        limit: of what is clipped; None or 0 clips nothing.
        by: ``global_norm`` (of all of an optimiser's gradients), ``norm`` (of each tensor) or ``value``.
    """

    limit: float | None
    by: str

    def __call__(self, gradients: list[torch.Tensor]) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Return clipped gradients, of which there is one at least, and the norm of all of them before."""
        norms = torch._foreach_norm(gradients)
        norm: torch.Tensor = torch.linalg.vector_norm(torch.stack(norms))
        if not self.limit:
            return gradients, norm
        if self.by == "value":
            return [gradient.clamp(-self.limit, self.limit) for gradient in gradients], norm
        # Not in place: a compiled program may return one tensor for two parameters whose gradients are the same.
        if self.by == "global_norm":
            return list(torch._foreach_mul(gradients, self._share(norm))), norm
        return list(torch._foreach_mul(gradients, [self._share(one) for one in norms])), norm

    def _share(self, norm: torch.Tensor) -> torch.Tensor:
        assert self.limit
        # torch.nn.utils.clip_grad_norm_ and RLlib keep the same distance from a division by 0.
        return (self.limit / (norm + 1e-6)).clamp(max=1.0)


class Descent:
    """Has optimisers descend; keeps at hand what torch's Adam would look for at every step."""

    def __init__(self, optimizers: Named, clipping: Clipping) -> None:
        """Remember who descends, each with its name, and how gradients are clipped before."""
        self._optimizers, self._clipping = optimizers, clipping
        self._kernels: dict[str, _AdamKernel] = {}

    @torch.no_grad()
    def __call__(self) -> Tensors:
        """Clip all gradients and have each optimiser take its step, if all gradients are finite.

        Returns the norms by the names that RLlib's metrics know them by, and under ``FINITE`` whether steps were taken.
        """
        norms = {}
        for name, optimizer in self._optimizers:
            parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
            if not parameters:
                norms[norm_name(name)] = torch.zeros((), device=optimizer.param_groups[0]["params"][0].device)
                continue
            clipped, norms[norm_name(name)] = self._clipping([p.grad for p in parameters])
            for parameter, gradient in zip(parameters, clipped, strict=True):
                parameter.grad = gradient
        finite = torch.stack(list(norms.values())).isfinite().all()
        if finite:
            for name, optimizer in self._optimizers:
                self._step(name, optimizer)
        return {**norms, FINITE: finite}

    def _step(self, name: str, optimizer: torch.optim.Optimizer) -> None:
        kernel = self._kernels.get(name)
        if kernel is None or not kernel(optimizer):
            optimizer.step()
            if is_plain_adam(optimizer):
                self._kernels[name] = _AdamKernel(optimizer)


class _AdamKernel:
    """torch's Adam without what ``Adam.step`` does around it, which takes as long as a network's forward pass."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        """Take an optimiser that has taken a step."""
        self._group = optimizer.param_groups[0]
        self._parameters = [p for p in self._group["params"] if p in optimizer.state]
        self._others = [p for p in self._group["params"] if p not in optimizer.state]
        states: list[dict[str, Any]] = [optimizer.state[p] for p in self._parameters]
        self._first, self._second, self._steps = (
            [state[name] for state in states] for name in ("exp_avg", "exp_avg_sq", "step")
        )

    def __call__(self, optimizer: torch.optim.Optimizer) -> bool:
        """Take a step, if state and parameters are those at hand; returns whether they are.

        Loading a state gives an optimiser new groups, and parameters can lose their gradient, or find one.
        """
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        more = any(p.grad is not None for p in self._others)
        if more or len(gradients) < len(self._parameters) or optimizer.param_groups[0] is not self._group:
            return False
        adam(
            self._parameters,
            gradients,
            self._first,
            self._second,
            [],
            self._steps,
            foreach=False,
            fused=True,
            capturable=False,
            differentiable=False,
            amsgrad=False,
            maximize=False,
            beta1=self._group["betas"][0],
            beta2=self._group["betas"][1],
            lr=self._group["lr"],
            weight_decay=self._group["weight_decay"],
            eps=self._group["eps"],
        )
        return True


def is_plain_adam(optimizer: torch.optim.Optimizer) -> bool:
    """Whether an optimiser is torch's Adam of one group of parameters, without options that change what it does."""
    group, *more = optimizer.param_groups
    plain = all(group.get(name, value) == value for name, value in ADAM.items())
    changed = optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks or "step" in vars(optimizer)
    return type(optimizer) is torch.optim.Adam and plain and not more and not changed


def norm_name(optimizer: str) -> str:
    """Return RLlib's name of the norm of an optimiser's gradients."""
    return f"gradients_{optimizer}_global_norm"
