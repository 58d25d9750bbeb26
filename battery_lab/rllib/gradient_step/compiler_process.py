"""Compiler process: compiles the gradients of a step in the background, so that training does not wait.

    python -m battery_lab.rllib.gradient_step.compiler_process <job> <package>

torch's ahead-of-time inductor writes C++ code, which g++ builds. The result loads in milliseconds. It is cached under a
hash of its inputs for later runs.
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
from typing import IO, Any

import torch
from torch import nn

from battery_lab.common.stop_signals import raise_if_stopping
from battery_lab.rllib.gradient_step.autograd import LossFunction, Tensors
from battery_lab.rllib.gradient_step.gradient_program import GradientProgram
from battery_lab.rllib.gradient_step.program_cache_lock_and_cleanup import clean, lock_path, metric_names_path, try_lock

# Options that shorten compilation: no test programs that probe the processor, no precompiled headers (which torch keeps
# outside of the lab's cache), no optimisation of the code around the kernels, no tables for debuggers and profilers,
# and no search for patterns such as attention, each of which torch would trace first.
INDUCTOR_OPTIONS = {
    "cpp.vec_isa_ok": True,
    "aot_inductor.precompile_headers": False,
    "aot_inductor.compile_wrapper_opt_level": "O0",
    "aot_inductor.enable_line_tables": False,
    "aot_inductor.enable_frame_pointer": False,
    "pattern_matcher": False,
}
ERROR_LINES = 3
TIMEOUT_S = 900
MAX_BACKGROUND_WAIT_S = 30
URGENT_NICE, BACKGROUND_NICE = 10, 19
OUTPUT_FILE = "output.txt"


class Compilation:
    """A process that compiles a program into a package, unless another run already compiles the same one."""

    def __init__(self, package: Path, *parts: Any, urgent: bool = True) -> None:
        """Start the process.

        Args:
            package: path of the package.
            parts: arguments of ``build``: loss function, module, batch, coefficients, and the number of threads.
            urgent: whether training will soon wait for the package. If not, compilation uses idle processors only.

        Raises:
            OSError: there is no C++ compiler, or the folder cannot be written.
            pickle.PicklingError, AttributeError, TypeError: a part cannot be sent to another process.
        """
        if not find_compiler():
            raise OSError("there is no C++ compiler; `make system` installs g++")
        self._package, self._urgent = package, urgent
        self._waiting_since: float | None = None
        self._content = pickle.dumps(parts)
        package.parent.mkdir(parents=True, exist_ok=True)
        clean(package.parent)
        self._process: subprocess.Popen[bytes] | None = None
        self._stop: weakref.finalize[..., Compilation] | None = None
        self._start_unless_locked()

    def _start_unless_locked(self) -> None:
        if (lock := try_lock(self._package)) is not None:
            self._start(lock)

    def _start(self, lock: IO[bytes] | None) -> None:
        scratch = TemporaryDirectory(prefix=f"{self._package.stem[:8]}_", dir=self._package.parent)
        folder = Path(scratch.name)
        self._output = folder / OUTPUT_FILE
        job = folder / "job"
        job.write_bytes(self._content)
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor"),
        }
        command = [sys.executable, "-m", "battery_lab.rllib.gradient_step.compiler_process", job, self._package]
        with self._output.open("wb") as output:
            process = subprocess.Popen(
                list(map(str, command)),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the training, which may need the package to finish its iteration. Not a new session:
                # Linux divides processor time between sessions first and obeys priorities only within one.
                process_group=0,
                pass_fds=() if lock is None else (lock.fileno(),),
            )
        if lock is not None:
            # The process keeps the lock from here on, until it ends.
            lock.close()
        self._process = process
        # Ends with this object, whichever way the run ends.
        self._stop = weakref.finalize(self, _stop, process, scratch, None if lock is None else lock_path(self._package))
        # Where priorities may not be changed, it compiles at the priority of the training.
        with suppress(OSError):
            _lower_priority(process.pid, self._urgent)

    @property
    def running(self) -> bool:
        """Whether the process of this run is running."""
        return self._process is not None and self._process.poll() is None

    def wait(self) -> None:
        """Wait for the package.

        Raises:
            RuntimeError: as in ``ready``.
            Stopped: the process received SIGINT or SIGTERM.
        """
        while not self.ready():
            raise_if_stopping()
            time.sleep(0.02)

    def ready(self) -> bool:
        """Return whether the package exists, and restart its compilation if that makes no progress.

        Raises:
            RuntimeError: compilation failed, or took too long since the first call. The message ends with the
                compiler's last output.
        """
        if self._package.is_file():
            return True
        now = time.monotonic()
        self._waiting_since = now if self._waiting_since is None else self._waiting_since
        waited = now - self._waiting_since
        if waited > TIMEOUT_S:
            raise RuntimeError(f"compilation took more than {TIMEOUT_S} s")
        if waited > MAX_BACKGROUND_WAIT_S and not self._urgent:
            # Other programs may leave no idle processor for a background process, ever.
            self.close()
            self._urgent = True
            self._start(try_lock(self._package))
        elif self._process is None:
            # Another run held the lock, and may have ended without a package.
            self._start_unless_locked()
        elif not self.running and not self._package.is_file():
            output = self._output.read_text(errors="replace").strip()
            raise RuntimeError(" ".join(output.splitlines()[-ERROR_LINES:]))
        return False

    def close(self) -> None:
        """End the process if it is still running, and remove its temporary files."""
        if self._stop is not None:
            self._stop()


def find_compiler() -> str | None:
    """Return the path of the C++ compiler that torch will use; None if there is none."""
    names = filter(None, (os.environ.get("CXX"), "g++", "clang++"))
    return next((path for name in names if (path := shutil.which(name))), None)


def _lower_priority(process: int, urgent: bool) -> None:
    """Let the training go first: its threads wait for one another, so all stall if one of them has no processor."""
    if urgent:
        own = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, process, max(URGENT_NICE, own))
        return
    os.setpriority(os.PRIO_PROCESS, process, BACKGROUND_NICE)
    if hasattr(os, "SCHED_IDLE"):
        # A process with the lowest normal priority still yields with a delay, which slows short gradient steps.
        os.sched_setscheduler(process, os.SCHED_IDLE, os.sched_param(0))


def _stop(process: subprocess.Popen[bytes], scratch: TemporaryDirectory[str], lock: Path | None) -> None:
    if process.poll() is None:
        # The group includes the C++ compilers that the process started.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    scratch.cleanup()
    if lock is not None:
        lock.unlink(missing_ok=True)


def _exit_when_unneeded(parent: int, package: Path) -> None:
    """End this process group once its parent has died, or another run has made the package."""
    while os.getppid() == parent and not package.is_file():
        time.sleep(1)
    os.killpg(0, signal.SIGKILL)


def compile_program(job: Path, package: Path) -> None:
    """Trace, compile and store the program of a job file."""
    # The parent process wrote the file a moment ago.
    loss_function, module, batch, coefficients, threads = pickle.loads(job.read_bytes())
    torch.set_num_threads(threads)
    part = job.with_suffix(".pt2")
    metric_names = build(loss_function, module, batch, coefficients, part)
    names_part = metric_names_path(part)
    names_part.write_text(json.dumps(metric_names))
    # The package comes last: readers take the names for granted where it exists.
    os.replace(names_part, metric_names_path(package))
    os.replace(part, package)


def build(
    loss_function: LossFunction, module: nn.Module, batch: Tensors, coefficients: Tensors, path: Path
) -> list[str]:
    """Compile a program into a package and return the names of its metrics."""
    from torch.fx.experimental.proxy_tensor import make_fx

    program = GradientProgram(loss_function, module)
    names = (sorted(coefficients), sorted(batch))
    arguments = program.arguments(batch, coefficients)
    graph = make_fx(lambda *groups: program(names, *groups))(*arguments)
    with torch.no_grad():
        detached = tuple([tensor.detach() for tensor in group] for group in arguments)
        exported = torch.export.export(graph, detached, strict=False)
        torch._inductor.aoti_compile_and_package(exported, package_path=str(path), inductor_configs=INDUCTOR_OPTIONS)
    return program.metric_names


if __name__ == "__main__":
    threading.Thread(target=_exit_when_unneeded, args=(os.getppid(), Path(sys.argv[2])), daemon=True).start()
    compile_program(Path(sys.argv[1]), Path(sys.argv[2]))
