"""Gradient steps: computed by autograd first, and by a compiled program from a given step on.

Runs must be reproducible, so the step at which the program takes over does not depend on how long compilation took.
Only a compilation that is not finished after ``TIMEOUT_S`` is abandoned, with a warning.
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

from battery_lab.rllib.gradient_step.autograd import LossFunction, Tensors, compute_gradients, trainable_parameters
from battery_lab.rllib.gradient_step.compiler_process import Compilation, find_compiler
from battery_lab.rllib.gradient_step.equivalence import nearly_equal, nearly_equal_metrics, same_memory_layout
from battery_lab.rllib.gradient_step.gradient_program import GradientProgram
from battery_lab.rllib.gradient_step.optimizer_step import GradientClipping, NamedOptimizers, OptimizerStep
from battery_lab.rllib.gradient_step.program_cache_lock_and_cleanup import metric_names_path
from battery_lab.rllib.gradient_step.program_key import batch_signature, program_key
from battery_lab.rllib.threads_and_malloc import cores

log = logging.getLogger(__name__)


class GradientSteps:
    """Takes gradient steps, with a compiled program from step ``compile_after`` on.

    If the program cannot be compiled or loaded, or computes something else than autograd, a warning says why and all
    further steps use autograd.
    """

    def __init__(
        self,
        loss_function: LossFunction,
        module: nn.Module,
        optimizers: NamedOptimizers,
        clipping: GradientClipping,
        *,
        average_gradients: Callable[[], None] | None = None,
        cache: Path | None = None,
        compile_after: int = 0,
        urgent: bool = True,
    ) -> None:
        """Set up; compilation starts at the first step, whose minibatch gives the shapes.

        Args:
            loss_function: the loss to minimise.
            module: the networks.
            optimizers: one or more optimizers that cover all trainable parameters, each with its name.
            clipping: how gradients are clipped.
            average_gradients: replaces gradients by their mean over all learners; None with a single learner.
            cache: folder of compiled programs; None disables compilation.
            compile_after: number of steps before the compiled program takes over.
            urgent: whether training will soon wait for the program, so that compilation may slow it down meanwhile.
        """
        self._loss_function, self._module = loss_function, module
        self._optimizer_step, self._average_gradients = OptimizerStep(optimizers, clipping), average_gradients
        self._cache, self._compile_after, self._urgent = cache, compile_after, urgent
        self._compiles = cache is not None
        self._threads = self._threads_before = torch.get_num_threads()
        if self._compiles and urgent and find_compiler():
            self._threads_before = max(1, min(self._threads, cores() - 1))
        self._compilation: Compilation | None = None
        self._package: Path | None = None
        self._loaded: Any = None
        self._taken_over = False
        self._signature: Any = None
        self._program: GradientProgram | None = None
        self._metric_names: list[str] = []
        self._parameters: list[torch.Tensor] = []
        self._without_gradient: list[bool] = []

    def __call__(self, batch: Tensors, coefficients: Tensors, number: int) -> Tensors:
        """Take a step on a minibatch and return its metrics.

        Args:
            batch: columns of the minibatch, each (B, ...).
            coefficients: weights that change during training, and parameters outside of the networks.
            number: steps taken before, including those of the runs that this one resumes.
        """
        if self._compiles and self._package is None:
            self._start(batch, coefficients)
        if self._package is None or batch_signature(batch) != self._signature:
            return self._autograd_step(batch, coefficients)
        if self._taken_over:
            return self._compiled_step(batch, coefficients)
        if self._compiles and number >= self._compile_after:
            return self._take_over(batch, coefficients)
        return self._autograd_step(batch, coefficients)

    def threads(self, number: int) -> int:
        """Return how many threads to compute step ``number`` with.

        An urgent compiler gets a separate core until the take-over: torch's threads wait for one another, so all of
        them stall when one has to share its core. The number of threads changes how sums are rounded. To keep runs
        reproducible it depends on the step alone, and not on whether the program was cached or could be compiled.
        """
        return self._threads_before if number < self._compile_after else self._threads

    def waits_before(self, number: int) -> bool:
        """Return whether a step before step ``number`` would wait for the compiler."""
        if self._compilation is None or self._loaded is not None or not self._compiles or number <= self._compile_after:
            return False
        try:
            return not self._compilation.ready()
        except (RuntimeError, OSError):
            # The step that takes over reports it.
            return False

    @property
    def is_settled(self) -> bool:
        """Whether no further step waits for the compiler, until a state is restored."""
        return self._taken_over or not self._compiles

    @property
    def uses_compiled_program(self) -> bool:
        """Whether the compiled program has taken over."""
        return self._taken_over

    @property
    def flat_optimizers(self) -> set[str]:
        """Names of the optimizers whose last step updated all of their parameters with one kernel call."""
        return self._optimizer_step.flat_optimizers

    @property
    def fell_back_to_autograd(self) -> bool:
        """Whether compilation was requested and has failed."""
        return self._cache is not None and not self._compiles

    def reset(self, fell_back_to_autograd: bool = False) -> None:
        """Let the program take over again, after a restored state has changed the number of steps.

        Args:
            fell_back_to_autograd: whether the resumed run had fallen back to autograd, so that this one must too.
        """
        self._taken_over = False
        if fell_back_to_autograd and self._compiles:
            self._fall_back("the resumed run did not use a compiled program, and must give the same results")

    def _autograd_step(self, batch: Tensors, coefficients: Tensors) -> Tensors:
        return self._compute_gradients(batch, coefficients) | self._step_optimizers()

    def _compute_gradients(self, batch: Tensors, coefficients: Tensors) -> Tensors:
        parameters = self._trainable_parameters(coefficients)
        return compute_gradients(self._loss_function, self._module, parameters, batch, coefficients)

    def _step_optimizers(self) -> Tensors:
        if self._average_gradients is not None:
            self._average_gradients()
        return self._optimizer_step()

    def _compiled_step(self, batch: Tensors, coefficients: Tensors) -> Tensors:
        return self._set_gradients(self._run(batch, coefficients), coefficients) | self._step_optimizers()

    def _run(self, batch: Tensors, coefficients: Tensors) -> list[torch.Tensor]:
        assert self._program is not None
        arguments = self._program.arguments(batch, coefficients)
        results: list[torch.Tensor] = self._loaded.run([tensor.detach() for group in arguments for tensor in group])
        return results

    def _set_gradients(self, results: Sequence[torch.Tensor], coefficients: Tensors) -> Tensors:
        """Set the gradients that the program returned, and return its metrics."""
        count = len(results) - len(self._metric_names)
        parameters = self._trainable_parameters(coefficients)
        for parameter, gradient, none in zip(parameters, results[:count], self._without_gradient, strict=True):
            parameter.grad = None if none else gradient
        return dict(zip(self._metric_names, results[count:], strict=True))

    def _trainable_parameters(self, coefficients: Tensors) -> list[torch.Tensor]:
        # Cached: walking through a module takes as long as a small loss.
        if not self._parameters:
            self._parameters = trainable_parameters(self._module, coefficients)
        return self._parameters

    def _start(self, batch: Tensors, coefficients: Tensors) -> None:
        """Load the program from the cache, or start to compile it."""
        assert self._cache is not None
        self._signature = batch_signature(batch)
        self._program = GradientProgram(self._loss_function, self._module)
        key = program_key(self._loss_function, self._module, batch, coefficients, self._threads)
        self._package = self._cache / f"{key}.pt2"
        if self._package.is_file():
            # Now, because another run may remove it from the cache before the take-over.
            self._load()
            return
        parts = (self._loss_function, self._module, batch, coefficients, self._threads)
        try:
            self._compilation = Compilation(self._package, *parts, urgent=self._urgent)
        except (OSError, pickle.PicklingError, AttributeError, TypeError) as error:
            self._fall_back(error)

    def _load(self) -> None:
        assert self._package is not None
        try:
            if self._compilation is not None:
                self._compilation.wait()
            self._metric_names = json.loads(metric_names_path(self._package).read_text())
            # torch's documented loader spends seconds on importing the whole compiler.
            self._loaded = torch._C._aoti.AOTIModelPackageLoader(str(self._package), "model", False, 1, -1)
        except (RuntimeError, OSError, ValueError, AttributeError) as error:
            self._discard_program(error)

    def _fall_back(self, reason: object) -> None:
        log.warning("gradients are computed without a compiled program: %s", reason)
        self._compiles, self._loaded = False, None
        self.close()

    def _discard_program(self, reason: object) -> None:
        """Remove the program from the cache, so that the next run compiles it again, and use autograd."""
        assert self._package is not None
        for path in (self._package, metric_names_path(self._package)):
            path.unlink(missing_ok=True)
        self._fall_back(reason)

    def _take_over(self, batch: Tensors, coefficients: Tensors) -> Tensors:
        """Take a step with both autograd and the program, after waiting for it, and keep the program if they agree."""
        if self._loaded is None:
            self._load()
        if self._loaded is None:
            return self._autograd_step(batch, coefficients)
        try:
            results = self._run(batch, coefficients)
        except RuntimeError as error:
            self._discard_program(error)
            return self._autograd_step(batch, coefficients)
        metrics = self._compute_gradients(batch, coefficients)
        parameters = self._trainable_parameters(coefficients)
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
        if not all(gradient.isfinite().all() for gradient in gradients):
            # Nothing can be compared in this step. The next one tries again.
            return metrics | self._step_optimizers()
        if not self._agrees(results, parameters, gradients, metrics):
            self._discard_program(f"the compiled program {self._package} differs from autograd")
            return metrics | self._step_optimizers()
        # The program's results count from this step on, as in a run that is resumed here. It returns zeros where
        # autograd leaves no gradient, and optimizers would act on zeros.
        self._taken_over, self._without_gradient = True, [p.grad is None for p in parameters]
        self.close()
        return self._set_gradients(results, coefficients) | self._step_optimizers()

    def _agrees(
        self,
        results: Sequence[torch.Tensor],
        parameters: Sequence[torch.Tensor],
        gradients: Sequence[torch.Tensor],
        metrics: Tensors,
    ) -> bool:
        count = len(gradients)
        compiled_metrics = dict(zip(self._metric_names, results[count:], strict=False))
        return (
            len(results) == count + len(self._metric_names)
            and compiled_metrics.keys() == metrics.keys()
            and same_memory_layout(results, parameters)
            and nearly_equal(results, gradients)
            and nearly_equal_metrics(compiled_metrics, metrics)
        )

    def close(self) -> None:
        """End the compilation if it is still running, and remove its temporary files."""
        if self._compilation is not None:
            self._compilation.close()
