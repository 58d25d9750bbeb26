"""SageMaker as a place where trials run, as the loop around a sweep sees it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from battery_lab.common.errors import LabError
from battery_lab.sweep.interfaces import Outcome
from battery_lab.sweep.journal import State
from sagemaker_jobs.aws.connection import Connection, ServiceError
from sagemaker_jobs.aws.errors import told
from sagemaker_jobs.aws.experiments import log_run, run_name
from sagemaker_jobs.collect.job_record import Record
from sagemaker_jobs.collect.outcome import came_to, ended
from sagemaker_jobs.collect.results import Home
from sagemaker_jobs.job_start import Beginning, Running
from sagemaker_jobs.options.job_options import JobOptions
from sagemaker_jobs.submit.dry_run import Previewed
from sagemaker_jobs.submit.local_mode import LocalJobs
from sagemaker_jobs.submit.payload import Sender
from sagemaker_jobs.submit.training_jobs import Jobs

LEFT = "its job goes on; the same command follows it again"
NOT_SENT = "it was not sent yet; the same command sends it"


class SageMakerPool(Previewed):
    """Training jobs, so many at a time."""

    def __init__(self, options: JobOptions, connection: Connection, sender: Sender, record: Record) -> None:
        """Remember all; nothing is asked of the service yet.

        Args:
            options: of all jobs.
            connection: to AWS.
            sender: gets trials ready and has them created.
            record: of the sweep's jobs, for other shells.
        """
        super().__init__(options, connection, sender)
        self._record = record
        lead = sender.places.lead
        self.jobs = (
            LocalJobs(lead, sender.places.output, str(options.instance_type), options.hosts)
            if options.local
            else Jobs(connection, lead)
        )
        self._home = Home(connection, sender.places, options.evaluated_run)
        self._beginning = Beginning(options, self.jobs, sender, record, self._home)
        self._running: dict[int, Running] = {}
        self._looked = 0.0
        self._left = self._stops = self._outage = False

    def open(self) -> None:
        """Ask which jobs of the sweep there are, and send the lab's source.

        Raises:
            LabError: the service or the bucket cannot be reached.
        """
        with told("reach SageMaker and S3"):
            self.jobs.look()
            self._sender.open()

    @property
    def max_parallel(self) -> int:
        """How many jobs run at once."""
        return self._options.max_parallel

    @property
    def has_capacity(self) -> bool:
        """Whether another job may be begun; none is while one waits for the account's quota."""
        waits = any(running.job is None for running in self._running.values())
        return not self._left and not waits and len(self._running) < self._options.max_parallel

    @property
    def is_busy(self) -> bool:
        """Whether any job is to be waited for."""
        return bool(self._running)

    def start(self, number: int, folder: Path, job: Any) -> None:
        """Have a trial's job run: a new one, or the one that an earlier launch began.

        Args:
            number: by which its end will be told.
            folder: of the trial, made if missing.
            job: what it is.

        Raises:
            LabError: it cannot be sent.
        """
        folder.mkdir(parents=True, exist_ok=True)
        with told(f"send trial {number}"):
            running = Running(number, folder, self._sender.prepare(number, folder, job))
            self._beginning.stop_old(running)
            self._beginning.begin(running)
        self._running[number] = running
        self._looked = 0.0

    def wait(self, seconds: float) -> Iterator[Outcome]:
        """Wait for so long at most, and tell of jobs that ended; asks the service once a poll interval."""
        leaves = self._left or not (self._options.wait or self._stops)
        if leaves and not self._left:
            # What an earlier command sent may be done, and makes room for more.
            done = list(self._look_at(running for running in list(self._running.values()) if self._has_ended(running)))
            yield from done
            if done:
                return
        if leaves:
            yield from self._leave()
            return
        for running in [r for r in self._running.values() if r.unwanted and r.job is None]:
            yield self._gone(running, Outcome(number=running.number, state=State.STOPPED))
        due = self._looked + self._options.poll_interval_s - time.monotonic()
        if due > 0:
            time.sleep(min(due, seconds))
            return
        self._looked = time.monotonic()
        if not self._reached(self.jobs.look):
            return
        for running in list(self._running.values()):
            if running.unwanted:
                self._ask_to_stop(running)
        yield from self._look_at(list(self._running.values()))

    def _has_ended(self, running: Running) -> bool:
        seen = None if running.job is None else self.jobs.seen.get(running.job)
        return seen is not None and not seen.under_way

    def _look_at(self, some: Iterable[Running]) -> Iterator[Outcome]:
        """Tell of those that have ended, with what they left brought home."""
        for running in some:
            endings: list[Outcome] = []
            self._reached(partial(self._look, running, endings))
            for ending in endings:
                yield self._gone(running, ending)

    def stop(self, number: int | None = None, by_signal: bool = False) -> None:
        """Ask jobs to stop, or leave them after a signal, if that was chosen; None: all of them."""
        if number is None:
            # What is left alone has nothing to wait for; what is stopped has, also where nobody was to wait for it.
            self._left = by_signal and self._options.on_interrupt == "leave"
            self._stops = not self._left
        for running in self._running.values():
            if number in (None, running.number) and not self._left:
                self._ask_to_stop(running)

    def close(self) -> None:
        """Ask what still runs to stop, unless jobs are to be left."""
        if self._left or self._options.on_interrupt == "leave":
            return
        for running in self._running.values():
            self._ask_to_stop(running)
            if self._outage:
                names = " ".join(one.job for one in self._running.values() if one.job and not one.asked)
                print(f"these jobs could not be asked to stop, and go on: {names}", file=sys.stderr, flush=True)
                return

    def _ask_to_stop(self, running: Running) -> None:
        """Ask a job to stop, once; where the service does not answer, the next look asks again."""
        running.unwanted = True
        if running.job is not None and not running.asked:
            running.asked = self._reached(partial(self.jobs.stop, running.job))
            if running.asked:
                self._record.note_asked(running.job)

    def _reached(self, ask: Callable[[], object]) -> bool:
        """Ask the service something; returns whether it answered.

        Where it does not, jobs go on all the same, and so does the sweep: it says so once and asks again later.
        """
        try:
            with told("reach the jobs"):
                ask()
        except ServiceError as error:
            if not error.passes:
                raise
            if not self._outage:
                print(f"{error} (jobs go on; this is tried again)", file=sys.stderr, flush=True)
            self._outage = True
            return False
        self._outage = False
        return True

    def _look(self, running: Running, endings: list[Outcome]) -> None:
        """Say how a job ended, if it has, at the end of a list."""
        try:
            with told(f"look at trial {running.number}"):
                ending = self._seen(running)
        except ServiceError as error:
            if error.passes:
                raise
            # Such as a right that is missing: the same command, with it, finds the job again.
            ending = Outcome(number=running.number, state=State.FAILED, reason=str(error))
        if ending is not None:
            endings.append(ending)

    def _seen(self, running: Running) -> Outcome | None:
        """Return how a job ended; None while it has not."""
        if running.job is None:
            return self._asked_again(running)
        seen = self.jobs.seen[running.job]
        if seen.under_way:
            self._home.curves(running.folder, running.number, running.prepared.who)
            return None
        return self._ended(running, self.jobs.describe(running.job))

    def _asked_again(self, running: Running) -> Outcome | None:
        """Ask again for a job that could not be begun."""
        if time.monotonic() < running.again:
            return None
        try:
            self._beginning.begin(running)
        except LabError as error:
            return Outcome(number=running.number, state=State.FAILED, reason=f"it could not begin: {error}")
        return None

    def _ended(self, running: Running, about: Any) -> Outcome:
        options = self._options
        cost = came_to(about, options.prices, options.currency)
        who = running.prepared.who
        ending = ended(running.number, running.folder, about, cost, self._home, who, running.unwanted)
        if ending.state == State.DONE and not options.local:
            places, experiment = self._sender.places, self._sender.experiment
            log_run(self._connection, places, experiment, run_name(running.number, who), running.folder)
        return ending

    def _leave(self) -> Iterator[Outcome]:
        """End what was sent, as nobody is to wait for it."""
        self._left = True
        for running in list(self._running.values()):
            why = NOT_SENT if running.job is None else LEFT
            yield self._gone(running, Outcome(number=running.number, state=State.STOPPED, reason=why, detached=True))

    def _gone(self, running: Running, ending: Outcome) -> Outcome:
        del self._running[running.number]
        return ending
