"""Library calls: gridstatus and NEMOSIS, imported late, quiet, and with errors as one message."""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from typing import Any, TypeVar

from battery_lab.common.errors import ConfigError, LabError, shorten
from battery_lab.market.download.guarded_http import DownloadError, guarded_http

T = TypeVar("T")


def import_library(name: str) -> Any:
    """Return a library of the extra ``live``, whose messages do not reach the terminal.

    Raises:
        ConfigError: it is not installed.
    """
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"battery-lab data fetch needs the package {error.name}, which is not installed: run make setup-live"
        ) from error
    finally:
        # NEMOSIS sets up the logging of the whole process when it is imported.
        for handler in set(root.handlers) - set(handlers):
            root.removeHandler(handler)
        root.setLevel(level)
    logging.getLogger(name.partition(".")[0]).setLevel(logging.CRITICAL)
    return module


def call_library(call: Callable[[], T], hosts: Sequence[str], secret: str = "") -> T:
    """Return what a library downloads.

    Args:
        call: calls the library.
        hosts: the servers that it may request.
        secret: what must not stand in a message.

    Raises:
        LabError: a request failed, also one that the library would leave out, or the library refuses the answer.
    """
    with guarded_http(hosts) as errors:
        try:
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = call()
        except LabError:
            raise
        except MemoryError:
            raise
        except Exception as error:
            if errors:
                raise errors[-1] from error
            reason = shorten(" ".join(f"{type(error).__name__}: {error}".split()))
            raise DownloadError(
                f"the answer cannot be read ({reason.replace(secret, '***') if secret else reason})"
            ) from error
    if errors:
        raise errors[-1]
    return result


def key_of(variable: str) -> str:
    """Return the key in an environment variable; "" if none is needed.

    Raises:
        ConfigError: it is not set.
    """
    key = os.environ.get(variable, "") if variable else ""
    if variable and not key:
        raise ConfigError(f"the operator's server needs a key: register there, and set {variable} in the environment")
    return key
