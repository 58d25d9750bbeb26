"""Small regression: a network, a loss and optimizers that drive gradient steps, without RLlib."""

from __future__ import annotations

import torch
from torch import nn

from battery_lab.rllib.gradient_step.gradient_steps import GradientSteps
from battery_lab.rllib.gradient_step.optimizer_step import GradientClipping
from battery_lab.rllib.gradient_step.program_key import program_key

CLIPPING = GradientClipping(limit=0.5, by="global_norm")


class Squares:
    """A squared error with a trainable coefficient and one that is not trainable."""

    def __call__(self, module, batch, coefficients):
        errors = (module(batch["x"]).squeeze(1) * coefficients["scale"] - batch["y"]) ** 2
        loss = errors.mean() * coefficients["weight"]
        return loss, {"loss": loss.detach(), "errors": errors.detach()}

    def __repr__(self):
        return "Squares()"


class Trial:
    """A network, a trainable coefficient, and an optimizer for each."""

    def __init__(
        self,
        cache=None,
        compile_after=0,
        seed=0,
        loss_function=None,
        clipping=CLIPPING,
        optimizer=None,
        module=None,
        average_gradients=None,
    ):
        torch.manual_seed(seed)
        self.module = module or nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 1))
        self.module[0].bias.requires_grad = False
        self.scale = nn.Parameter(torch.tensor(1.5))
        self.batch = {"x": torch.randn(32, 5), "y": torch.randn(32)}
        self.coefficients = {"scale": self.scale, "weight": torch.tensor(0.7)}
        weights = [parameter for parameter in self.module.parameters() if parameter.requires_grad]
        make = optimizer or (lambda parameters, lr: torch.optim.Adam(parameters, lr=lr, weight_decay=0.01, fused=True))
        self.optimizers = [("net", make(weights, lr=0.01)), ("scale", make([self.scale], lr=0.02))]
        self.loss_function = loss_function or Squares()
        self.steps = GradientSteps(
            self.loss_function,
            self.module,
            self.optimizers,
            clipping,
            average_gradients=average_gradients and (lambda: average_gradients(self)),
            cache=cache,
            compile_after=compile_after,
        )

    def step(self, number):
        return self.steps(self.batch, self.coefficients, number)

    def run(self, count, first=0):
        return [self.step(number) for number in range(first, first + count)]

    @property
    def state(self):
        tensors = [*self.module.parameters(), self.scale, *moments(self.optimizers)]
        return [tensor.detach().clone() for tensor in tensors]

    @property
    def key(self):
        """The name of the program in the cache."""
        return program_key(self.loss_function, self.module, self.batch, self.coefficients, torch.get_num_threads())


def moments(optimizers):
    """Return the tensors in the optimizers' states."""
    states = [state for _, optimizer in optimizers for state in optimizer.state.values()]
    return [value for state in states for value in state.values() if value is not None]


def close(actual, expected, atol=1e-6):
    return all(torch.allclose(a, b, atol=atol) for a, b in zip(actual, expected, strict=True))
