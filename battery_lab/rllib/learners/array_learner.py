"""RLlib's learners on whole arrays: one loop over minibatches of tensors, metrics once an update."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
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

from battery_lab.common.errors import ConfigError, LabError, require_choice
from battery_lab.rllib.gradient_step.autograd import Losses, Tensors
from battery_lab.rllib.gradient_step.gradient_steps import GradientSteps
from battery_lab.rllib.gradient_step.optimizer_step import FINITE, Clipping
from battery_lab.rllib.learners.minibatches import Chosen, minibatches
from battery_lab.rllib.log_capture import Said
from battery_lab.rllib.process_resources import keep_freed_memory, torch_threads

STEPS, UNCOMPILED = "battery_lab_gradient_steps", "battery_lab_uncompiled"
# Where RLlib's learners are commonly changed, and an update on arrays does not come by.
UNSEEN = (
    *("_update", "compute_losses", "compute_loss_for_module", "compute_gradients", "apply_gradients"),
    *("postprocess_gradients", "postprocess_gradients_for_module"),
)
WAYS_TO_CLIP = ("global_norm", "norm", "value")
PATIENCE = 100  # gradients in a row that may be not finite
log = logging.getLogger(__name__)
_MODULE_STEPS = {NUM_MODULE_STEPS_TRAINED: "sum", NUM_MODULE_STEPS_TRAINED_LIFETIME: "lifetime_sum"}
_ENV_STEPS = {NUM_ENV_STEPS_TRAINED: "sum", NUM_ENV_STEPS_TRAINED_LIFETIME: "lifetime_sum"}
STEPS_TRAINED = {DEFAULT_MODULE_ID: _MODULE_STEPS, ALL_MODULES: _MODULE_STEPS | _ENV_STEPS}


class ArrayLearner(TorchLearner):  # type: ignore[misc]
    """Goes before one of RLlib's learners and takes its place between the data and the optimisers.

    A subclass says what it descends (``losses``) and turns data into tensors (``tensors``). Metrics are those of an
    update's last minibatch, as RLlib's are.

    Attributes:
        unseen_of_modules: methods of RLlib's modules that its losses do not come by.
    """

    unseen_of_modules: tuple[str, ...] = ("compute_self_supervised_loss",)

    @classmethod
    def outputs(cls, config: Any) -> tuple[str, ...]:
        """Return the columns that runners must keep for it."""
        return ()

    def losses(self) -> Losses:
        """Return what is descended."""
        raise NotImplementedError

    def coefficients(self) -> Tensors:
        """Return weights that change while training, and parameters that belong to no network."""
        return {}

    def tensors(self, data: TrainingData) -> Tensors:
        """Return the columns of a batch, each (transitions, ...), on the learner's device."""
        raise NotImplementedError

    def build(self) -> None:
        """Build RLlib's learner, and the gradient steps on its losses.

        Raises:
            ConfigError: the configuration asks for what only RLlib's own learners do.
        """
        config = self.config
        require_choice("grad_clip_by", config.grad_clip_by, WAYS_TO_CLIP)
        for wrong, what in (
            (config._learner_connector is not None, "learner connectors"),
            (config._torch_lr_scheduler_classes is not None, "torch's schedulers of learning rates"),
            (config._torch_grad_scaler_class is not None, "scalers of gradients"),
            (config.policies_to_train is not None, "policies_to_train"),
            (bool(config.algorithm_config_overrides_per_module), "algorithm_config_overrides_per_module"),
            (config.torch_compile_learner, "torch_compile_learner, where rollout.compile is"),
            (bool(own := changed(type(self), UNSEEN)), f"what a learner has of its own in {', '.join(own)}"),
        ):
            if wrong:
                raise ConfigError(f"rollout=array does not do {what}: choose rollout=stock, which does")
        super().build()
        if own := changed(type(self._rl_module), self.unseen_of_modules):
            raise ConfigError(
                f"rollout=array does not do what a module has of its own in {', '.join(own)}: choose rollout=stock, "
                "which does"
            )
        keep_freed_memory()
        self._said = Said() if config.num_learners else None
        options = self.config.learner_config_dict
        cache = options.get("compile_cache") if self._device.type == "cpu" else None
        self._gradient_steps = self._left_out = self._unreported = self._size = 0
        self._figures: Mapping[str, torch.Tensor] = {}
        self._chosen = Chosen()
        self._steps = GradientSteps(
            self.losses(),
            self._rl_module,
            list(self.get_optimizers_for_module(DEFAULT_MODULE_ID)),
            Clipping(limit=self.config.grad_clip, by=self.config.grad_clip_by),
            share=self._share_gradients if self.config.num_learners > 1 else None,
            cache=Path(cache) if cache else None,
            after=options.get("compile_after", 0),
            hurry=options.get("compile_hurry", True),
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
        """Take all gradient steps on some data, as RLlib's ``Learner.update``; metrics may wait for ``report``."""
        self._check_is_built()
        self._draw_anew()
        self.before_gradient_based_update(timesteps=timesteps or {})
        data = training_data or TrainingData(batch=batch, episodes=episodes)
        data.validate()
        data.solve_refs()
        self._weights_seq_no += 1
        with torch_threads(self._steps.threads(self._gradient_steps)):
            tensors = self.tensors(data)
            count = len(next(iter(tensors.values())))
            size = minibatch_size or count
            shuffle = shuffle_batch_per_epoch and num_epochs > 1
            for rows in minibatches(count, size, num_epochs, num_total_minibatches, shuffle):
                self._figures = self.step(self._chosen(tensors, rows), timesteps or {})
                self._unreported += 1
        self._size = size
        if reports:
            self._log(self._figures, self._unreported, size)
            self._unreported = 0
        self.after_gradient_based_update(timesteps=timesteps or {})
        return self.metrics.reduce() if reports else {}

    def report(self) -> Any:
        """Return metrics of the updates that have not reported; nothing if there are none."""
        if not self._unreported:
            return {}
        self._log(self._figures, self._unreported, self._size)
        self._unreported = 0
        return self.metrics.reduce()

    def step(self, batch: Tensors, timesteps: Mapping[str, Any]) -> Mapping[str, torch.Tensor]:
        """Take one gradient step and return figures of it.

        Raises:
            LabError: gradients have not been finite for ``PATIENCE`` steps.
        """
        figures = self._steps(batch, self.coefficients(), self._gradient_steps)
        self._gradient_steps += 1
        if figures.pop(FINITE):
            self._left_out = 0
            return figures
        self._left_out += 1
        log.warning("a gradient is not finite: step %d is left out", self._gradient_steps)
        if self._left_out == PATIENCE:
            raise LabError(
                f"gradients must be finite, and were not in the last {PATIENCE} steps up to {self._gradient_steps}: "
                "rewards may be too large (reward.scale) or steps too long (algo.lr, algo.grad_clip)"
            )
        return figures

    def take_said(self) -> list[str]:
        """Return what the lab warned of in this learner's own process since the last call."""
        return self._said.take() if self._said else []

    def get_state(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return RLlib's state, the number of gradient steps, and whether they go without a compiled program."""
        state: dict[str, Any] = super().get_state(*args, **kwargs)
        return state | {STEPS: self._gradient_steps, UNCOMPILED: self._steps.goes_without}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what ``get_state`` gave."""
        super().set_state(state)
        if STEPS in state:  # weights come alone too
            self._gradient_steps = state[STEPS]
            self._left_out = self._unreported = 0
        self._steps.forget(state.get(UNCOMPILED, False))

    def shutdown(self) -> None:
        """End what compiles for it, and RLlib's learner."""
        if hasattr(self, "_steps"):  # not where ``build`` refused the configuration
            self._steps.close()
        super().shutdown()

    def configure_optimizers_for_module(self, module_id: str, config: Any = None) -> None:
        """Make RLlib's optimisers, and have each take its steps in one call where the device can."""
        super().configure_optimizers_for_module(module_id=module_id, config=config)
        for _, optimizer in self.get_optimizers_for_module(module_id):
            for group in optimizer.param_groups:
                if "fused" in group:
                    group["fused"], group["foreach"] = True, False

    def _draw_anew(self) -> None:
        """Seed what a learner in a process of its own draws in an update.

        Checkpoints hold the generators of the training's own process, and of several learners the first one's state
        alone: where all follows from the number of gradient steps, a resumed run draws the same.
        """
        if self.config.num_learners and self.config.seed is not None:
            origin = np.random.SeedSequence((self.config.seed, self._learner_index, self._gradient_steps))
            torch.manual_seed(int(origin.generate_state(1)[0]))

    @property
    def _rl_module(self) -> Any:
        return self.module[DEFAULT_MODULE_ID].unwrapped()

    def _share_gradients(self) -> None:
        """Take the mean over all learners."""
        gradients = [parameter.grad for parameter in self._params.values() if parameter.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        torch.distributed.all_reduce(flat)
        flat /= self.config.num_learners
        for gradient, mean in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def _log(self, figures: Mapping[str, torch.Tensor], number: int, size: int) -> None:
        """Log an update of so many minibatches of one size, under RLlib's names."""
        values = {name: float(value) for name, value in figures.items()} | {WEIGHTS_SEQ_NO: self._weights_seq_no}
        self.metrics.log_dict(values, key=DEFAULT_MODULE_ID, window=1)
        self.metrics.log_value((DEFAULT_MODULE_ID, MODULE_TRAIN_BATCH_SIZE_MEAN), size, reduce="mean")
        for where, names in STEPS_TRAINED.items():
            for name, reduce in names.items():
                self.metrics.log_value((where, name), number * size, reduce=reduce)


def changed(kind: type, names: Sequence[str]) -> list[str]:
    """Return which methods a class of one's own, or what it is mixed with, has in place of RLlib's."""
    makers = {name: next((one for one in kind.__mro__ if name in vars(one)), object) for name in names}
    return [name for name, maker in makers.items() if not maker.__module__.startswith(("ray.", "builtins"))]
