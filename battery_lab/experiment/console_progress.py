"""Training progress on the console: a live bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from battery_lab.common.duration_text import clock
from battery_lab.envs.interfaces import Metric
from battery_lab.experiment.checkpoint import Progress

LINE_EVERY_S = 10.0


class ConsoleProgress:
    """Shows steps, steps per second, the score in training, validation capture and the time left."""

    def __init__(self, console: Console, budget: int, score: Metric, start_steps: int) -> None:
        """Start to show a training.

        Args:
            console: prints it.
            budget: environment steps of the whole training.
            score: the metric that ranks policies.
            start_steps: environment steps at which the run was resumed; 0 for a new run.
        """
        self._console, self._budget, self._score = console, budget, score
        self._start_steps, self._start, self._last = start_steps, time.monotonic(), 0.0
        self._bar: Bar | None = None
        if console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"))
            self._bar = Bar(*columns, TimeElapsedColumn(), console=console)
            self._task = self._bar.add_task("training", total=budget, completed=start_steps, text="")

    def __enter__(self) -> ConsoleProgress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def update(self, progress: Progress, metrics: Mapping[str, float]) -> None:
        """Show the progress after an iteration."""
        text = self._text(progress, metrics)
        if self._bar:
            self._bar.update(self._task, completed=progress.env_steps, text=text)
            return
        now = time.monotonic()
        validated = "validation/capture" in metrics
        if validated or now - self._last >= LINE_EVERY_S or progress.env_steps >= self._budget:
            self._last = now
            self._console.print(text, soft_wrap=True, highlight=False)

    def _text(self, progress: Progress, metrics: Mapping[str, float]) -> str:
        done = progress.env_steps - self._start_steps
        left = (self._budget - progress.env_steps) * (time.monotonic() - self._start) / max(done, 1)
        parts = [f"{progress.env_steps:>10,} steps", f"{metrics['train/env_steps_per_second']:,.0f}/s"]
        if "train/reward_mean" in metrics:
            parts.append(f"reward {metrics['train/reward_mean']:+.4f}")
        if (score := metrics.get(f"train/{self._score.name}")) is not None:
            parts.append(f"{score:,.0f} {self._score.unit or self._score.label}")
        if progress.kept_capture is not None:
            parts.append(f"validation capture {metrics.get('validation/capture', progress.kept_capture):.3f}")
            parts.append(f"kept {progress.kept_capture:.3f}")
        return "  ".join([*parts, f"{clock(max(left, 0))} left"])
