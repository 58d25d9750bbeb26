"""The first process of a host: ``python host_supervisor.py [--isolate ...] -- COMMAND...``, orders on standard input.

It passes signals on, waits, and leaves nothing behind: ``TERM`` on a line of standard input sends SIGTERM to COMMAND's
process group, as the small first process of an image does (``tini -g``), ``KILL`` or the end of the input (whoever gave
the orders is gone) kills all processes of the host. COMMAND itself isn't ended by a SIGTERM that it has no handler for,
as under an image that sees to that. Once COMMAND ends, the rest is killed and its exit status is this program's own
(128 + the signal's number where one ended it).

With --isolate it is process 1 of namespaces of its own for mounts, processes and the host name.
Only the standard library is used: it runs as a script.
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
    given = parser.parse_args()
    if given.isolate:
        isolate(*given.isolate)
    # Processes whose parent has ended come to this one, so that they can be found.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    waking, woken = os.pipe()
    for end in (waking, woken):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    orders = os.dup(0)
    first = subprocess.Popen(given.command, stdin=subprocess.DEVNULL, process_group=0, preexec_fn=_default_signals)
    status = _follow(first.pid, orders, waking)
    _kill_all()
    return status


def isolate(host: str, base: str, hosts: str) -> None:
    """Give this process a host name, a /opt/ml and an /etc/hosts of its own; it is in new namespaces already.

    Args:
        host: its name.
        base: the folder to be seen as /opt/ml.
        hosts: the file to be seen as /etc/hosts.
    """
    socket.sethostname(host)
    if not BASE.is_dir():
        # A folder that is missing there can't be made without touching the machine's own /opt.
        shown = [path for path in OPT.iterdir() if path.is_dir()] if OPT.is_dir() else []
        kept = {path: os.open(path, os.O_PATH) for path in shown}
        _mount("-t", "tmpfs", "opt", str(OPT))
        for path, folder in kept.items():
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


def _follow(first: int, orders: int, waking: int) -> int:
    """Carry out orders until the first process has ended; returns its exit status."""
    selector = selectors.DefaultSelector()
    selector.register(orders, selectors.EVENT_READ)
    selector.register(waking, selectors.EVENT_READ)
    while True:
        status = _reap(first)
        if status is not None:
            return status
        for key, _ in selector.select():
            if key.fd == waking:
                with suppress(BlockingIOError):
                    os.read(waking, 4096)
                continue
            said = os.read(orders, 4096)
            if not said or b"KILL" in said:
                _kill_all()
                return 128 + signal.SIGKILL
            if b"TERM" in said:
                _terminate(first)


def _reap(first: int) -> int | None:
    """Wait for those that have ended; returns the exit status of the first process once it has."""
    found = None
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == first:
                code = os.waitstatus_to_exitcode(status)
                found = 128 - code if code < 0 else code
    return found


def _terminate(first: int) -> None:
    for pid in descendants():
        with suppress(ProcessLookupError):
            if os.getpgid(pid) == first and (pid != first or _handles(pid, signal.SIGTERM)):
                os.kill(pid, signal.SIGTERM)


def _handles(pid: int, number: int) -> bool:
    """Whether a process has a handler of its own for a signal."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


def _kill_all() -> None:
    """Kill until nothing is left: while some are killed, others may fork."""
    while True:
        left = descendants()
        for pid in left:
            _signal(pid, signal.SIGKILL)
        _reap(0)
        if not left:
            return
        time.sleep(0.005)


def descendants() -> list[int]:
    """Return this process's children, their children and so on, those nearest first."""
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with suppress(OSError):
                # The name in parentheses may hold anything.
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
                parents.setdefault(int(fields[1]), []).append(int(entry))
    found = list(parents.get(os.getpid(), []))
    for pid in found:
        found += parents.get(pid, [])
    return found


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


if __name__ == "__main__":
    sys.exit(main())
