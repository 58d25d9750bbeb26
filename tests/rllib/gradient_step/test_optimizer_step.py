"""Optimizer steps: they equal the steps of torch's own optimizers."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from battery_lab.rllib.gradient_step.optimizer_step import (
    GRADIENTS_FINITE,
    GradientClipping,
    OptimizerStep,
    is_plain_adam,
)

KINDS = {
    "adam": partial(Adam, lr=0.01, weight_decay=0.01, fused=True),
    "amsgrad": partial(Adam, lr=0.01, amsgrad=True, fused=True),
    "adam not fused": partial(Adam, lr=0.01),
    "adamw": partial(AdamW, lr=0.01, fused=True),
    "sgd": partial(SGD, lr=0.01, momentum=0.9),
}
CLIPPINGS = [
    GradientClipping(limit=0.05, by="global_norm"),
    GradientClipping(limit=0.02, by="norm"),
    GradientClipping(limit=0.001, by="value"),
    GradientClipping(limit=None, by="global_norm"),
]


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


def gradients(seed):
    """Return random gradients for ``network``."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(parameter.shape, generator=generator) for parameter in network().parameters()]


def set_gradients(module, values):
    for parameter, value in zip(module.parameters(), values, strict=True):
        parameter.grad = None if value is None else value.clone()


def clip(module, clipping):
    """Clip as RLlib does, with torch's functions."""
    if not clipping.limit:
        return
    if clipping.by == "value":
        nn.utils.clip_grad_value_(module.parameters(), clipping.limit)
    elif clipping.by == "global_norm":
        nn.utils.clip_grad_norm_(module.parameters(), clipping.limit)
    else:
        for parameter in module.parameters():
            nn.utils.clip_grad_norm_([parameter], clipping.limit)


@pytest.mark.parametrize("clipping", CLIPPINGS, ids=lambda clipping: f"{clipping.by} {clipping.limit}")
@pytest.mark.parametrize("kind", KINDS)
def test_steps_equal_those_of_torch(kind, clipping):
    ours, theirs = network(), network()
    optimizer, other = (KINDS[kind](module.parameters()) for module in (ours, theirs))
    step_optimizers = OptimizerStep([("net", optimizer)], clipping)
    for step in range(5):
        for module in (ours, theirs):
            set_gradients(module, gradients(step))
        for each in (optimizer, other):
            each.param_groups[0]["lr"] = 0.01 / (1 + step)
        step_optimizers()
        clip(theirs, clipping)
        other.step()
    for found, wanted in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(found, wanted, atol=1e-7)
    assert is_plain_adam(optimizer) == (kind == "adam")
    assert bool(step_optimizers.flat_optimizers) == (kind == "adam" and clipping.by != "norm")


def test_learning_rate_0_changes_only_the_moments():
    module = network()
    optimizer = KINDS["adam"](module.parameters())
    step_optimizers = OptimizerStep([("net", optimizer)], CLIPPINGS[0])
    for step in range(3):
        set_gradients(module, gradients(step))
        if step == 2:
            optimizer.param_groups[0]["lr"] = 0.0
            before = copy.deepcopy(module.state_dict()), copy.deepcopy(optimizer.state_dict())
        step_optimizers()
    assert all(torch.equal(value, before[0][name]) for name, value in module.state_dict().items())
    assert not torch.equal(optimizer.state_dict()["state"][0]["exp_avg"], before[1]["state"][0]["exp_avg"])


def test_no_optimizer_steps_if_a_gradient_of_one_is_not_finite():
    modules = [network(0), network(1)]
    optimizers = [(f"{place}", KINDS["adam"](module.parameters())) for place, module in enumerate(modules)]
    step_optimizers = OptimizerStep(optimizers, CLIPPINGS[0])
    for step in range(3):
        for module in modules:
            set_gradients(module, gradients(step))
        if step == 2:
            modules[1][0].weight.grad[0, 0] = torch.inf
            before = [
                copy.deepcopy((module.state_dict(), one.state_dict()["state"]))
                for module, (_, one) in zip(modules, optimizers, strict=True)
            ]
        metrics = step_optimizers()
        assert bool(metrics[GRADIENTS_FINITE]) == (step < 2)
    for module, (_, optimizer), (weights, kept) in zip(modules, optimizers, before, strict=True):
        assert all(torch.equal(value, weights[name]) for name, value in module.state_dict().items())
        for place, state in optimizer.state_dict()["state"].items():
            assert all(torch.equal(value, kept[place][name]) for name, value in state.items())


def test_parameters_without_a_gradient_do_not_change():
    ours, theirs = network(), network()
    optimizer, other = (KINDS["adam"](module.parameters()) for module in (ours, theirs))
    step_optimizers = OptimizerStep([("net", optimizer)], CLIPPINGS[-1])
    for step, without in enumerate([1, None, 0, None, 2, 2]):
        values = [None if place == without else value for place, value in enumerate(gradients(step))]
        for module in (ours, theirs):
            set_gradients(module, values)
        step_optimizers()
        other.step()
    for found, wanted in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(found, wanted, atol=1e-7)


def test_restored_optimizers_continue_from_their_state():
    ours, theirs = network(), network()
    optimizer, other = (KINDS["adam"](module.parameters()) for module in (ours, theirs))
    step_optimizers = OptimizerStep([("net", optimizer)], CLIPPINGS[-1])
    for step in range(6):
        for module in (ours, theirs):
            set_gradients(module, gradients(step))
        if step == 3:
            for each in (optimizer, other):
                state = copy.deepcopy(each.state_dict())
                state["param_groups"][0]["lr"] = 0.2
                each.load_state_dict(state)
        step_optimizers()
        other.step()
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
    found, wanted = optimizer.state_dict()["state"], other.state_dict()["state"]
    assert all(torch.allclose(found[k][name], wanted[k][name], atol=1e-6) for k in wanted for name in wanted[k])


ALL, NONE = {0, 1, 2, 3}, set()


@pytest.mark.parametrize("kind", ["adam", "sgd"])
@pytest.mark.parametrize(
    "places_by_step", [[ALL] * 5, [ALL, {0, 2, 3}, ALL, NONE, ALL], [ALL, {0, 1}, {1, 2}, {0, 1}, {0, 1}, ALL]], ids=str
)
def test_resumed_run_equals_an_uninterrupted_one_to_the_bit(kind, places_by_step):
    """For every set of parameters with gradients; torch's optimizers agree up to rounding."""

    def run(module, optimizer, start):
        step_optimizers, states = OptimizerStep([("net", optimizer)], CLIPPINGS[-1]), []
        for step, places in list(enumerate(places_by_step))[start:]:
            states.append(copy.deepcopy((module.state_dict(), optimizer.state_dict())))
            set_gradients(module, [v if place in places else None for place, v in enumerate(gradients(step))])
            step_optimizers()
        return states

    module, theirs = network(), network()
    other = KINDS[kind](theirs.parameters())
    states = run(module, KINDS[kind](module.parameters()), 0)
    for step, places in enumerate(places_by_step):
        set_gradients(theirs, [v if place in places else None for place, v in enumerate(gradients(step))])
        other.step()
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(module.parameters(), theirs.parameters(), strict=True))
    for start, (weights, state) in enumerate(states):
        resumed = network(1)
        optimizer = KINDS[kind](resumed.parameters())
        resumed.load_state_dict(weights)
        optimizer.load_state_dict(state)
        run(resumed, optimizer, start)
        assert all(torch.equal(a, b) for a, b in zip(module.parameters(), resumed.parameters(), strict=True))


def test_parameters_have_aligned_addresses():
    """Matrix products round differently at unaligned addresses, and a resumed run starts with aligned ones."""
    module = network()
    optimizer = KINDS["adam"](module.parameters())
    step_optimizers = OptimizerStep([("net", optimizer)], CLIPPINGS[0])
    set_gradients(module, gradients(0))
    step_optimizers()
    states = optimizer.state.values()
    kept = [*module.parameters(), *(state[name] for state in states for name in ("exp_avg", "exp_avg_sq"))]
    assert all(tensor.data_ptr() % 64 == 0 for tensor in kept)
    assert len({tensor.untyped_storage().data_ptr() for tensor in kept}) == 3


def move(module, optimizer):
    for parameter in module.parameters():
        parameter.data = parameter.data.clone()


def clear(module, optimizer):
    optimizer.state.clear()


def hook(module, optimizer):
    optimizer.register_step_post_hook(lambda one, *called: one.param_groups[0]["params"][0].data.zero_())


@pytest.mark.parametrize("change", [move, clear, hook])
def test_changes_between_steps_are_noticed(change):
    ours, theirs = network(), network()
    optimizer, other = (KINDS["adam"](module.parameters()) for module in (ours, theirs))
    step_optimizers = OptimizerStep([("net", optimizer)], CLIPPINGS[-1])
    for step in range(4):
        for module, one in ((ours, optimizer), (theirs, other)):
            set_gradients(module, gradients(step))
            if step == 2:
                change(module, one)
        step_optimizers()
        other.step()
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_optimizer_without_gradients_does_not_step():
    module = network()
    optimizer = KINDS["adam"](module.parameters())
    before = copy.deepcopy(module.state_dict())
    metrics = OptimizerStep([("net", optimizer)], CLIPPINGS[0])()
    assert float(metrics["gradients_net_global_norm"]) == 0 and metrics[GRADIENTS_FINITE]
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_shared_gradient_tensor_is_clipped_once():
    module = nn.ParameterList([nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))])
    optimizer = SGD(module.parameters(), lr=1.0)
    shared = torch.tensor([3.0, 4.0])
    for parameter in module:
        parameter.grad = shared
    OptimizerStep([("net", optimizer)], GradientClipping(limit=1.0, by="global_norm"))()
    assert torch.allclose(module[0], -shared / 50**0.5, atol=1e-6) and torch.equal(module[0], module[1])


@pytest.mark.parametrize("register", [register_optimizer_step_pre_hook, register_optimizer_step_post_hook])
def test_global_hooks_are_called(register):
    module, called = network(), []
    optimizer = KINDS["adam"](module.parameters())
    step_optimizers = OptimizerStep([("net", optimizer)], CLIPPINGS[-1])
    handle = register(lambda one, *arguments: called.append(one))
    try:
        set_gradients(module, gradients(0))
        step_optimizers()
    finally:
        handle.remove()
    assert called == [optimizer]
    assert is_plain_adam(optimizer)


@pytest.mark.parametrize("change", ["parameter group", "hook", "wrapped step"])
def test_modified_optimizer_is_not_plain_adam(change):
    module = network()
    optimizer = KINDS["adam"](list(module.parameters())[:2])
    assert is_plain_adam(optimizer)
    if change == "parameter group":
        optimizer.add_param_group({"params": list(module.parameters())[2:]})
    elif change == "hook":
        optimizer.register_step_post_hook(lambda *called: None)
    else:
        torch.optim.lr_scheduler.ConstantLR(optimizer)  # It wraps ``step``.
    assert not is_plain_adam(optimizer)
