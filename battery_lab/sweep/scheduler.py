"""Sweep scheduler: starts trials that are not done, retries failures, prunes, and records outcomes in the journal."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from battery_lab.common.errors import LabError
from battery_lab.common.stop_signals import on_stop
from battery_lab.sweep.interfaces import Display, Outcome, Pool, Trial, TrialSource
from battery_lab.sweep.journal import Journal, TrialState
from battery_lab.sweep.sweep_control_options import SweepOptions
from battery_lab.sweep.trial_folder import (
    checkpoint_steps,
    is_locked,
    read_result,
    reset_folder,
)
from battery_lab.sweep.trial_progress import ProgressReader, TrialProgress

TICK_S = 0.5


class FixedTrials:
    """A source of trials that are all known in advance. None is pruned."""

    def __init__(self, trials: Sequence[Trial]) -> None:
        """Store the trials in the order in which they are to start."""
        self._trials = list(trials)

    def next_trials(self) -> Sequence[Trial]:
        """Return all trials at the first call, none later."""
        trials, self._trials = self._trials, []
        return trials

    def should_prune(self, trial: Trial, progress: TrialProgress) -> bool:
        return False

    def on_finished(self, trial: Trial) -> None:
        pass


class Scheduler:
    """Runs the trials of a sweep once: one launch.

    Attributes:
        stopped_by: number of the signal that stopped the launch. None: no signal did.
        detached: whether some trials keep running although this process no longer waits for them.
    """

    def __init__(
        self, journal: Journal, source: TrialSource, pool: Pool, options: SweepOptions, display: Display
    ) -> None:
        """Prepare a launch. Nothing starts yet.

        Args:
            journal: journal of the sweep, already read.
            source: where the trials come from.
            pool: where the trials run.
            options: how failures are handled.
            display: shows the trials to the user.
        """
        self._journal, self._source, self._pool = journal, source, pool
        self._options, self._display = options, display
        self._trials: dict[int, Trial] = {}
        self._waiting: deque[Trial] = deque()
        self._pruned: set[int] = set()
        self.stopped_by: int | None = None
        self.detached = self._aborted = self._stop_requested = False

    def run(self) -> None:
        """Run the trials that are not done. Afterwards each trial has an outcome, unless a stop left it waiting."""
        with on_stop(self._note_signal, self._terminate):
            try:
                self._pool.open()
                while self._take_trials() or self._pool.is_busy:
                    self._start_waiting()
                    self._stop_running()
                    for outcome in self._pool.wait(TICK_S):
                        self._finish(outcome)
                    self._prune()
                    self._take_retry_requests()
                    self._display.show(list(self._trials.values()))
            finally:
                self._pool.close()

    def _take_trials(self) -> bool:
        """Take trials from the source while the pool has capacity; return whether any are waiting to start."""
        while not self._waiting and not self._is_ending and self._pool.has_capacity:
            trials = self._source.next_trials()
            if not trials:
                break
            for trial in trials:
                self._trials[trial.number] = trial
                if self._is_done(trial):
                    self._source.on_finished(trial)
                else:
                    self._waiting.append(trial)
        return bool(self._waiting) and not self._is_ending

    @property
    def _is_ending(self) -> bool:
        """Whether no more trials are to start."""
        return self.stopped_by is not None or self._aborted or self.detached

    def _stop_running(self) -> None:
        """Stop the running trials, once, when no more are to start."""
        if self._is_ending and not self._stop_requested:
            self._stop_requested = True
            self._waiting.clear()
            self._pool.stop(by_signal=self.stopped_by is not None)

    def _is_done(self, trial: Trial) -> bool:
        """Return whether a trial is done, even if the sweep was killed before the journal recorded it."""
        if not (trial.entry.state.settled and trial.folder.is_dir()):
            result = read_result(trial.folder)
            if result is None:
                return False
            trial.entry = self._journal.record_outcome(trial.number, TrialState.DONE, result)
        trial.outcome = Outcome(number=trial.number, state=trial.entry.state, result=trial.entry.result)
        return True

    def _start_waiting(self) -> None:
        for _ in range(len(self._waiting)):
            if self._is_ending or not self._pool.has_capacity:
                return
            trial = self._waiting.popleft()
            if is_locked(trial.folder):
                # A process of a killed launch is still saving its checkpoint.
                self._waiting.append(trial)
            elif self._is_done(trial):
                # Its process was killed after it wrote its metrics.
                self._display.report(trial, list(self._trials.values()))
                self._source.on_finished(trial)
            else:
                self._start(trial)

    def _start(self, trial: Trial) -> None:
        trial.tries += 1
        steps = self._resume_steps(trial)
        trial.entry = self._journal.record_start(trial.number, trial.folder, trial.budget, steps or 0)
        trial.outcome = None
        trial.progress_reader = ProgressReader(trial.folder, trial.entry.started_at or 0.0)
        self._pruned.discard(trial.number)
        self._display.report(trial, list(self._trials.values()))
        try:
            self._pool.start(trial.number, trial.folder, trial.job(trial.folder if steps else None))
        except (OSError, LabError) as error:
            self._finish(Outcome(number=trial.number, state=TrialState.FAILED, reason=f"it could not start: {error}"))

    def _resume_steps(self, trial: Trial) -> int | None:
        """Return the environment steps to resume from. None: start over, in a clean folder.

        A checkpoint is not used again after an attempt that resumed from it raised an error before the next one.
        """
        steps, entry = checkpoint_steps(trial.folder), trial.entry
        if steps is None or (entry.raised and entry.env_steps == steps):
            reset_folder(trial.folder)
            return None
        return steps

    def _finish(self, outcome: Outcome) -> None:
        trial = self._trials[outcome.number]
        if outcome.state == TrialState.STOPPED and trial.number in self._pruned:
            outcome = replace(outcome, state=TrialState.PRUNED, result=trial.progress_reader.read().capture)
        trial.outcome = outcome
        trial.entry = self._journal.record_outcome(
            trial.number, outcome.state, outcome.result, outcome.reason, outcome.raised
        )
        self._display.report(trial, list(self._trials.values()))
        self.detached = self.detached or outcome.detached
        trial.tries -= outcome.machine_lost
        if outcome.state == TrialState.FAILED and trial.tries < self._options.tries and not self._is_ending:
            self._waiting.append(trial)
            return
        self._source.on_finished(trial)
        if outcome.state == TrialState.FAILED and self._options.on_failure == "stop":
            self._aborted = True

    def _prune(self) -> None:
        """Stop the running trials that the source prunes."""
        for trial in self._trials.values():
            is_running = trial.entry.state == TrialState.RUNNING and trial.number not in self._pruned
            if is_running and self._source.should_prune(trial, trial.progress_reader.read()):
                self._pruned.add(trial.number)
                self._pool.stop(trial.number)

    def _take_retry_requests(self) -> None:
        """Retry the trials that another process requested."""
        for number in self._journal.take_retry_requests():
            trial = self._trials.get(number)
            entry = self._journal.entries[number]
            if trial and trial.outcome and entry.state == TrialState.WAITING and not self._is_ending:
                trial.entry, trial.outcome, trial.tries = entry, None, 0
                self._waiting.append(trial)

    def _note_signal(self, number: int) -> None:
        # Only store it: a signal handler may interrupt any statement.
        self.stopped_by = number

    def _terminate(self, number: int) -> None:
        self._pool.close()
        os._exit(128 + number)
