"""Optimizer steps: gradient clipping, and torch's optimizers applied to all of their parameters at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.optim import optimizer as optimizer_module

from battery_lab.rllib.gradient_step.autograd import Tensors

GRADIENTS_FINITE = "battery_lab_finite"
NamedOptimizers = Sequence[tuple[str, torch.optim.Optimizer]]
# Options of torch.optim.Adam for which its fused kernel may be called directly.
ADAM = {
    "fused": True,
    "amsgrad": False,
    "maximize": False,
    "capturable": False,
    "differentiable": False,
    "decoupled_weight_decay": False,
}
# Hooks that run around the steps of every optimizer.
GLOBAL_HOOKS = (optimizer_module._global_optimizer_pre_hooks, optimizer_module._global_optimizer_post_hooks)
MOMENTS = ("exp_avg", "exp_avg_sq")
ALIGNMENT = 16  # in elements of 4 bytes: torch allocates tensors at multiples of 64 bytes


@dataclass(frozen=True, kw_only=True)
class GradientClipping:
    """RLlib's ``grad_clip`` and ``grad_clip_by``.

    Attributes:
        limit: largest norm or value; None or 0 disables clipping.
        by: ``global_norm`` (over all gradients of an optimizer), ``norm`` (per tensor) or ``value``.
    """

    limit: float | None
    by: str

    def __call__(self, gradients: list[torch.Tensor]) -> tuple[list[torch.Tensor], float]:
        """Return the clipped gradients and their global norm before clipping; needs at least one gradient."""
        norms = torch._foreach_norm(gradients)
        norm = float(norms[0] if len(norms) == 1 else torch.linalg.vector_norm(torch.stack(norms)))
        if not self.limit:
            return gradients, norm
        if self.by == "value":
            return [gradient.clamp(-self.limit, self.limit) for gradient in gradients], norm
        # Not in place: a compiled program may return the same tensor for two parameters with equal gradients.
        if self.by == "global_norm":
            return list(torch._foreach_mul(gradients, self._scale(norm))), norm
        return list(torch._foreach_mul(gradients, [self._scale(float(value)) for value in norms])), norm

    @property
    def per_tensor(self) -> bool:
        """Whether each tensor is clipped by its own norm, so that gradients cannot be concatenated."""
        return bool(self.limit) and self.by == "norm"

    def _scale(self, norm: float) -> float:
        assert self.limit
        # 1e-6 as in torch.nn.utils.clip_grad_norm_ and in RLlib's global_norm. RLlib's norm adds nothing, which differs
        # by one part in a million.
        return min(1.0, self.limit / (norm + 1e-6))


class OptimizerStep:
    """One step of several optimizers; plain Adam updates all of its parameters with one kernel call.

    The implementation for an optimizer depends on its type and state only, not on earlier steps. A resumed run
    therefore rounds like one that never stopped.
    """

    def __init__(self, optimizers: NamedOptimizers, clipping: GradientClipping) -> None:
        self._optimizers, self._clipping = optimizers, clipping
        self._flat: dict[str, _FlatAdam] = {}

    @property
    def flat_optimizers(self) -> set[str]:
        """Names of the optimizers whose last step updated all of their parameters with one kernel call."""
        return set(self._flat)

    @torch.no_grad()
    def __call__(self) -> Tensors:
        """Clip the gradients, and step each optimizer if all gradients are finite.

        Returns:
            The norm of each optimizer's gradients under RLlib's metric names, and under ``GRADIENTS_FINITE`` whether
            the steps were taken.
        """
        steps: list[_FlatAdam | _TorchStep] = []
        norms = dict.fromkeys([norm_metric(name) for name, _ in self._optimizers], 0.0)
        for name, optimizer in self._optimizers:
            parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
            if parameters:
                steps.append(self._step_of(name, optimizer, parameters))
                norms[norm_metric(name)] = steps[-1].clip(self._clipping)
        finite = all(map(math.isfinite, norms.values()))
        if finite:
            for step in steps:
                step()
        return {name: torch.tensor(value) for name, value in [*norms.items(), (GRADIENTS_FINITE, finite)]}

    def _step_of(
        self, name: str, optimizer: torch.optim.Optimizer, parameters: list[torch.Tensor]
    ) -> _FlatAdam | _TorchStep:
        flat = self._flat.pop(name, None)
        if flat is None or not flat.matches(optimizer, parameters):
            if self._clipping.per_tensor or not (is_plain_adam(optimizer) and are_uniform(optimizer, parameters)):
                return _TorchStep(optimizer, parameters)
            flat = _FlatAdam(optimizer, parameters)
        self._flat[name] = flat
        return flat


class _TorchStep:
    """A step by the optimizer's own ``step`` method."""

    def __init__(self, optimizer: torch.optim.Optimizer, parameters: list[torch.Tensor]) -> None:
        self._optimizer, self._parameters = optimizer, parameters

    def clip(self, clipping: GradientClipping) -> float:
        clipped, norm = clipping([p.grad for p in self._parameters if p.grad is not None])
        for parameter, gradient in zip(self._parameters, clipped, strict=True):
            parameter.grad = gradient
        return norm

    def __call__(self) -> None:
        self._optimizer.step()


class _FlatAdam:
    """A step of torch's Adam on parameters and moments that are stored in one flat tensor each.

    The tensors of the optimizer and of the networks become views into the flat ones, so that other code sees no change.
    torch's fused kernel is called directly: ``Adam.step`` and a call per tensor take several times as long as the
    kernel itself, which for small networks is as long as a forward pass.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, parameters: list[torch.Tensor]) -> None:
        self._group, self._parameters = optimizer.param_groups[0], parameters
        self._states = [_state(optimizer, parameter) for parameter in parameters]
        self._values, values = _concatenate(parameters)
        for parameter, view in zip(parameters, values, strict=True):
            parameter.data = view
        self._moments = []
        for name in MOMENTS:
            moment, views = _concatenate([state[name] for state in self._states])
            self._moments.append(moment)
            for state, view in zip(self._states, views, strict=True):
                state[name] = view
        # One count per parameter, as in every state of Adam.
        self._counts = torch.stack([state["step"] for state in self._states])
        for state, count in zip(self._states, self._counts.unbind(), strict=True):
            state["step"] = count
        self._gradient, self._gradients = _concatenate([torch.zeros_like(parameter) for parameter in parameters])
        self._clipped = self._gradient
        self._addresses = [parameter.data_ptr() for parameter in parameters]

    def matches(self, optimizer: torch.optim.Optimizer, parameters: list[torch.Tensor]) -> bool:
        """Return whether parameters, options and state are still those of the flat tensors.

        ``load_state_dict`` replaces an optimizer's groups and states.
        """
        return (
            optimizer.param_groups[0] is self._group
            and len(parameters) == len(self._parameters)
            and all(a is b for a, b in zip(parameters, self._parameters, strict=True))
            and all(optimizer.state.get(p) is s for p, s in zip(parameters, self._states, strict=True))
            and [parameter.data_ptr() for parameter in parameters] == self._addresses
            and is_plain_adam(optimizer)
        )

    def clip(self, clipping: GradientClipping) -> float:
        """Copy the gradients and clip the copy; returns their norm before clipping. ``parameter.grad`` is unchanged."""
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
    """Return the state of a parameter, initialised as Adam does."""
    state: dict[str, Any] = optimizer.state[parameter]
    if not state:
        state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
        state |= {name: torch.zeros_like(parameter) for name in MOMENTS}
    return state


def _concatenate(tensors: Sequence[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return copies of tensors in one flat tensor, and a view per tensor, each at an aligned address.

    Matrix products round differently at unaligned addresses, and the parameters of a resumed run are separate, aligned
    tensors at first. The padding between views stays 0.
    """
    sizes = [-(-tensor.numel() // ALIGNMENT) * ALIGNMENT for tensor in tensors]
    flat = tensors[0].new_zeros(sum(sizes))
    pieces = zip(torch.split(flat, sizes), tensors, strict=True)
    views = [piece[: tensor.numel()].view(tensor.shape) for piece, tensor in pieces]
    for view, tensor in zip(views, tensors, strict=True):
        view.copy_(tensor.detach())
    return flat, views


def is_plain_adam(optimizer: torch.optim.Optimizer) -> bool:
    """Return whether an optimizer is torch's Adam with one parameter group, the options of ``ADAM`` and no hooks."""
    group, *more = optimizer.param_groups
    plain = all(group.get(name, value) == value for name, value in ADAM.items())
    hooks = (optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks, *GLOBAL_HOOKS)
    changed = any(hooks) or "step" in vars(optimizer)
    return type(optimizer) is torch.optim.Adam and plain and not more and not changed


def are_uniform(optimizer: torch.optim.Optimizer, parameters: Sequence[torch.Tensor]) -> bool:
    """Return whether all parameters are float32, on one device, and have taken the same number of steps."""
    states = [optimizer.state.get(parameter) for parameter in parameters]
    counts = {float(state["step"]) if state else 0.0 for state in states}
    devices = {parameter.device for parameter in parameters}
    dtypes = {tensor.dtype for p in parameters for tensor in (p, p.grad) if tensor is not None}
    return len(counts) == len(devices) == 1 and dtypes == {torch.float32}


def norm_metric(optimizer: str) -> str:
    """Return RLlib's metric name for the global norm of an optimizer's gradients."""
    return f"gradients_{optimizer}_global_norm"
