"""Execution: runs a command in this process, as far as it should go, and classifies how it ended."""

from __future__ import annotations

import importlib
import io
import os
import re
import shutil
import signal
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.global_hydra import GlobalHydra

from battery_lab.cli.main import main
from battery_lab.common.stop_signals import SIGNALS
from battery_lab.envs.world_cache import WorldSource
from battery_lab.experiment import experiment
from battery_lab.experiment.experiment import Experiment
from benchmarks.fuzzing.files import Places
from benchmarks.fuzzing.grammar import Command, Depth
from benchmarks.fuzzing.quick_composition import quick_composition
from benchmarks.fuzzing.typed_words import TINY, TINY_ALGOS

LIMIT_S = {Depth.BUILD: 60.0, Depth.OPEN: 60.0, Depth.RUN: 150.0}  # of the processor
# Names of Python that say nothing to a user.
INTERNAL = re.compile(r"Traceback|object at 0x|<class '|<function |pydantic|NoneType|__init__\(|numpy\.core")
LONGEST = 3000  # characters of a message, beyond what it repeats of the command
WORD = re.compile(r"[^\W_]{3,}|-?\d[\d.e+-]*")
PATCHED_LOGS = ("hydra.core.utils", "hydra._internal.hydra", "hydra._internal.core_plugins.basic_launcher")


class Outcome(NamedTuple):
    """How a command ended.

    Attributes:
        kind: ``run``, ``message`` or ``help``, which are right; ``traceback``, ``hang`` or ``unclear``, which are not.
        text: its last output, or the traceback.
    """

    kind: str
    text: str

    @property
    def is_right(self) -> bool:
        """Whether a user is served well."""
        return self.kind in ("run", "message", "help")


class TimeLimit(BaseException):
    """A command took too long; no Exception, so that nothing handles it."""


def make_places(home: Path) -> Places:
    """Train the stored run that commands use, and return the places."""
    home.mkdir(parents=True, exist_ok=True)
    places = Places(home.resolve(), home.resolve() / "stored_run")
    if not (places.stored_run / "metrics.json").exists():
        from random import Random

        trial = ["algo=bid_curves", *TINY, *TINY_ALGOS["bid_curves"], "reward=degradation", "env.actions=bids"]
        trial += [*places.sound_market(Random(0)), *places.in_home(), f"hydra.run.dir={places.stored_run}"]
        with light_lab():
            outcome = execute(Command(tuple(trial), Depth.RUN), places)
        if outcome.kind != "run":
            raise RuntimeError(f"the stored run could not be trained: {outcome.text}")
    return places


@contextmanager
def light_lab() -> Iterator[None]:
    """Run trials only as far as a command's depth, compose equal choices once, and leave logging as it is."""
    patches: list[tuple[Any, str, Any]] = [
        (Experiment, "run", _run_to_depth),
        (importlib.import_module("hydra.core.utils"), "_save_config", lambda *_: None),
        *((importlib.import_module(name), "configure_log", lambda *_: None) for name in PATCHED_LOGS),
    ]
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in patches]
    try:
        for owner, name, value in patches:
            setattr(owner, name, value)
        with quick_composition():
            yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


_FULL_RUN = Experiment.run
_depth = Depth.BUILD


def _run_to_depth(trial: Experiment, folder: Path, **choices: Any) -> dict[str, float]:
    if _depth is Depth.RUN:
        return _FULL_RUN(trial, folder, **choices)
    actions = experiment.choose_actions(trial.env, trial.algo)
    if _depth is Depth.OPEN:
        source = WorldSource(env=trial.env, actions=actions)
        trial.network.encoder(source.open().layout)
        trial.build_learner(source).stop()
    return {"validation/capture": 0.0}


def execute(command: Command, places: Places) -> Outcome:
    """Run a command within ``light_lab`` from the home of the places."""
    global _depth
    _depth = command.depth
    out, err = io.StringIO(), io.StringIO()
    with _restored_process(places.home, command.arguments), redirect_stdout(out), redirect_stderr(err):
        status, failure = _ended(command)
    if failure is not None:
        return failure
    return classify(status, err.getvalue(), command.arguments)


def _ended(command: Command) -> tuple[int, Outcome | None]:
    """Return the exit status of a command, or how it failed."""
    try:
        with _time_limit(LIMIT_S[command.depth], command.depth is Depth.RUN):
            main(list(command.arguments))
    except SystemExit as end:
        return (end.code if isinstance(end.code, int) else 1), None
    except TimeLimit as limit:
        return 1, Outcome("hang", "".join(traceback.format_exception(limit)[-6:]))
    except BaseException as error:
        return 1, Outcome("traceback", "".join(traceback.format_exception(error)))
    return 0, None


@contextmanager
def _time_limit(seconds: float, stops: bool) -> Iterator[None]:
    """Raise TimeLimit after some seconds of the processor; a valid training is first stopped, as by Ctrl-C."""
    stopping = [stops]

    def end(*_: object) -> None:
        if stopping[0]:
            stopping[0] = False
            os.kill(os.getpid(), signal.SIGINT)
        else:
            raise TimeLimit

    before = signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextmanager
def _restored_process(home: Path, arguments: tuple[str, ...]) -> Iterator[None]:
    """Set the folder and the arguments of the process, and restore what a command changes of it."""
    before = Path.cwd(), list(sys.argv), list(sys.orig_argv), dict(os.environ)
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    os.chdir(home)
    sys.argv, sys.orig_argv = ["battery_lab", *arguments], ["python", "-m", "battery_lab", *arguments]
    try:
        yield
    finally:
        GlobalHydra.instance().clear()
        for number, handler in handlers.items():
            signal.signal(number, handler)
        _restore_environment(before[3])
        os.chdir(before[0])
        sys.argv, sys.orig_argv = before[1], before[2]
        shutil.rmtree(home / "outputs" / "runs", ignore_errors=True)


def _restore_environment(before: Mapping[str, str]) -> None:
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)


def _words(argument: str) -> list[str]:
    """Return what of an argument a message may name; of a long value, its start is enough."""
    return [argument or repr(argument), *(word[:50] for word in WORD.findall(argument))]


def classify(status: int, err: str, arguments: tuple[str, ...]) -> Outcome:
    """Return how a command ended that raised nothing.

    A message starts with ``error:``, names something of the command or what it lacks (``run=<folder>``), is not
    long, and shows nothing of Python's own.
    """
    text = err.strip()
    if "Traceback (most recent call last)" in text:
        return Outcome("traceback", text)
    if status == 0:
        return Outcome("run", text)
    if status == 2 and "battery-lab" in text and not text.startswith("error"):
        return Outcome("help", text)
    if status in (128 + signal.SIGINT, 128 + signal.SIGTERM):
        return Outcome("run", text)
    place = text.find("error:")
    message = text[place:]
    if place < 0 or (place > 0 and text[place - 1] != "\n"):
        return Outcome("unclear", f"no line starts with 'error:'\n{text}")
    if (internal := INTERNAL.search(message)) and not any(internal[0] in argument for argument in arguments):
        return Outcome("unclear", f"it shows {internal[0]!r}\n{text}")
    if len(message) > LONGEST + 2 * sum(map(len, arguments)):
        return Outcome("unclear", f"it has {len(message)} characters\n{text}")
    words = {word for argument in arguments for word in _words(argument)}
    missing = re.search(r"\w+=<", message)
    if not missing and not any(word and word in message for word in words):
        return Outcome("unclear", f"it names nothing of the command\n{text}")
    return Outcome("message", message)
