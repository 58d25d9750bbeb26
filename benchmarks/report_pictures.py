"""Pictures for docs/reference.md: two plots of a run's report as PNG files.

python benchmarks/report_pictures.py outputs/runs/<run> docs/images
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from battery_lab.cli.build_experiment import build_experiment
from battery_lab.common.run_folder import RunFolder
from battery_lab.config.stored_trial import trial
from battery_lab.envs.world_cache import WorldSource
from battery_lab.experiment.experiment import choose_actions
from battery_lab.report import Panel
from battery_lab.report.plot_style import RC
from battery_lab.report.training_plots import training_panels
from battery_lab.tracking.run_log import read_lines


def save(panel: Panel, path: Path) -> None:
    """Draw a panel at its size in the report."""
    # White, because a README may have any background.
    with matplotlib.rc_context(RC | {"savefig.facecolor": "white"}):
        figure = Figure(figsize=panel.size, layout="constrained")
        panel.draw(figure)
        figure.savefig(path, dpi=110)


def main(run: Path, folder: Path) -> None:
    """Save the learning curve and the median week."""
    experiment = build_experiment(trial(run, []))
    world = WorldSource(env=experiment.env, actions=choose_actions(experiment.env, experiment.algo)).open()
    curves = pd.DataFrame(read_lines(RunFolder(run).curves)[0])
    frame = pd.read_parquet(RunFolder(run).dispatch)
    save(training_panels(curves, world)[0], folder / "report_learning.png")
    save(world.panels(frame, world.baselines("test"))[0], folder / "report_week.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
