"""Gradient steps: by torch's autograd and optimisers at first, and by one compiled program once there is one.

Whether a run uses the program, and from which step on, does not depend on how long its compilation took, so that runs
repeat; but one that is not done a quarter of an hour after it was wanted is done without, with a line in the log.
"""

from __future__ import annotations

import json
import logging
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from battery_lab.rollout.agreement import adopt, copied, same, same_descent, same_figures
from battery_lab.rollout.compiling import Compilation, names_of
from battery_lab.rollout.descent import (
    FINITE,
    AdamDescent,
    Clipping,
    Named,
    adam_descent,
    descend,
    learning_rate,
    moments,
)
from battery_lab.rollout.gradients import Losses, Tensors, by_autograd, trained
from battery_lab.rollout.program import Program, program_key, shapes

log = logging.getLogger(__name__)


class GradientSteps:
    """Takes gradient steps, compiled ones from a given number on.

    Where the program cannot be had, a line in the log says why, and all goes on without it.
    """

    def __init__(
        self,
        losses: Losses,
        module: nn.Module,
        optimizers: Named,
        clipping: Clipping,
        *,
        share: Callable[[], None] | None = None,
        cache: Path | None = None,
        after: int = 0,
        hurry: bool = True,
    ) -> None:
        """Set up; nothing is compiled before the first step is taken, which shows the shapes of all tensors.

        Args:
            losses: what is descended.
            module: the networks.
            optimizers: of all that is trained, each with its name.
            clipping: of gradients.
            share: takes the mean of gradients over all learners, if there are several.
            cache: where compiled programs are kept; None compiles nothing.
            after: steps without the compiled program, at least one.
            hurry: whether compiling may slow the steps before, which will soon wait for it.
        """
        self._losses, self._module = losses, module
        self._optimizers, self._clipping, self._share = optimizers, clipping, share
        self._cache, self._after, self._hurry = cache, max(1, after), hurry
        self._compilation: Compilation | None = None
        self._package: Path | None = None
        self._loaded: Any = None
        self._taken_over = False
        self._shapes: Any = None
        self._descent: AdamDescent | None = None
        self._program: Program | None = None
        self._figures: list[str] = []
        self._parameters: list[torch.Tensor] = []
        self._moments: list[torch.Tensor] = []

    def __call__(self, batch: Tensors, coefficients: Tensors, number: int) -> Tensors:
        """Take a step on a minibatch and return figures of it.

        Args:
            batch: columns of the minibatch, (B, ...).
            coefficients: weights that change while training, and parameters that belong to no network.
            number: steps that were taken before, in this run and those that it resumes.
        """
        if self._cache is not None and self._package is None and all(one.state for _, one in self._optimizers):
            self._start(batch, coefficients)
        if self._package is None or shapes(batch) != self._shapes:
            return self._step(batch, coefficients)
        if self._taken_over:
            return self._compiled_step(batch, coefficients)
        if self._cache is not None and number >= self._after:
            return self._take_over(batch, coefficients)
        return self._step(batch, coefficients)

    def forget(self) -> None:
        """Begin anew with optimisers whose state was replaced."""
        self.close()
        self._package = self._loaded = self._descent = self._program = self._compilation = None
        self._moments, self._taken_over = [], False

    def _step(self, batch: Tensors, coefficients: Tensors) -> Tensors:
        figures = by_autograd(self._losses, self._module, self._trained(coefficients), batch, coefficients)
        return figures | self._descend()

    def _descend(self) -> Tensors:
        if self._share is not None:
            self._share()
        return descend(self._optimizers, self._clipping)

    def _compiled_step(self, batch: Tensors, coefficients: Tensors) -> Tensors:
        arguments = self._arguments(batch, coefficients)
        results = self._loaded.run([tensor.detach() for group in arguments for tensor in group])
        if self._descent is not None:
            return dict(zip(self._figures, results, strict=True))
        self._set(results, coefficients)
        return dict(zip(self._figures, results[len(self._parameters) :], strict=True)) | self._descend()

    def _arguments(self, batch: Tensors, coefficients: Tensors) -> list[list[torch.Tensor]]:
        assert self._program is not None
        return self._program.arguments(batch, coefficients, self._present_moments())

    def _present_moments(self) -> Sequence[torch.Tensor]:
        """Return Adam's tensors with the learning rates of now; nothing where gradients alone are compiled."""
        if self._descent is None:
            return ()
        if not self._moments:
            self._moments = moments(self._optimizers)
        place = -1
        for part, (_, optimizer) in zip(self._descent.parts, self._optimizers, strict=True):
            place += 3 * len(part.parameters) + 1
            self._moments[place] = learning_rate(optimizer)
        return self._moments

    def _trained(self, coefficients: Tensors) -> list[torch.Tensor]:
        """Return all that has a gradient; to look through a module takes as long as a small loss."""
        if not self._parameters:
            self._parameters = trained(self._module, coefficients)
        return self._parameters

    def _start(self, batch: Tensors, coefficients: Tensors) -> None:
        """Have the program compiled, unless there is one."""
        assert self._cache is not None
        self._shapes = shapes(batch)
        if self._share is None:
            self._descent = adam_descent(self._optimizers, self._trained(coefficients), self._clipping)
        self._program = Program(self._losses, self._module, self._descent)
        key = program_key(self._losses, self._module, self._descent, batch, coefficients)
        self._package = self._cache / f"{key}.pt2"
        if self._package.is_file():
            # At once, so that nobody takes it away before it is wanted.
            self._load()
            return
        parts = (self._losses, self._module, self._descent, batch, coefficients, list(self._present_moments()))
        try:
            self._compilation = Compilation(self._package, *parts, hurry=self._hurry)
        except (OSError, pickle.PicklingError, AttributeError, TypeError) as error:
            self._do_without(error)

    def _load(self) -> None:
        assert self._package is not None
        try:
            if self._compilation is not None:
                self._compilation.wait()
            self._figures = json.loads(names_of(self._package).read_text())
            # The documented loader imports all of torch's compiler, for seconds, around this one.
            self._loaded = torch._C._aoti.AOTIModelPackageLoader(str(self._package), "model", False, 1, -1)
        except (RuntimeError, OSError, ValueError, AttributeError) as error:
            self._refuse(error)

    def _do_without(self, reason: object) -> None:
        log.warning("gradient steps are not compiled, and go on as they are: %s", reason)
        self._loaded = self._cache = None
        self.close()

    def _refuse(self, reason: object) -> None:
        assert self._package is not None
        # The next run makes it anew.
        for path in (self._package, names_of(self._package)):
            path.unlink(missing_ok=True)
        self._do_without(reason)

    def _take_over(self, batch: Tensors, coefficients: Tensors) -> Tensors:
        """Wait for the program if need be, and take a step both with and without it; returns figures of that step."""
        if self._loaded is None:
            self._load()
        if self._loaded is None:
            return self._step(batch, coefficients)
        arguments = [[tensor.detach() for tensor in group] for group in self._arguments(batch, coefficients)]
        before, tried = copied(arguments), copied(arguments)
        try:
            results = self._loaded.run([tensor for group in tried for tensor in group])
        except RuntimeError as error:
            self._refuse(error)
            return self._step(batch, coefficients)
        figures = by_autograd(self._losses, self._module, self._trained(coefficients), batch, coefficients)
        found = dict(zip(self._figures, results[-len(self._figures) :], strict=True))
        agree = same_figures(found, figures)
        if self._descent is None:
            agree = agree and same(results, self._gradients(coefficients))
            if agree:
                self._set(results, coefficients)
        figures |= self._descend()
        if not figures[FINITE]:
            return figures  # which shows nothing: the next step will
        if not (agree and (self._descent is None or same_descent(self._descent, before, tried, arguments))):
            self._refuse(f"the compiled program {self._package} does something else")
            return figures
        if self._descent is not None:
            # Its results count from this step on, also in a run that is resumed here.
            adopt(arguments, tried)
        self._taken_over = True
        self.close()
        return figures | found

    def _gradients(self, coefficients: Tensors) -> list[torch.Tensor]:
        return [p.grad if p.grad is not None else torch.zeros_like(p) for p in self._trained(coefficients)]

    def _set(self, gradients: Sequence[torch.Tensor], coefficients: Tensors) -> None:
        for parameter, gradient in zip(self._trained(coefficients), gradients, strict=False):
            parameter.grad = gradient

    def close(self) -> None:
        """End the compilation, if it still goes on, and leave nothing of it."""
        if self._compilation is not None:
            self._compilation.close()
