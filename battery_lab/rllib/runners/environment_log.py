"""What the environment counts, handed to RLlib's metrics."""

from __future__ import annotations

from typing import Any

from ray.rllib.callbacks.callbacks import RLlibCallback


class LogEnvironment(RLlibCallback):  # type: ignore[misc]
    """Logs the environment's own account of each sampling."""

    def on_sample_end(self, *, env_runner: Any, metrics_logger: Any, samples: Any, **kwargs: Any) -> None:
        """Move the account from the environment to the metrics, as a mean over samplings and runners."""
        for name, value in env_runner.env.unwrapped.take_log().items():
            # Without a window an entry is a mean over the iteration, and then begins anew.
            metrics_logger.log_value(("lab", *name.split("/")), value, reduce="mean", window=None)
