"""Array algorithm: sampling, metrics and weight synchronization of RLlib algorithms on whole arrays."""

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
    """Mixin for an RLlib algorithm: samples fragments, and copies weights directly within one process."""

    _shared: tuple[list[torch.Tensor], list[torch.Tensor]] | None = None
    _never_waits = False  # all learners use the compiled program, or autograd to the end
    _unreported = 0  # transitions that RLlib's metrics do not include yet

    @property
    def is_local(self) -> bool:
        """Whether runner and learner run in this process."""
        return self.env_runner_group.num_remote_workers() == 0 and bool(self.learner_group.is_local)

    @property
    def env_steps(self) -> int:
        """Transitions sampled since training began."""
        reported = self.metrics.peek((ENV_RUNNER_RESULTS, NUM_ENV_STEPS_SAMPLED_LIFETIME), default=0)
        return self._unreported + int(reported)

    def sample_fragments(self, at_least: int | None = None) -> list[Fragment]:
        """Sample once, or until there are ``at_least`` transitions; the list is empty if all runners failed."""
        options: dict[str, Any] = {
            "worker_set": self.env_runner_group,
            "max_env_steps": at_least,
            "sample_timeout_s": self.config.sample_timeout_s,
            "_uses_new_env_runners": True,
        }
        fragments: list[Fragment]
        with self.metrics.log_time((TIMERS, ENV_RUNNER_SAMPLING_TIMER)):
            if self.is_local:
                fragments = synchronous_parallel_sample(**options)
                self._unreported += sum(map(len, fragments))
            else:
                fragments, results = synchronous_parallel_sample(**options, _return_metrics=True)
                if fragments:
                    self.metrics.aggregate(results, key=ENV_RUNNER_RESULTS)
        return fragments

    def report_metrics(self, force: bool = False) -> None:
        """Aggregate the metrics of the local runner and learner once per iteration.

        RLlib repeats ``training_step`` until an iteration has its minimum of transitions, and would aggregate the
        metrics each time.
        """
        if not self.learner_group.is_local:
            self._log_learner_warnings()
        config = self.config
        other_minimum = config.min_time_s_per_iteration or config.min_train_timesteps_per_iteration
        enough = self._unreported >= (config.min_sample_timesteps_per_iteration or 0)
        if self._unreported and (force or other_minimum or enough):
            self._unreported = 0
            self.metrics.aggregate([self.env_runner.get_metrics()], key=ENV_RUNNER_RESULTS)
            results = self.learner_group._learner.report()
            if results:
                self.metrics.aggregate([results], key=LEARNER_RESULTS)

    def waits_for_compiler(self) -> bool:
        """Return whether the next iteration would wait for the compiler, in this process or in a learner's own."""
        if self._never_waits:
            return False
        iteration, group = self.iteration, self.learner_group
        if group.is_local:
            answers = [group._learner.waits_for_compiler(iteration)]
        else:
            results = group.foreach_learner(lambda learner: learner.waits_for_compiler(iteration))
            # A learner that failed does not wait: the next iteration reports it.
            answers = [result.get() if result.ok else False for result in results]
        self._never_waits = bool(answers) and all(answer is None for answer in answers)
        return any(answers)

    def _log_learner_warnings(self) -> None:
        """Log the warnings of learners in other processes."""
        results = self.learner_group.foreach_learner(lambda learner: learner.take_warnings())
        for index, messages in enumerate(results):
            for message in messages.get() if messages.ok else ():
                log.warning("learner %d: %s", index, message)

    def get_state(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return RLlib's state, which contains the metrics and therefore needs them complete."""
        self.report_metrics(force=True)
        return dict(super().get_state(*args, **kwargs))

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore a state that ``get_state`` returned."""
        super().set_state(state)
        self._unreported, self._never_waits = 0, False

    def sync_weights(self) -> None:
        """Copy the weights of the learner to the runners."""
        with self.metrics.log_time((TIMERS, SYNCH_WORKER_WEIGHTS_TIMER)):
            if self.is_local:
                self._copy_weights()
                return
            self.env_runner_group.sync_weights(
                from_worker_or_learner_group=self.learner_group, policies={DEFAULT_MODULE_ID}, inference_only=True
            )

    def _copy_weights(self) -> None:
        # RLlib would send them through Ray's object store even within this process.
        learner, runner = self.learner_group._learner, self.env_runner
        if self._shared is None:
            source = learner.module[DEFAULT_MODULE_ID].unwrapped().state_dict(keep_vars=True)
            target = runner.module.state_dict(keep_vars=True)
            self._shared = list(target.values()), [source[name] for name in target]
        with torch.no_grad():
            torch._foreach_copy_(*self._shared)
        runner._weights_seq_no = learner._weights_seq_no

    def get_auto_filled_metrics(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the entries that Tune adds to each result, without RLlib's copy of the configuration per result."""
        return dict(Trainable.get_auto_filled_metrics(self, *args, **kwargs)) | {"config": self._config_dict}

    @cached_property
    def _config_dict(self) -> dict[str, Any]:
        # The configuration is frozen once the algorithm is built, except for modules added later; the lab adds none.
        return dict(self.config.to_dict())
