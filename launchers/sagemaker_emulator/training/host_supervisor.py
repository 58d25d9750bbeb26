"""Supervisor, the first process of a host: ``python host_supervisor.py [--isolate ...] -- COMMAND...``.

It reads orders from standard input: ``TERM`` sends SIGTERM to COMMAND's process group, as the init process of an image
does (``tini -g``); ``KILL`` or the end of the input kills all processes of the host. COMMAND itself is spared a SIGTERM
that it has no handler for, as in an image that ignores the signal. When COMMAND ends, the supervisor kills all other
processes and exits with the same status (128 + number of the signal that ended COMMAND).

With --isolate it is process 1 of its own namespaces for mounts, processes and the host name.
It runs as a script and uses the standard library only.
"""

import argparse
import ctypes
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
OPT, BASE = Path("/opt"), Path("/opt/ml")


def main() -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--isolate", nargs=3, metavar=("HOST", "BASE", "HOSTS"))
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    if arguments.isolate:
        isolate(*arguments.isolate)
    # Processes whose parent has ended become children of this one, so that they can be found.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    wake_read, wake_write = os.pipe()
    for end in (wake_read, wake_write):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    orders = os.dup(0)
    first = subprocess.Popen(arguments.command, stdin=subprocess.DEVNULL, process_group=0, preexec_fn=_default_signals)
    status = _follow(first.pid, orders, wake_read)
    _kill_all()
    return status


def isolate(host: str, base: str, hosts: str) -> None:
    """Set the host name and mount /opt/ml and /etc/hosts, in the new namespaces of this process.

    Args:
        host: name of the host.
        base: folder to mount at /opt/ml.
        hosts: file to mount at /etc/hosts.
    """
    socket.sethostname(host)
    if not BASE.is_dir():
        # Creating it would change the machine's own /opt: mount an empty /opt with the same folders instead.
        existing = [path for path in OPT.iterdir() if path.is_dir()] if OPT.is_dir() else []
        opened = {path: os.open(path, os.O_PATH) for path in existing}
        _mount("-t", "tmpfs", "opt", str(OPT))
        for path, folder in opened.items():
            path.mkdir()
            _mount("--rbind", f"/proc/{os.getpid()}/fd/{folder}", str(path))
            os.close(folder)
        BASE.mkdir()
    _mount("--bind", base, str(BASE))
    _mount("--bind", hosts, "/etc/hosts")


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def _default_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)


def _follow(first: int, orders: int, wake_read: int) -> int:
    """Execute orders until the first process has ended; returns its exit status."""
    selector = selectors.DefaultSelector()
    selector.register(orders, selectors.EVENT_READ)
    selector.register(wake_read, selectors.EVENT_READ)
    while True:
        status = _reap(first)
        if status is not None:
            return status
        for key, _ in selector.select():
            if key.fd == wake_read:
                with suppress(BlockingIOError):
                    os.read(wake_read, 4096)
                continue
            order = os.read(orders, 4096)
            if not order or b"KILL" in order:
                _kill_all()
                return 128 + signal.SIGKILL
            if b"TERM" in order:
                _terminate(first)


def _reap(first: int) -> int | None:
    """Reap ended processes; returns the exit status of the first process if it has ended."""
    first_status = None
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == first:
                code = os.waitstatus_to_exitcode(status)
                first_status = 128 - code if code < 0 else code
    return first_status


def _terminate(first: int) -> None:
    for pid in descendants():
        with suppress(ProcessLookupError):
            if os.getpgid(pid) == first and (pid != first or _handles(pid, signal.SIGTERM)):
                os.kill(pid, signal.SIGTERM)


def _handles(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


def _kill_all() -> None:
    """Kill all descendants, again until none is left, as they may fork meanwhile."""
    while True:
        remaining = descendants()
        for pid in remaining:
            _signal(pid, signal.SIGKILL)
        _reap(0)
        if not remaining:
            return
        time.sleep(0.005)


def descendants() -> list[int]:
    """Return the descendants of this process, the nearest first."""
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with suppress(OSError):
                # The name in parentheses may contain any character.
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
                parents.setdefault(int(fields[1]), []).append(int(entry))
    pids = list(parents.get(os.getpid(), []))
    for pid in pids:
        pids += parents.get(pid, [])
    return pids


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


if __name__ == "__main__":
    sys.exit(main())
