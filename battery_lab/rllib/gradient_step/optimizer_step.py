"""From gradients to new parameters: clipping and torch's optimisers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.optim import optimizer as optimizer_module

from battery_lab.rllib.gradient_step.autograd import Tensors

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
# What somebody has all optimisers do before or after a step.
GLOBAL_HOOKS = (optimizer_module._global_optimizer_pre_hooks, optimizer_module._global_optimizer_post_hooks)
MOMENTS = ("exp_avg", "exp_avg_sq")
ALIGNED = 16  # numbers of 4 bytes: torch's tensors begin at multiples of 64 bytes


@dataclass(frozen=True, kw_only=True)
class Clipping:
    """RLlib's ``grad_clip`` and ``grad_clip_by``.

    Attributes:
        limit: of what is clipped; None or 0 clips nothing.
        by: ``global_norm`` (of all of an optimiser's gradients), ``norm`` (of each tensor) or ``value``.
    """

    limit: float | None
    by: str

    def __call__(self, gradients: list[torch.Tensor]) -> tuple[list[torch.Tensor], float]:
        """Return clipped gradients, of which there is one at least, and the norm of all of them before."""
        norms = torch._foreach_norm(gradients)
        norm = float(norms[0] if len(norms) == 1 else torch.linalg.vector_norm(torch.stack(norms)))
        if not self.limit:
            return gradients, norm
        if self.by == "value":
            return [gradient.clamp(-self.limit, self.limit) for gradient in gradients], norm
        # Not in place: a compiled program may return one tensor for two parameters whose gradients are the same.
        if self.by == "global_norm":
            return list(torch._foreach_mul(gradients, self._share(norm))), norm
        return list(torch._foreach_mul(gradients, [self._share(float(one)) for one in norms])), norm

    @property
    def by_tensor(self) -> bool:
        """Whether it matters which gradients are of one tensor."""
        return bool(self.limit) and self.by == "norm"

    def _share(self, norm: float) -> float:
        assert self.limit
        # As far from a division by 0 as torch.nn.utils.clip_grad_norm_ keeps, and RLlib for global_norm; for norm RLlib
        # keeps none, which makes a millionth of a difference.
        return min(1.0, self.limit / (norm + 1e-6))


class Descent:
    """Has optimisers descend; those that are torch's plain Adam in a few calls on all of their parameters together.

    Which way an optimiser goes depends on what it is and on its state, and not on what it did before, so that a run
    that is resumed rounds as one that never stopped.
    """

    def __init__(self, optimizers: Named, clipping: Clipping) -> None:
        """Remember who descends, each with its name, and how gradients are clipped before."""
        self._optimizers, self._clipping = optimizers, clipping
        self._flat: dict[str, _FlatAdam] = {}

    @torch.no_grad()
    def __call__(self) -> Tensors:
        """Clip all gradients and have each optimiser take its step, if all gradients are finite.

        Returns the norms by the names that RLlib's metrics know them by, and under ``FINITE`` whether steps were taken.
        """
        steps: list[_FlatAdam | _AnyOptimizer] = []
        norms = dict.fromkeys([norm_name(name) for name, _ in self._optimizers], 0.0)
        for name, optimizer in self._optimizers:
            parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
            if parameters:
                steps.append(self._step_of(name, optimizer, parameters))
                norms[norm_name(name)] = steps[-1].clip(self._clipping)
        finite = all(map(math.isfinite, norms.values()))
        if finite:
            for step in steps:
                step()
        return {name: torch.tensor(value) for name, value in [*norms.items(), (FINITE, finite)]}

    def _step_of(
        self, name: str, optimizer: torch.optim.Optimizer, parameters: list[torch.Tensor]
    ) -> _FlatAdam | _AnyOptimizer:
        flat = self._flat.pop(name, None)
        if flat is None or not flat.fits(optimizer, parameters):
            if self._clipping.by_tensor or not (is_plain_adam(optimizer) and are_alike(optimizer, parameters)):
                return _AnyOptimizer(optimizer, parameters)
            flat = _FlatAdam(optimizer, parameters)
        self._flat[name] = flat
        return flat


class _AnyOptimizer:
    """A step as torch's optimisers take it."""

    def __init__(self, optimizer: torch.optim.Optimizer, parameters: list[torch.Tensor]) -> None:
        self._optimizer, self._parameters = optimizer, parameters

    def clip(self, clipping: Clipping) -> float:
        """Clip the gradients; returns their norm before."""
        clipped, norm = clipping([p.grad for p in self._parameters if p.grad is not None])
        for parameter, gradient in zip(self._parameters, clipped, strict=True):
            parameter.grad = gradient
        return norm

    def __call__(self) -> None:
        self._optimizer.step()


class _FlatAdam:
    """Steps of torch's Adam, whose parameters and moments lie side by side in memory, as tensors of one number each.

    The optimiser and the networks go on as if nothing were changed: their tensors are views. torch's kernel is called
    by itself: ``Adam.step``, and calls for each tensor, take several times as long as the kernel does, which for small
    networks is as long as a forward pass.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, parameters: list[torch.Tensor]) -> None:
        self._group, self._parameters = optimizer.param_groups[0], parameters
        self._states = [_state(optimizer, parameter) for parameter in parameters]
        self._values, values = _side_by_side(parameters)
        for parameter, view in zip(parameters, values, strict=True):
            parameter.data = view
        self._moments = []
        for name in MOMENTS:
            moment, views = _side_by_side([state[name] for state in self._states])
            self._moments.append(moment)
            for state, view in zip(self._states, views, strict=True):
                state[name] = view
        # A count of its own for each parameter, as in any state of Adam.
        self._counts = torch.stack([state["step"] for state in self._states])
        for state, count in zip(self._states, self._counts.unbind(), strict=True):
            state["step"] = count
        self._gradient, self._gradients = _side_by_side([torch.zeros_like(parameter) for parameter in parameters])
        self._clipped = self._gradient
        self._places = [parameter.data_ptr() for parameter in parameters]

    def fits(self, optimizer: torch.optim.Optimizer, parameters: list[torch.Tensor]) -> bool:
        """Whether it is still these parameters that have gradients, with these options and this state.

        Loading a state gives an optimiser new groups and new states.
        """
        return (
            optimizer.param_groups[0] is self._group
            and len(parameters) == len(self._parameters)
            and all(a is b for a, b in zip(parameters, self._parameters, strict=True))
            and all(optimizer.state.get(p) is s for p, s in zip(parameters, self._states, strict=True))
            and [parameter.data_ptr() for parameter in parameters] == self._places
            and is_plain_adam(optimizer)
        )

    def clip(self, clipping: Clipping) -> float:
        """Gather the gradients and clip them, while the parameters' own stay as they are; returns their norm before."""
        torch._foreach_copy_(self._gradients, [p.grad for p in self._parameters if p.grad is not None])
        (self._clipped,), norm = clipping([self._gradient])
        return norm

    def __call__(self) -> None:
        self._counts += 1
        beta1, beta2 = self._group["betas"]
        torch._fused_adam_(
            [self._values],
            [self._clipped],
            [self._moments[0]],
            [self._moments[1]],
            [],
            [self._counts[0]],
            lr=self._group["lr"],
            beta1=beta1,
            beta2=beta2,
            weight_decay=self._group["weight_decay"],
            eps=self._group["eps"],
            amsgrad=False,
            maximize=False,
        )


def _state(optimizer: torch.optim.Optimizer, parameter: torch.Tensor) -> dict[str, Any]:
    """Return the state of a parameter, which begins as Adam has it begin."""
    state: dict[str, Any] = optimizer.state[parameter]
    if not state:
        state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
        state |= {name: torch.zeros_like(parameter) for name in MOMENTS}
    return state


def _side_by_side(tensors: Sequence[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return copies of tensors in one, and their views, each where a tensor of its own could begin.

    A product rounds by where its factors begin: those of a run that is resumed are tensors of their own at first. What
    lies between is 0 and stays so.
    """
    sizes = [-(-tensor.numel() // ALIGNED) * ALIGNED for tensor in tensors]
    flat = tensors[0].new_zeros(sum(sizes))
    pieces = zip(torch.split(flat, sizes), tensors, strict=True)
    views = [piece[: tensor.numel()].view(tensor.shape) for piece, tensor in pieces]
    for view, tensor in zip(views, tensors, strict=True):
        view.copy_(tensor.detach())
    return flat, views


def is_plain_adam(optimizer: torch.optim.Optimizer) -> bool:
    """Whether an optimiser is torch's Adam of one group of parameters, without options that change what it does."""
    group, *more = optimizer.param_groups
    plain = all(group.get(name, value) == value for name, value in ADAM.items())
    hooks = (optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks, *GLOBAL_HOOKS)
    changed = any(hooks) or "step" in vars(optimizer)
    return type(optimizer) is torch.optim.Adam and plain and not more and not changed


def are_alike(optimizer: torch.optim.Optimizer, parameters: Sequence[torch.Tensor]) -> bool:
    """Whether parameters are of one kind, on one device, and have taken as many steps as one another."""
    states = [optimizer.state.get(parameter) for parameter in parameters]
    counts = {float(state["step"]) if state else 0.0 for state in states}
    devices = {parameter.device for parameter in parameters}
    numbers = {tensor.dtype for p in parameters for tensor in (p, p.grad) if tensor is not None}
    return len(counts) == len(devices) == 1 and numbers == {torch.float32}


def norm_name(optimizer: str) -> str:
    """Return RLlib's name of the norm of an optimiser's gradients."""
    return f"gradients_{optimizer}_global_norm"
