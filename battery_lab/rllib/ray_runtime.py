"""The Ray runtime that RLlib needs even where all runs in one process."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from ipaddress import ip_address
from tempfile import TemporaryDirectory
from typing import Any

import ray
from ray._private import ray_constants
from ray.exceptions import AuthenticationError
from ray.tune.trainable import trainable

from battery_lab.common.errors import ConfigError

REACHED_WITHIN_S = 10.0
NAMESPACE, JOINED = "battery_lab", "battery_lab_joined"  # a Ray that was started here, and one that was not


def quiet() -> None:
    """Keep Ray's and RLlib's own chatter from a person who follows a training."""
    for name in ("ray", "ray.rllib", "ray.tune", "ray.train"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # Each start of an algorithm warns of classes that RLlib itself has yet to leave behind.
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="ray")
    # What comes from another process lies in memory that nobody may write to, and nobody does.
    warnings.filterwarnings("ignore", message="The given NumPy array is not writable")


def start_ray(actors: int) -> None:
    """Start a Ray of this process's own, which nobody outside this machine can reach, unless the process has one.

    Others on it would need its token, which is in the environment of this process and its children alone. One that an
    earlier trial started with too few cores is ended first: what needs a core would wait for it for ever.

    Args:
        actors: remote runners and learners; each takes a core.

    Raises:
        ConfigError: the cluster that the process is of has fewer cores.
    """
    quiet()
    if ray.is_initialized():
        cores = int(ray.cluster_resources().get("CPU", 0))
        if cores >= actors:
            return
        if ray.get_runtime_context().namespace != NAMESPACE:
            raise ConfigError(
                f"algo.num_env_runners and num_learners must be at most {cores} together, as many cores as the Ray "
                f"cluster has for them, got {actors}: choose fewer, or give the cluster more"
            )
        ray.shutdown()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if "RAY_AUTH_TOKEN_PATH" not in os.environ:
        # Otherwise Ray keeps one for all its clusters in ~/.ray/auth_token, for everybody to read.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    options: dict[str, Any] = {
        # "local" never joins a cluster that happens to run: two runs at once must not meet.
        "address": "local",
        "num_cpus": max(actors + 1, os.cpu_count() or 1),
        "namespace": NAMESPACE,
        "include_dashboard": False,
        "configure_logging": False,
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "_node_ip_address": "127.0.0.1",
        # A Python for each core, started to wait for tasks, would take seconds from a training that sends none.
        "_system_config": {"prestart_worker_first_driver": False},
    }
    with _own_sigterm(), _on_loopback():
        ray.init(**options)


def connect_ray(address: str) -> None:
    """Join a cluster that somebody runs, whose token, if it has one, is in ``RAY_AUTH_TOKEN`` or its file.

    Args:
        address: ``host:port`` of its head.

    Raises:
        ConfigError: there is no cluster, or it does not let us in.
    """
    quiet()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        host = _listening(address)
        with _own_sigterm(), _on_loopback() if ip_address(host).is_loopback else nullcontext():
            ray.init(
                address=address,
                namespace=JOINED,
                configure_logging=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
    except (OSError, RuntimeError, ValueError, AuthenticationError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(
            f"hydra.launcher.address={address} must be the head of a Ray cluster that this machine can reach: {why}"
        ) from None


def _listening(address: str) -> str:
    """Return the IP address of a host on which something listens, as Ray would ask in vain for minutes.

    Raises:
        OSError: nobody does.
        ValueError: it is no host and port.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError("it must be <host>:<port>, as `ray start --head` prints it")
    with socket.create_connection((host, int(port)), REACHED_WITHIN_S) as connection:
        return str(connection.getpeername()[0])


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Have Ray listen on loopback alone.

    On Linux it turns 127.0.0.1 into the address by which others reach the machine, and then listens to everybody; it
    takes it as it is only where it thinks of no cluster (``get_node_ip_address`` in ray/_private/services.py, 2.60).
    """
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


@contextmanager
def without_results_folder() -> Iterator[None]:
    """Have an algorithm that is built here leave the home folder alone.

    Each makes a folder of results in ~/ray_results (``Trainable._setup_logdir``, 2.60), in which nothing is written
    unless one asks it to save without saying where.
    """
    before = trainable.DEFAULT_STORAGE_PATH
    with TemporaryDirectory(prefix="battery_lab_") as scratch:
        trainable.DEFAULT_STORAGE_PATH = scratch
        try:
            yield
        finally:
            trainable.DEFAULT_STORAGE_PATH = before


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
