"""Ray runtime: starts a private Ray or joins a cluster, for algorithms and sweeps with several processes."""

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
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.tune.trainable import trainable

from battery_lab.common.errors import ConfigError
from battery_lab.rllib.array_algorithm import ArrayAlgorithm
from battery_lab.rllib.startup_shortcuts import shorten_startup

CONNECT_TIMEOUT_S = 10.0
# Namespaces of a Ray that the lab started, and of a cluster that it joined.
NAMESPACE, JOINED = "battery_lab", "battery_lab_joined"


def silence_ray() -> None:
    """Hide Ray's and RLlib's own log messages and warnings."""
    for name in ("ray", "ray.rllib", "ray.tune", "ray.train"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # Each start of an algorithm warns about deprecated classes that RLlib itself still uses.
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="ray")
    # Arrays from another process are read-only, and the lab does not write to them.
    warnings.filterwarnings("ignore", message="The given NumPy array is not writable")


def start_ray_for(config: AlgorithmConfig) -> None:
    """Start Ray for an algorithm, unless all of it runs on whole arrays and on the CPU in this process.

    RLlib finds GPUs through Ray.
    """
    silence_ray()
    shortened = shorten_startup()
    actors = config.num_env_runners + config.num_learners
    is_array = issubclass(config.algo_class, ArrayAlgorithm)
    if actors or config.num_gpus_per_learner or not is_array or not shortened:
        start_ray(actors)


def start_ray(actors: int) -> None:
    """Start a private Ray unless this process has one already.

    It listens on loopback only, and needs a token that only this process and its children know. A Ray that an earlier
    trial started with too few cores is shut down first, because actors would wait for a core forever.

    Args:
        actors: number of env runners and learners in separate processes; each needs a core.

    Raises:
        ConfigError: the process belongs to a cluster with fewer cores.
    """
    silence_ray()
    shorten_startup()
    if ray.is_initialized():
        if _has_cores(actors):
            return
        ray.shutdown()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if "RAY_AUTH_TOKEN_PATH" not in os.environ:
        # Otherwise Ray stores one token for all its clusters in ~/.ray/auth_token.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    options: dict[str, Any] = {
        # "local" never joins a running cluster: concurrent runs must not share one.
        "address": "local",
        "num_cpus": max(actors + 1, os.cpu_count() or 1),
        "namespace": NAMESPACE,
        "include_dashboard": False,
        "configure_logging": False,
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "_node_ip_address": "127.0.0.1",
        # Do not start an idle Python worker per core, which takes seconds: training sends no tasks.
        "_system_config": {"prestart_worker_first_driver": False},
    }
    with _keep_sigterm_handler(), _loopback_only():
        ray.init(**options)


def _has_cores(actors: int) -> bool:
    """Return whether the running Ray has a core per actor. Raise ConfigError if a cluster has too few."""
    cores = int(ray.cluster_resources().get("CPU", 0))
    if cores < actors and ray.get_runtime_context().namespace != NAMESPACE:
        raise ConfigError(
            f"algo.num_env_runners + algo.num_learners must be at most {cores}, the number of cores of the Ray "
            f"cluster, got {actors}: choose fewer, or add cores to the cluster"
        )
    return cores >= actors


def connect_ray(address: str) -> None:
    """Join a running cluster. Its token, if it needs one, is in ``RAY_AUTH_TOKEN`` or the token file.

    Args:
        address: ``host:port`` of its head.

    Raises:
        ConfigError: there is no cluster at the address, or it rejects the token.
    """
    silence_ray()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        host = _reachable_ip(address)
        with _keep_sigterm_handler(), _loopback_only() if ip_address(host).is_loopback else nullcontext():
            ray.init(
                address=address,
                namespace=JOINED,
                configure_logging=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
    except (OSError, RuntimeError, ValueError, AuthenticationError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(
            f"hydra.launcher.address={address} must be the head of a Ray cluster that this machine can reach: {reason}"
        ) from None


def _reachable_ip(address: str) -> str:
    """Return the IP address of a host that accepts connections. Ray itself would retry for minutes.

    Raises:
        OSError: nothing listens at the address.
        ValueError: the address is not a host and a port.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError("it must be <host>:<port>, as `ray start --head` prints it")
    with socket.create_connection((host, int(port)), CONNECT_TIMEOUT_S) as connection:
        return str(connection.getpeername()[0])


@contextmanager
def _loopback_only() -> Iterator[None]:
    """Make Ray listen on loopback only.

    On Linux, Ray replaces 127.0.0.1 by the external address of the machine and listens on all addresses, unless
    clusters are disabled (``get_node_ip_address`` in ray/_private/services.py, 2.60).
    """
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


@contextmanager
def without_results_folder() -> Iterator[None]:
    """Build algorithms without a results folder in the home folder.

    RLlib makes one per algorithm in ~/ray_results (``Trainable._setup_logdir``, 2.60), which stays empty unless the
    algorithm is saved without a path.
    """
    before = trainable.DEFAULT_STORAGE_PATH
    with TemporaryDirectory(prefix="battery_lab_") as scratch:
        trainable.DEFAULT_STORAGE_PATH = scratch
        try:
            yield
        finally:
            trainable.DEFAULT_STORAGE_PATH = before


@contextmanager
def _keep_sigterm_handler() -> Iterator[None]:
    """Restore the SIGTERM handler, which Ray replaces when it starts by one that exits silently."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit as error:
        if error.code == signal.SIGTERM and callable(before):
            before(signal.SIGTERM, None)
        raise
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
