"""What RLlib's algorithms do otherwise between runners and learners on whole arrays."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import Any

import torch
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.execution.rollout_ops import synchronous_parallel_sample
from ray.rllib.utils.metrics import (
    ENV_RUNNER_RESULTS,
    ENV_RUNNER_SAMPLING_TIMER,
    LEARNER_RESULTS,
    NUM_ENV_STEPS_SAMPLED_LIFETIME,
    SYNCH_WORKER_WEIGHTS_TIMER,
    TIMERS,
)
from ray.tune import Trainable

from battery_lab.rllib.runners.fragment import Fragment

log = logging.getLogger(__name__)


class ArrayAlgorithm(Algorithm):  # type: ignore[misc]
    """Goes before one of RLlib's algorithms: one sampling, and weights handed over where they lie."""

    _shared: tuple[list[torch.Tensor], list[torch.Tensor]] | None = None
    _unreported = 0  # transitions that RLlib's metrics do not know of yet

    @property
    def at_hand(self) -> bool:
        """Whether runner and learner are in this process."""
        return self.env_runner_group.num_remote_workers() == 0 and bool(self.learner_group.is_local)

    @property
    def env_steps(self) -> int:
        """Transitions sampled ever."""
        reported = self.metrics.peek((ENV_RUNNER_RESULTS, NUM_ENV_STEPS_SAMPLED_LIFETIME), default=0)
        return self._unreported + int(reported)

    def sampled(self, at_least: int | None = None) -> list[Fragment]:
        """Sample once, or as often as so many transitions need; returns nothing if all runners failed."""
        options: dict[str, Any] = {
            "worker_set": self.env_runner_group,
            "max_env_steps": at_least,
            "sample_timeout_s": self.config.sample_timeout_s,
            "_uses_new_env_runners": True,
        }
        fragments: list[Fragment]
        with self.metrics.log_time((TIMERS, ENV_RUNNER_SAMPLING_TIMER)):
            if self.at_hand:
                fragments = synchronous_parallel_sample(**options)
                self._unreported += sum(map(len, fragments))
            else:
                fragments, results = synchronous_parallel_sample(**options, _return_metrics=True)
                if fragments:
                    self.metrics.aggregate(results, key=ENV_RUNNER_RESULTS)
        return fragments

    def report(self, at_once: bool = False) -> None:
        """Gather the metrics of runner and learner in this process, once for all rounds of an iteration.

        RLlib goes round until an iteration has its least number of transitions, and would gather them each time.
        """
        if not self.learner_group.is_local:
            self._pass_on()
        config = self.config
        others = config.min_time_s_per_iteration or config.min_train_timesteps_per_iteration
        enough = self._unreported >= (config.min_sample_timesteps_per_iteration or 0)
        if self._unreported and (at_once or others or enough):
            self._unreported = 0
            self.metrics.aggregate([self.env_runner.get_metrics()], key=ENV_RUNNER_RESULTS)
            results = self.learner_group._learner.report()
            if results:
                self.metrics.aggregate([results], key=LEARNER_RESULTS)

    def _pass_on(self) -> None:
        """Log what learners in processes of their own warn of."""
        said = self.learner_group.foreach_learner(lambda learner: learner.take_warnings())
        for number, lines in enumerate(said):
            for line in lines.get() if lines.ok else ():
                log.warning("learner %d: %s", number, line)

    def get_state(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return RLlib's state; its metrics are in it, and what they do not know of would be lost."""
        self.report(at_once=True)
        return dict(super().get_state(*args, **kwargs))

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what ``get_state`` gave."""
        super().set_state(state)
        self._unreported = 0

    def give_weights(self) -> None:
        """Have the runners act with the weights that were learned."""
        with self.metrics.log_time((TIMERS, SYNCH_WORKER_WEIGHTS_TIMER)):
            if self.at_hand:
                self._copy_weights()
                return
            self.env_runner_group.sync_weights(
                from_worker_or_learner_group=self.learner_group, policies={DEFAULT_MODULE_ID}, inference_only=True
            )

    def _copy_weights(self) -> None:
        # RLlib sends them through Ray's object store, also to where they come from.
        learner, runner = self.learner_group._learner, self.env_runner
        if self._shared is None:
            learned = learner.module[DEFAULT_MODULE_ID].unwrapped().state_dict(keep_vars=True)
            acting = runner.module.state_dict(keep_vars=True)
            self._shared = list(acting.values()), [learned[name] for name in acting]
        with torch.no_grad():
            torch._foreach_copy_(*self._shared)
        runner._weights_seq_no = learner._weights_seq_no

    def get_auto_filled_metrics(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return what Tune adds to each result; RLlib copies all of its configuration for it."""
        return dict(Trainable.get_auto_filled_metrics(self, *args, **kwargs)) | {"config": self._told_config}

    @cached_property
    def _told_config(self) -> dict[str, Any]:
        # Frozen once the algorithm is built, but for modules to come, of which the lab has none.
        return dict(self.config.to_dict())
