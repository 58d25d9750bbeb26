"""Compiling the gradients of a step in a process of its own, so that a start does not wait for it.

    python -m battery_lab.rllib.gradient_step.compiler_process <job> <package>

torch's ahead-of-time inductor writes C++, which g++ builds; what comes out is loaded in milliseconds. It is kept by
what went into it, so that the next run finds it.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
import weakref
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn

from battery_lab.rllib.gradient_step.autograd import Losses, Tensors
from battery_lab.rllib.gradient_step.traced_program import Program

# In less time: no programs that try what the processor says that it can, no headers compiled ahead for programs
# to come (and kept outside of the lab's cache), no optimising of what merely calls the kernels, no tables for
# debuggers and profilers, and no search for patterns such as attention, which is traced for each of them first.
QUICKLY = {
    "cpp.vec_isa_ok": True,
    "aot_inductor.precompile_headers": False,
    "aot_inductor.compile_wrapper_opt_level": "O0",
    "aot_inductor.enable_line_tables": False,
    "aot_inductor.enable_frame_pointer": False,
    "pattern_matcher": False,
}
KEPT_LINES = 3
KEPT_PROGRAMS = 100  # some 100 kB each
LEFT_BEHIND_S = 24 * 3600
LONGEST_S = 900
IDLE_S = 30  # that a training waits for a compiler which others may keep from its work
LOWER, LOWEST = 10, 19  # priorities, in the numbers of nice
SAID = "said"


class Compilation:
    """A process that compiles a program into a package; what it needs meanwhile goes when it ends."""

    def __init__(self, package: Path, *parts: Any, hurry: bool = True) -> None:
        """Start it.

        Args:
            package: where the program is to be.
            hurry: whether the training will soon wait for it; else it takes what the training leaves of the processors.
            parts: what ``compile_program`` reads: losses, networks, batch, coefficients, threads.

        Raises:
            OSError: there is no compiler, or no place.
            pickle.PicklingError, AttributeError, TypeError: a part cannot be sent to another process.
        """
        if not compiler():
            raise OSError("there is no C++ compiler; `make system` installs g++")
        content = pickle.dumps(parts)
        package.parent.mkdir(parents=True, exist_ok=True)
        _tidy(package.parent)
        self._scratch = TemporaryDirectory(prefix=f"{package.stem[:8]}_", dir=package.parent)
        job = Path(self._scratch.name) / "job"
        job.write_bytes(content)
        self._command = [
            sys.executable,
            "-m",
            "battery_lab.rllib.gradient_step.compiler_process",
            str(job),
            str(package),
        ]
        self._package = package
        self._start(hurry)

    def _start(self, hurry: bool) -> None:
        folder = Path(self._scratch.name)
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor"),
        }
        with (folder / SAID).open("wb") as said:
            self._job = subprocess.Popen(
                self._command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the training, which finishes its iteration and may need the program for it. A session of
                # its own would do too, but Linux shares processors out between sessions first, and by priority within.
                process_group=0,
            )
        # With the run that wanted it, however that ends.
        self._end = weakref.finalize(self, _end, self._job, self._scratch)
        self._hurry = hurry
        # Where priorities are not to be set, it compiles beside the training as its equal.
        with suppress(OSError):
            _step_back(self._job.pid, hurry)

    @property
    def running(self) -> bool:
        """Whether it still goes on."""
        return self._job.poll() is None

    def wait(self) -> None:
        """Wait for the package, which another run may make meanwhile.

        Raises:
            RuntimeError: it could not be made, with the end of what was said.
        """
        begun = time.monotonic()
        while self.running and not self._package.is_file():
            waited = time.monotonic() - begun
            if waited > LONGEST_S:
                raise RuntimeError(f"compiling has taken more than {LONGEST_S} s")
            if waited > IDLE_S and not self._hurry:
                # Where all processors are taken, what the others leave may be nothing, for ever.
                self._end.detach()
                _kill(self._job)
                self._start(hurry=True)
            time.sleep(0.02)
        if not self._package.is_file():
            said = (Path(self._scratch.name) / SAID).read_text(errors="replace").strip()
            raise RuntimeError(" ".join(said.splitlines()[-KEPT_LINES:]))

    def close(self) -> None:
        """End it, if it still goes on, and leave nothing of it."""
        self._end()


def compiler() -> str | None:
    """Return the C++ compiler that torch will find; None if there is none."""
    names = filter(None, (os.environ.get("CXX"), "g++", "clang++"))
    return next((path for name in names if (path := shutil.which(name))), None)


def _tidy(cache: Path) -> None:
    """Take away what killed processes left, and all but the programs that were made last."""
    for scratch in cache.glob("*_*/"):
        if time.time() - _made(scratch) > LEFT_BEHIND_S:
            shutil.rmtree(scratch, ignore_errors=True)
    for path in sorted(cache.glob("*.pt2"), key=_made)[:-KEPT_PROGRAMS]:
        path.unlink(missing_ok=True)
        names_of(path).unlink(missing_ok=True)


def _made(path: Path) -> float:
    """Return when a path was made; now, if another process took it away meanwhile."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()


def _step_back(process: int, hurry: bool) -> None:
    """Have the training go first: threads that wait for one another all stop where one of them has no processor."""
    mine = os.getpriority(os.PRIO_PROCESS, 0)
    if hurry:
        os.setpriority(os.PRIO_PROCESS, process, max(LOWER, mine))
        return
    os.setpriority(os.PRIO_PROCESS, process, LOWEST)
    if hasattr(os, "SCHED_IDLE"):
        # Even the lowest of other priorities gives way with a delay, which short gradient steps wait for each time.
        os.sched_setscheduler(process, os.SCHED_IDLE, os.sched_param(0))


def _end(job: subprocess.Popen[bytes], scratch: TemporaryDirectory[str]) -> None:
    _kill(job)
    scratch.cleanup()


def _kill(job: subprocess.Popen[bytes]) -> None:
    if job.poll() is None:
        # The compilers that it started go with it.
        os.killpg(job.pid, signal.SIGKILL)
        job.wait()


def _end_with(parent: int, package: Path) -> None:
    """End this process and the compilers that it started once nobody waits for it any more.

    Its parent may be killed, and another run, which wanted the same program, may have made it.
    """
    while os.getppid() == parent and not package.is_file():
        time.sleep(1)
    os.killpg(0, signal.SIGKILL)


def names_of(package: Path) -> Path:
    """Return the file that holds the names of a package's figures."""
    return package.with_suffix(".json")


def compile_program(job: Path, package: Path) -> None:
    """Trace, compile and store the program that a job file describes."""
    # Written a moment ago by the process that started this one.
    losses, module, batch, coefficients, threads = pickle.loads(job.read_bytes())
    torch.set_num_threads(threads)
    part = job.with_suffix(".pt2")
    figures = build(losses, module, batch, coefficients, part)
    names_part = names_of(part)
    names_part.write_text(json.dumps(figures))
    # The package last: where it is, its names are.
    os.replace(names_part, names_of(package))
    os.replace(part, package)


def build(losses: Losses, module: nn.Module, batch: Tensors, coefficients: Tensors, path: Path) -> list[str]:
    """Compile a program into a package; returns the names of its figures."""
    from torch.fx.experimental.proxy_tensor import make_fx

    program = Program(losses, module)
    names = (sorted(coefficients), sorted(batch))
    arguments = program.arguments(batch, coefficients)
    graph = make_fx(lambda *groups: program(names, *groups))(*arguments)
    with torch.no_grad():
        plain = tuple([tensor.detach() for tensor in group] for group in arguments)
        exported = torch.export.export(graph, plain, strict=False)
        torch._inductor.aoti_compile_and_package(exported, package_path=str(path), inductor_configs=QUICKLY)
    return program.figures


if __name__ == "__main__":
    threading.Thread(target=_end_with, args=(os.getppid(), Path(sys.argv[2])), daemon=True).start()
    compile_program(Path(sys.argv[1]), Path(sys.argv[2]))
