"""The loop around a sweep's trials, whatever runs them: what is done is passed over, the rest begun, ends noted."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from battery_lab.common.errors import LabError
from battery_lab.common.signals import on_stop
from battery_lab.sweep.interfaces import Display, Outcome, Pool, Trial, TrialSource
from battery_lab.sweep.journal import Journal, State
from battery_lab.sweep.options import SweepOptions
from battery_lab.sweep.trial_folder import Progress, Watch, checkpoint_steps, is_locked, read_result, reset_folder

TICK_S = 0.5


class FixedTrials:
    """Trials that are known from the beginning, all of which come to their end."""

    def __init__(self, trials: Sequence[Trial]) -> None:
        """Remember the trials, in the order in which they are to begin."""
        self._trials = list(trials)

    def next_trials(self) -> Sequence[Trial]:
        """Return all trials, once."""
        trials, self._trials = self._trials, []
        return trials

    def should_prune(self, trial: Trial, progress: Progress) -> bool:
        """Return that it does not."""
        return False

    def on_finished(self, trial: Trial) -> None:
        """Do nothing."""


class Scheduler:
    """One go at a sweep's trials."""

    def __init__(
        self, journal: Journal, source: TrialSource, pool: Pool, options: SweepOptions, display: Display
    ) -> None:
        """Remember all; nothing begins yet.

        Args:
            journal: of the sweep, read.
            source: of the trials.
            pool: where they run.
            options: how failures are dealt with.
            display: what shows them to a person.
        """
        self._journal, self._source, self._pool = journal, source, pool
        self._options, self._display = options, display
        self._trials: dict[int, Trial] = {}
        self._waiting: deque[Trial] = deque()
        self._pruned: set[int] = set()
        self.stopped_by: int | None = None
        self.detached = self._failed = self._told = False

    def run(self) -> None:
        """Run what is not done; afterwards each trial has its ending, but for those that a stop left waiting."""
        with on_stop(self._note_stop, self._end):
            try:
                self._pool.open()
                while self._fill() or self._pool.is_busy:
                    self._begin()
                    self._stop_all()
                    for ending in self._pool.wait(TICK_S):
                        self._ended(ending)
                    self._prune()
                    self._take_wishes()
                    self._display.show(list(self._trials.values()))
            finally:
                self._pool.close()

    def _fill(self) -> bool:
        """Ask for more trials where there is room; returns whether any wait to be run."""
        while (
            not self._waiting and not self._ends and self._pool.has_capacity and (found := self._source.next_trials())
        ):
            for trial in found:
                self._trials[trial.number] = trial
                if self._is_done(trial):
                    self._source.on_finished(trial)
                else:
                    self._waiting.append(trial)
        return bool(self._waiting) and not self._ends

    @property
    def _ends(self) -> bool:
        """Whether nothing more is to begin."""
        return self.stopped_by is not None or self._failed or self.detached

    def _stop_all(self) -> None:
        """Have what runs stop, once, where nothing more is to begin."""
        if self._ends and not self._told:
            self._told = True
            self._waiting.clear()
            self._pool.stop(by_signal=self.stopped_by is not None)

    def _is_done(self, trial: Trial) -> bool:
        """Whether a trial is settled, also where the sweep was killed before its journal said so."""
        if not (trial.entry.state.settled and trial.folder.is_dir()):
            result = read_result(trial.folder)
            if result is None:
                return False
            trial.entry = self._journal.record_outcome(trial.number, State.DONE, result)
        trial.outcome = Outcome(number=trial.number, state=trial.entry.state, result=trial.entry.result)
        return True

    def _begin(self) -> None:
        for _ in range(len(self._waiting)):
            if self._ends or not self._pool.has_capacity:
                return
            trial = self._waiting.popleft()
            if is_locked(trial.folder):
                # By a run that was told to stop when its launcher was killed, and has yet to save its checkpoint.
                self._waiting.append(trial)
            elif self._is_done(trial):
                # Its process was lost after it had written its figures.
                self._display.report(trial, list(self._trials.values()))
                self._source.on_finished(trial)
            else:
                self._start(trial)

    def _start(self, trial: Trial) -> None:
        trial.tries += 1
        steps = self._place_to_go_on(trial)
        trial.entry = self._journal.record_start(trial.number, trial.folder, trial.budget, steps or 0)
        trial.outcome = None
        trial.watch = Watch(trial.folder, trial.entry.started_at or 0.0)
        self._pruned.discard(trial.number)
        self._display.report(trial, list(self._trials.values()))
        try:
            self._pool.start(trial.number, trial.folder, trial.job(trial.folder if steps else None))
        except (OSError, LabError) as error:
            self._ended(Outcome(number=trial.number, state=State.FAILED, reason=f"it could not begin: {error}"))

    def _place_to_go_on(self, trial: Trial) -> int | None:
        """Return the environment steps of the checkpoint to go on from; None begins anew, in an empty folder.

        A checkpoint from which a try has gone on and failed by its own fault, without another one, is not tried again.
        """
        steps, entry = checkpoint_steps(trial.folder), trial.entry
        if steps is None or (entry.raised and entry.env_steps == steps):
            reset_folder(trial.folder)
            return None
        return steps

    def _ended(self, ending: Outcome) -> None:
        trial = self._trials[ending.number]
        if ending.state == State.STOPPED and trial.number in self._pruned:
            ending = replace(ending, state=State.PRUNED, result=trial.watch.look().capture)
        trial.outcome = ending
        trial.entry = self._journal.record_outcome(
            trial.number, ending.state, ending.result, ending.reason, ending.raised
        )
        self._display.report(trial, list(self._trials.values()))
        self.detached = self.detached or ending.detached
        trial.tries -= ending.machine_lost
        if ending.state == State.FAILED and trial.tries < self._options.tries and not self._ends:
            self._waiting.append(trial)
            return
        self._source.on_finished(trial)
        if ending.state == State.FAILED and self._options.on_failure == "stop":
            self._failed = True

    def _prune(self) -> None:
        """End what the source has no use for."""
        for trial in self._trials.values():
            runs = trial.entry.state == State.RUNNING and trial.number not in self._pruned
            if runs and self._source.should_prune(trial, trial.watch.look()):
                self._pruned.add(trial.number)
                self._pool.stop(trial.number)

    def _take_wishes(self) -> None:
        """Try again what somebody asks for from another process."""
        for number in self._journal.take_retry_requests():
            trial = self._trials.get(number)
            entry = self._journal.entries[number]
            if trial and trial.outcome and entry.state == State.WAITING and not self._ends:
                trial.entry, trial.outcome, trial.tries = entry, None, 0
                self._waiting.append(trial)

    def _note_stop(self, number: int) -> None:
        # No more than that: a signal comes amid anything.
        self.stopped_by = number

    def _end(self, number: int) -> None:
        self._pool.close()
        os._exit(128 + number)
