"""Gradient steps: by torch's autograd at first, and by one compiled program once there is one.

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

from battery_lab.rllib.gradient_step.autograd import Losses, Tensors, by_autograd, trained
from battery_lab.rllib.gradient_step.compiler_process import Compilation, compiler, names_of
from battery_lab.rllib.gradient_step.equivalence import laid_out, same, same_figures
from battery_lab.rllib.gradient_step.optimizer_step import Clipping, Descent, Named
from battery_lab.rllib.gradient_step.traced_program import Program, program_key, shapes
from battery_lab.rllib.process_resources import cores

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
            after: steps without the compiled program.
            hurry: whether compiling may slow the steps before, which will soon wait for it.
        """
        self._losses, self._module = losses, module
        self._descent, self._share = Descent(optimizers, clipping), share
        self._cache, self._after, self._hurry = cache, after, hurry
        self._compiles = cache is not None
        self._threads = self._threads_before = torch.get_num_threads()
        if self._compiles and hurry and compiler():
            self._threads_before = max(1, min(self._threads, cores() - 1))
        self._compilation: Compilation | None = None
        self._package: Path | None = None
        self._loaded: Any = None
        self._taken_over = False
        self._shapes: Any = None
        self._program: Program | None = None
        self._figures: list[str] = []
        self._parameters: list[torch.Tensor] = []
        self._unused: list[bool] = []

    def __call__(self, batch: Tensors, coefficients: Tensors, number: int) -> Tensors:
        """Take a step on a minibatch and return figures of it.

        Args:
            batch: columns of the minibatch, (B, ...).
            coefficients: weights that change while training, and parameters that belong to no network.
            number: steps that were taken before, in this run and those that it resumes.
        """
        if self._compiles and self._package is None:
            self._start(batch, coefficients)
        if self._package is None or shapes(batch) != self._shapes:
            return self._step(batch, coefficients)
        if self._taken_over:
            return self._compiled_step(batch, coefficients)
        if self._compiles and number >= self._after:
            return self._take_over(batch, coefficients)
        return self._step(batch, coefficients)

    def threads(self, number: int) -> int:
        """Return how many threads are to compute: while a hurried compiler needs a core, not those of all cores.

        Threads wait for one another, so that all of them stop where one has to share its core. How many there are has
        a part in how sums are rounded, and depends on the number of steps alone, as the take-over does: not on whether
        the program lay in the cache, or could be made.
        """
        return self._threads_before if number < self._after else self._threads

    @property
    def goes_without(self) -> bool:
        """Whether steps were to be compiled ones some day, and will not be."""
        return self._cache is not None and not self._compiles

    def forget(self, goes_without: bool = False) -> None:
        """Have the program take over anew, as the number of steps may have been set back; it stays what it is.

        Args:
            goes_without: whether the run that is gone on with did without the program, and is to do so.
        """
        self._taken_over = False
        if goes_without and self._compiles:
            self._do_without("the run that is gone on with did without a program, and is to come out the same")

    def _step(self, batch: Tensors, coefficients: Tensors) -> Tensors:
        figures = by_autograd(self._losses, self._module, self._trained(coefficients), batch, coefficients)
        return figures | self._descend()

    def _descend(self) -> Tensors:
        if self._share is not None:
            self._share()
        return self._descent()

    def _compiled_step(self, batch: Tensors, coefficients: Tensors) -> Tensors:
        return self._adopted(self._run(batch, coefficients), coefficients) | self._descend()

    def _run(self, batch: Tensors, coefficients: Tensors) -> list[torch.Tensor]:
        assert self._program is not None
        arguments = self._program.arguments(batch, coefficients)
        results: list[torch.Tensor] = self._loaded.run([tensor.detach() for group in arguments for tensor in group])
        return results

    def _adopted(self, results: Sequence[torch.Tensor], coefficients: Tensors) -> Tensors:
        """Take the program's gradients for those of the parameters, and return its figures."""
        count = len(results) - len(self._figures)
        for parameter, gradient, none in zip(self._trained(coefficients), results[:count], self._unused, strict=True):
            parameter.grad = None if none else gradient
        return dict(zip(self._figures, results[count:], strict=True))

    def _trained(self, coefficients: Tensors) -> list[torch.Tensor]:
        """Return all that has a gradient; to look through a module takes as long as a small loss."""
        if not self._parameters:
            self._parameters = trained(self._module, coefficients)
        return self._parameters

    def _start(self, batch: Tensors, coefficients: Tensors) -> None:
        """Have the program compiled, unless there is one."""
        assert self._cache is not None
        self._shapes = shapes(batch)
        self._program = Program(self._losses, self._module)
        key = program_key(self._losses, self._module, batch, coefficients, self._threads)
        self._package = self._cache / f"{key}.pt2"
        if self._package.is_file():
            # At once, so that nobody takes it away before it is wanted.
            self._load()
            return
        parts = (self._losses, self._module, batch, coefficients, self._threads)
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
        log.warning("gradients are not compiled, and go on as they are: %s", reason)
        self._compiles, self._loaded = False, None
        self.close()

    def _refuse(self, reason: object) -> None:
        assert self._package is not None
        # The next run makes it anew.
        for path in (self._package, names_of(self._package)):
            path.unlink(missing_ok=True)
        self._do_without(reason)

    def _take_over(self, batch: Tensors, coefficients: Tensors) -> Tensors:
        """Wait for the program if need be, and find gradients both with and without it; returns figures of the step."""
        if self._loaded is None:
            self._load()
        if self._loaded is None:
            return self._step(batch, coefficients)
        try:
            results = self._run(batch, coefficients)
        except RuntimeError as error:
            self._refuse(error)
            return self._step(batch, coefficients)
        figures = by_autograd(self._losses, self._module, self._trained(coefficients), batch, coefficients)
        parameters = self._trained(coefficients)
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
        if not all(gradient.isfinite().all() for gradient in gradients):
            return figures | self._descend()  # which shows nothing: the next step will
        found = dict(zip(self._figures, results[len(gradients) :], strict=False))
        alike = len(results) == len(gradients) + len(self._figures) and found.keys() == figures.keys()
        if not (alike and laid_out(results, parameters) and same(results, gradients) and same_figures(found, figures)):
            self._refuse(f"the compiled program {self._package} does something else")
            return figures | self._descend()
        # Its results count from this step on, also in a run that is resumed here. Where autograd gives no gradient, it
        # gives zeros, which optimisers would not leave alone.
        self._taken_over, self._unused = True, [p.grad is None for p in parameters]
        self.close()
        return self._adopted(results, coefficients) | self._descend()

    def close(self) -> None:
        """End the compilation, if it still goes on, and leave nothing of it."""
        if self._compilation is not None:
            self._compilation.close()
