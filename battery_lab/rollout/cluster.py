"""The Ray runtime that RLlib needs even where all runs in one process."""

from __future__ import annotations

import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray


def quiet() -> None:
    """Keep Ray's and RLlib's own chatter from a person who follows a training."""
    for name in ("ray", "ray.rllib", "ray.tune", "ray.train"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # Each start of an algorithm warns of classes that RLlib itself has yet to leave behind.
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="ray")


def start_ray(num_env_runners: int) -> None:
    """Start a Ray of this process's own, on loopback, unless the process has one.

    Args:
        num_env_runners: remote runners; each takes a core.
    """
    quiet()
    if ray.is_initialized():
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    options: dict[str, Any] = {
        # "local" never joins a cluster that happens to run: two runs at once must not meet.
        "address": "local",
        "num_cpus": max(num_env_runners + 1, os.cpu_count() or 1),
        "include_dashboard": False,
        "configure_logging": False,
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "_node_ip_address": "127.0.0.1",
    }
    with _own_sigterm():
        ray.init(**options)


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Keep what SIGTERM does: Ray makes it end the process without a word, from within its start on."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit as ended:
        if ended.code == signal.SIGTERM and callable(before):
            before(signal.SIGTERM, None)
        raise
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
