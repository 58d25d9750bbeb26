"""Template of local trials: a process that has imported what trials need, and forks one process per trial.

``python -m hydra_plugins.battery_lab_launchers._template_process <file descriptor>``. The descriptor is a socket to the
launcher, which sends what to import, as JSON, and receives ``READY``. Then it sends three file descriptors per trial:
where to read the trial, the log, and where to write the outcome. The reply is the process ID of the trial, or minus the
number of an error. What the imports print goes to a file without a name, and from there to the log of every trial.

A trial is forked twice. The process in between ends at once, so that the launcher, which adopts orphans meanwhile,
becomes the parent of the trial. It then waits for trials and ends with them as if it had started them itself, and the
end of a template ends no trial. A template runs no trial itself, so nothing gets from one trial to the next.
"""

from __future__ import annotations

import errno
import gc
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from hydra_plugins.battery_lab_launchers._local_worker import end_with, run_received_trial

READY, FORK = b"ready", b"fork"
MESSAGE_BYTES = 1 << 16
PROCESS_NAME = "trial"  # in the output of ps and top
DESCRIPTORS = 3
ARROW_OPTIONS = "JE_ARROW_MALLOC_CONF"  # options of jemalloc in Arrow
MATPLOTLIB_FOLDER = "MPLCONFIGDIR"
# Files of accelerators: of NVIDIA, AMD, Intel and others, and of those that Windows shares.
DEVICES = ("/dev/nvidia", "/dev/kfd", "/dev/dri/", "/dev/accel", "/dev/dxg")


def main() -> None:
    """Fork trials until the launcher closes the connection; in the process of a trial, run it."""
    launcher = os.getppid()
    end_with(launcher, signal.SIGKILL)
    connection = socket.socket(fileno=int(sys.argv[1]))
    task = json.loads(connection.recv(MESSAGE_BYTES))
    if task["cores"]:
        # As in the trials: libraries count the cores when they are imported.
        os.sched_setaffinity(0, task["cores"])
    folder = os.environ.get(MATPLOTLIB_FOLDER)
    _import(task["modules"])
    if os.environ.get(MATPLOTLIB_FOLDER) != folder:
        # Matplotlib cannot write to its folder, made a temporary one, and removes that when a process exits: this one,
        # but also each trial forked from it, while others use the folder.
        connection.detach()  # open until the folder is gone: the launcher kills this process once it is closed
        sys.exit(1)
    printed = _detach_output()
    _end_library_threads()
    connection.send(READY)
    received = _fork_trials(connection)
    # This is the process of a trial now.
    connection.close()
    _run(launcher, printed, *received)


def _import(modules: Sequence[str]) -> None:
    """Import what every trial imports first, and then these modules of the lab."""
    from battery_lab.common.garbage_collection import postponed_collection
    from battery_lab.common.hide_optional_imports import import_lean

    import_lean()
    with postponed_collection(), _arrow_without_threads():
        import hydra_plugins.battery_lab_launchers._trial_job  # noqa: F401

        if modules:
            _import_modules(modules)
    # Trials then share the memory of these objects, as no search for cycles writes to it.
    gc.freeze()


def _import_modules(modules: Sequence[str]) -> None:
    from battery_lab.config.quiet_imports import quiet_imports

    for name in modules:
        # The trial imports it again, and reports its error.
        with suppress(Exception), quiet_imports():
            import_module(name)
    if numba := sys.modules.get("numba"):
        # Numba imports a third of itself with the first function that it compiles or loads.
        numba.njit(lambda: None)()


@contextmanager
def _arrow_without_threads() -> Iterator[None]:
    """Keep Arrow's allocator from starting a thread when it is loaded; a forked process has none either."""
    if ARROW_OPTIONS in os.environ:
        yield
        return
    os.environ[ARROW_OPTIONS] = "background_thread:false"
    try:
        yield
    finally:
        # It has been read: trials and what they start get the environment of the launcher.
        del os.environ[ARROW_OPTIONS]


def _detach_output() -> bytes:
    """Return what the imports have printed, and let go of the file with it."""
    sys.stdout.flush()
    sys.stderr.flush()
    printed = os.pread(1, os.fstat(1).st_size, 0)
    nothing = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nothing, stream)
    os.close(nothing)
    return printed


def _end_library_threads() -> None:
    """End the threads that NumPy's OpenBLAS starts when it is imported: it does so before any fork.

    It starts them again in a process that multiplies matrices.
    """
    pid = os.fork()
    if pid == 0:
        os._exit(_has_unusable_device())
    if os.waitpid(pid, 0)[1]:
        os._exit(1)
    _check_that_it_can_fork()


def _has_unusable_device() -> bool:
    """Whether torch refuses to use a GPU in this forked process, as its parent has counted GPUs or used one."""
    torch = sys.modules.get("torch")
    backends: list[Any] = [getattr(torch, name, None) for name in ("cuda", "xpu", "mtia")]
    return any(backend._is_in_bad_fork() for backend in backends if hasattr(backend, "_is_in_bad_fork"))


def _check_that_it_can_fork() -> None:
    """Exit if a forked process could hang: with a second thread, which may hold a lock, or with an open GPU."""
    threads = len(os.listdir("/proc/self/task"))
    files = [os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    if threads > 1 or any(file.startswith(DEVICES) for file in files):
        os._exit(1)


def _fork_trials(connection: socket.socket) -> list[int]:
    """Fork a process per request, and return its file descriptors there; exit once the launcher is gone."""
    while True:
        message, received, *_ = socket.recv_fds(connection, MESSAGE_BYTES, DESCRIPTORS)
        if message != FORK or len(received) != DESCRIPTORS:
            os._exit(0)
        _check_that_it_can_fork()
        try:
            reply = _fork_orphan()
        except OSError as error:
            reply = -(error.errno or errno.EAGAIN)
        if reply == 0:
            return received
        for descriptor in received:
            os.close(descriptor)
        connection.send(str(reply).encode())


def _fork_orphan() -> int:
    """Fork a process whose parent has ended, in a process group of its own; return 0 there, and its ID here.

    Raises:
        OSError: the system lacks memory or processes.
    """
    reading, writing = os.pipe()
    between = os.fork()
    if between == 0:
        try:
            pid = os.fork()
            if pid == 0:
                os.close(reading)
                os.close(writing)
                return 0
            os.setpgid(pid, pid)
            os.write(writing, str(pid).encode())
        except OSError as error:
            os._exit(error.errno or errno.EAGAIN)
        os._exit(0)
    os.close(writing)
    try:
        status = os.waitstatus_to_exitcode(os.waitpid(between, 0)[1])
        if status:
            # Negative: a signal ended it, mostly for lack of memory.
            number = status if status > 0 else errno.EAGAIN
            raise OSError(number, os.strerror(number))
        return int(os.read(reading, MESSAGE_BYTES))
    finally:
        os.close(reading)


def _run(launcher: int, printed: bytes, source: int, log: int, outcome: int) -> None:
    """Run a trial in its process, once the launcher has sent it.

    Args:
        launcher: process ID of the launcher.
        printed: what its imports have printed.
        source: file descriptor from which to read the trial.
        log: file descriptor of its log.
        outcome: file descriptor of the pipe for its outcome.
    """
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
    os.set_inheritable(outcome, False)
    with suppress(OSError):
        Path("/proc/self/comm").write_text(PROCESS_NAME)
    with os.fdopen(source, "rb") as file:
        content = file.read()
    if not content:
        os._exit(0)  # The launcher is gone, or starts the trial in another way.
    end_with(launcher, signal.SIGTERM)
    with suppress(OSError), os.fdopen(1, "wb", closefd=False) as file:
        file.write(printed)
    if random := sys.modules.get("numpy.random"):
        # Trials that set no seed must differ. Python's own generator is seeded again in each fork, NumPy's is not.
        random.seed()
    run_received_trial(content, outcome)


if __name__ == "__main__":
    main()
