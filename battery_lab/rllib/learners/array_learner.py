"""Array learner: base class of RLlib learners that train on whole arrays, with metrics once per update."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ray.rllib.core import ALL_MODULES, DEFAULT_MODULE_ID
from ray.rllib.core.learner.torch.torch_learner import TorchLearner
from ray.rllib.core.learner.training_data import TrainingData
from ray.rllib.utils.metrics import (
    MODULE_TRAIN_BATCH_SIZE_MEAN,
    NUM_ENV_STEPS_TRAINED,
    NUM_ENV_STEPS_TRAINED_LIFETIME,
    NUM_MODULE_STEPS_TRAINED,
    NUM_MODULE_STEPS_TRAINED_LIFETIME,
    WEIGHTS_SEQ_NO,
)

from battery_lab.common.errors import LabError
from battery_lab.rllib.gradient_step.autograd import LossFunction, Tensors
from battery_lab.rllib.gradient_step.gradient_steps import GradientSteps
from battery_lab.rllib.gradient_step.optimizer_step import GRADIENTS_FINITE, GradientClipping
from battery_lab.rllib.learners.minibatches import MinibatchBuffer, minibatches
from battery_lab.rllib.learners.unsupported_options import check_learner, check_module
from battery_lab.rllib.remote_learner_warnings import WarningCapture
from battery_lab.rllib.threads_and_malloc import keep_freed_memory, torch_threads

# Keys of the learner's state.
GRADIENT_STEPS, FELL_BACK = "battery_lab_gradient_steps", "battery_lab_uncompiled"
MAX_NON_FINITE_STEPS = 100  # in a row
log = logging.getLogger(__name__)
_MODULE_STEPS = {NUM_MODULE_STEPS_TRAINED: "sum", NUM_MODULE_STEPS_TRAINED_LIFETIME: "lifetime_sum"}
_ENV_STEPS = {NUM_ENV_STEPS_TRAINED: "sum", NUM_ENV_STEPS_TRAINED_LIFETIME: "lifetime_sum"}
STEPS_TRAINED = {DEFAULT_MODULE_ID: _MODULE_STEPS, ALL_MODULES: _MODULE_STEPS | _ENV_STEPS}


class ArrayLearner(TorchLearner):  # type: ignore[misc]
    """Mixin for one of RLlib's learners that replaces its path from the data to the optimizers.

    A subclass defines the loss (``loss_function``) and converts data to tensors (``tensors``). As in RLlib, metrics are
    those of the last minibatch of an update.

    Attributes:
        unsupported_module_overrides: methods of RLlib's modules that the loss function does not call.
    """

    unsupported_module_overrides: tuple[str, ...] = ("compute_self_supervised_loss",)

    @classmethod
    def outputs(cls, config: Any) -> tuple[str, ...]:
        """Return the columns of the policy's output that runners must store for the learner."""
        return ()

    def loss_function(self) -> LossFunction:
        """Return the loss function to minimise."""
        raise NotImplementedError

    def coefficients(self) -> Tensors:
        """Return weights that change during training, and parameters outside of the networks."""
        return {}

    def tensors(self, data: TrainingData) -> Tensors:
        """Return the columns of a batch, each (transitions, ...), on the learner's device."""
        raise NotImplementedError

    def build(self) -> None:
        """Build RLlib's learner and the gradient steps.

        Raises:
            ConfigError: the configuration needs a feature that only RLlib's own learners have.
        """
        check_learner(type(self), self.config)
        super().build()
        check_module(type(self._rl_module), self.unsupported_module_overrides)
        keep_freed_memory()
        self._warnings = WarningCapture() if self.config.num_learners else None
        self.gradient_steps = self._skipped = self._unreported = self._minibatch_size = 0
        self._iteration = self._iteration_start = self._iteration_steps = 0
        self._last_metrics: Mapping[str, torch.Tensor] = {}
        self._minibatch_buffer = MinibatchBuffer()
        options = self.config.learner_config_dict
        cache = options.get("compile_cache") if self._device.type == "cpu" else None
        self.stepper = GradientSteps(
            self.loss_function(),
            self._rl_module,
            list(self.get_optimizers_for_module(DEFAULT_MODULE_ID)),
            GradientClipping(limit=self.config.grad_clip, by=self.config.grad_clip_by),
            average_gradients=self._average_gradients if self.config.num_learners > 1 else None,
            cache=Path(cache) if cache else None,
            compile_after=options.get("compile_after", 0),
            urgent=options.get("compile_urgent", True),
        )

    def update(
        self,
        batch: Any = None,
        episodes: Any = None,
        training_data: TrainingData | None = None,
        *,
        timesteps: dict[str, Any] | None = None,
        num_epochs: int = 1,
        minibatch_size: int | None = None,
        num_total_minibatches: int = 0,
        shuffle_batch_per_epoch: bool = False,
        reports: bool = True,
        **kwargs: Any,
    ) -> Any:
        """Take all gradient steps on a batch, with the arguments of RLlib's ``Learner.update``.

        Args:
            batch: RLlib's multi-agent batch.
            episodes: fragments, if there is no batch.
            training_data: either of them, in RLlib's container.
            timesteps: RLlib's counters, which schedules and target networks follow.
            num_epochs: passes over the data.
            minibatch_size: transitions per gradient step; None takes all of them.
            num_total_minibatches: number of gradient steps; 0 derives it from the epochs.
            shuffle_batch_per_epoch: whether each epoch has a random order.
            reports: whether to return metrics now, or to keep them for ``report``.
            kwargs: further arguments of RLlib, without effect.
        """
        self._check_is_built()
        self._seed_update()
        self.before_gradient_based_update(timesteps=timesteps or {})
        data = training_data or TrainingData(batch=batch, episodes=episodes)
        data.validate()
        data.solve_refs()
        self._weights_seq_no += 1
        with torch_threads(self.stepper.threads(self.gradient_steps)):
            tensors = self.tensors(data)
            count = len(next(iter(tensors.values())))
            size = minibatch_size or count
            shuffle = shuffle_batch_per_epoch and num_epochs > 1
            for rows in minibatches(count, size, num_epochs, num_total_minibatches, shuffle):
                self._last_metrics = self.step(self._minibatch_buffer(tensors, rows), timesteps or {})
                self._unreported += 1
        self._minibatch_size = size
        if reports:
            self._log_unreported()
        self.after_gradient_based_update(timesteps=timesteps or {})
        return self.metrics.reduce() if reports else {}

    def report(self) -> Any:
        """Return the metrics of all updates since the last report; empty if there were none."""
        if not self._unreported:
            return {}
        self._log_unreported()
        return self.metrics.reduce()

    def step(self, batch: Tensors, timesteps: Mapping[str, Any]) -> Mapping[str, torch.Tensor]:
        """Take one gradient step and return its metrics.

        Raises:
            LabError: gradients were not finite in ``MAX_NON_FINITE_STEPS`` steps in a row.
        """
        metrics = self.stepper(batch, self.coefficients(), self.gradient_steps)
        self.gradient_steps += 1
        if metrics.pop(GRADIENTS_FINITE):
            self._skipped = 0
            return metrics
        self._skipped += 1
        log.warning("a gradient is not finite: gradient step %d is skipped", self.gradient_steps)
        if self._skipped == MAX_NON_FINITE_STEPS:
            raise LabError(
                f"gradients were not finite in the last {MAX_NON_FINITE_STEPS} steps, up to {self.gradient_steps}: "
                "reduce rewards (reward.scale) or step sizes (algo.lr, algo.grad_clip)"
            )
        return metrics

    def waits_for_compiler(self, iteration: int) -> bool | None:
        """Return whether an iteration would wait for the compiler, if it takes as many steps as the one before.

        Args:
            iteration: number of the next iteration.

        Returns:
            None if no iteration will ever wait again.
        """
        if self.stepper.is_settled:
            return None
        if iteration != self._iteration:
            self._iteration_steps = self.gradient_steps - self._iteration_start
            self._iteration, self._iteration_start = iteration, self.gradient_steps
        return self.stepper.waits_before(self.gradient_steps + self._iteration_steps)

    def take_warnings(self) -> list[str]:
        """Return the lab's warnings in this learner's own process since the last call."""
        return self._warnings.take() if self._warnings else []

    def get_state(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return RLlib's state, the number of gradient steps, and whether they fell back to autograd."""
        state: dict[str, Any] = super().get_state(*args, **kwargs)
        return state | {GRADIENT_STEPS: self.gradient_steps, FELL_BACK: self.stepper.fell_back_to_autograd}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore a state from ``get_state``."""
        super().set_state(state)
        if GRADIENT_STEPS in state:  # RLlib also sets weights alone.
            self.gradient_steps = state[GRADIENT_STEPS]
            self._skipped = self._unreported = 0
        self.stepper.reset(state.get(FELL_BACK, False))

    def shutdown(self) -> None:
        """End the compilation and RLlib's learner."""
        if hasattr(self, "stepper"):  # ``build`` may have refused the configuration.
            self.stepper.close()
        super().shutdown()

    def configure_optimizers_for_module(self, module_id: str, config: Any = None) -> None:
        """Configure RLlib's optimizers, fused where the optimizer supports it."""
        super().configure_optimizers_for_module(module_id=module_id, config=config)
        for _, optimizer in self.get_optimizers_for_module(module_id):
            for group in optimizer.param_groups:
                if "fused" in group:
                    group["fused"], group["foreach"] = True, False

    def _seed_update(self) -> None:
        """Seed the random numbers of an update, if the learner has a separate process.

        Checkpoints contain the random state of the main process only, and of several learners the state of the first
        one. A seed that depends only on the number of gradient steps makes a resumed run draw the same numbers.
        """
        if self.config.num_learners and self.config.seed is not None:
            entropy = (self.config.seed, self._learner_index, self.gradient_steps)
            torch.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1)[0]))

    @property
    def _rl_module(self) -> Any:
        return self.module[DEFAULT_MODULE_ID].unwrapped()

    def _average_gradients(self) -> None:
        """Replace each gradient by its mean over all learners."""
        gradients = [parameter.grad for parameter in self._params.values() if parameter.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        torch.distributed.all_reduce(flat)
        flat /= self.config.num_learners
        for gradient, mean in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def _log_unreported(self) -> None:
        self._log(self._last_metrics, self._unreported, self._minibatch_size)
        self._unreported = 0

    def _log(self, metrics: Mapping[str, torch.Tensor], minibatches: int, size: int) -> None:
        """Log the metrics of an update, which had a number of minibatches of one size, under RLlib's names."""
        values = {name: float(value) for name, value in metrics.items()} | {WEIGHTS_SEQ_NO: self._weights_seq_no}
        self.metrics.log_dict(values, key=DEFAULT_MODULE_ID, window=1)
        self.metrics.log_value((DEFAULT_MODULE_ID, MODULE_TRAIN_BATCH_SIZE_MEAN), size, reduce="mean")
        for module, names in STEPS_TRAINED.items():
            for name, reduce in names.items():
                self.metrics.log_value((module, name), minibatches * size, reduce=reduce)
