"""Environment log: a callback that passes the environment's log to RLlib's metrics."""

from __future__ import annotations

from typing import Any

from ray.rllib.callbacks.callbacks import RLlibCallback


class EnvironmentLog(RLlibCallback):  # type: ignore[misc]
    """Logs the environment's own figures after each sample."""

    def on_sample_end(self, *, env_runner: Any, metrics_logger: Any, samples: Any, **kwargs: Any) -> None:
        """Move the figures from the environment to the metrics, as means over samples and runners."""
        for name, value in env_runner.env.unwrapped.take_log().items():
            # Without a window, an entry is the mean over one iteration.
            metrics_logger.log_value(("lab", *name.split("/")), value, reduce="mean", window=None)
