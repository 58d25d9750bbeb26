"""Report: opens offline, escapes every name, and never fails a finished run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from battery_lab import report
from battery_lab.envs.base import Metric
from battery_lab.report import Panel
from battery_lab.report.svg_panel import svg
from battery_lab.report.tables import columns
from battery_lab.report.training_plots import line, smooth, training_panels

EVIL = "</script><script>alert(1)</script><img src=http://evil.example/x>--> $\\frac{1$ \x1b[31m[bold]"


class World:
    """The part of a world that reports use."""

    score, optimum, rule = "profit_per_day", "perfect_foresight", "rule"

    def __init__(self, unit: str = "AUD/day", summary: dict[str, str] | None = None) -> None:
        """Use a unit of money."""
        self._summary = summary or {"Market": "VIC1"}
        self.metrics = [
            Metric(name="profit_per_day", label="profit", unit=unit),
            Metric(name="revenue_per_day", label="revenue", unit=unit),
            Metric(name="equivalent_full_cycles_per_day", label="full cycles per day"),
        ]

    def summary(self) -> dict[str, str]:
        return self._summary


class Page(HTMLParser):
    """A parsed page."""

    def __init__(self, text: str) -> None:
        """Parse a page."""
        super().__init__()
        self.raw, self.text, self.tags = text, "", []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, name: str) -> list[str]:
        return [value for _, found, value in self.attributes if found == name]


def make_table(**rows: dict[str, float]) -> pd.DataFrame:
    rows = rows or {
        "perfect_foresight": {"profit_per_day": 6557.2, "capture": 1.0, "lift_over_rule": 3.2},
        "ppo": {"profit_per_day": -66.5, "capture": 0.61249, "lift_over_rule": float("nan")},
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("policy")


def make_curves(lines: int = 30) -> pd.DataFrame:
    steps = 1000 * np.arange(1, lines + 1)
    curves = pd.DataFrame(
        {
            "env_steps": steps,
            "train/profit_per_day": np.linspace(-100.0, 400.0, lines),
            "reward_terms/revenue": 2.0,
            "learner/vf_loss": 1.0,
            "train/env_steps_per_second": 50_000.0,
            "validation/profit_per_day": np.nan,
            "validation/capture": np.nan,
            "validation/lift_over_rule": np.nan,
        }
    )
    validated = [lines // 2, lines - 1]
    curves.loc[validated, "validation/profit_per_day"] = [200.0, 300.0]
    curves.loc[validated, "validation/capture"] = [0.4, 0.6]
    curves.loc[validated, "validation/lift_over_rule"] = [0.6, 1.4]
    return curves


def dots(title: str = "dots", caption: str = "some dots") -> Panel:
    def draw(figure: Figure) -> None:
        figure.subplots().plot([0, 1], [1, 2], "k.", label=title)
        figure.axes[0].set_title(title)

    return Panel(title=title, caption=caption, draw=draw, size=(3.0, 2.0))


def write(folder: Path, **changes: Any) -> Page:
    fields: dict[str, Any] = {
        "title": "ppo, seed 0",
        "world": World(),
        "table": make_table(),
        "panels": [dots()],
        "curves": pd.DataFrame(),
    }
    return Page(report.write_report(folder, **(fields | changes)).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    folder = tmp_path_factory.mktemp("run")
    (folder / "trial.yaml").write_text("env: {price_lag: 0}\ntracking: {uri: 'http://me:secret@host:5000/x'}\n")
    look = {"time": "2025-01-01T10:00:00+00:00", "command": "lab evaluate", "policy": "ppo", "world": {"Market": "NYC"}}
    (folder / "test_looks.jsonl").write_text(json.dumps(look) + "\n" + json.dumps(look)[:30])
    return write(folder, curves=make_curves())


def test_all_plots_are_on_the_page_under_their_titles(page: Page) -> None:
    training = ["Learning: profit", "Reward, term by term", "Learner metrics"]
    for title in ["dots", *training, "Training speed"]:
        assert f"<h3>{title}</h3>" in page.raw
    assert page.tags.count("figure") == page.tags.count("svg") == 5
    assert "could not be drawn" not in page.text


def test_page_loads_no_resources(page: Page) -> None:
    assert not {"script", "link", "iframe", "object", "embed", "base", "img", "form", "a"} & set(page.tags)
    for name in ("src", "href", "xlink:href", "srcset", "poster", "background", "action"):
        assert all(value.startswith(("#", "data:")) for value in page.values(name))
    assert not [name for _, name, _ in page.attributes if name.startswith(("on", "xmlns"))]
    assert page.raw.count("url(") == page.raw.count("url(#")
    assert "@import" not in page.raw
    assert "//" not in page.raw.replace("http://host:5000/x", "")


def test_content_security_policy_forbids_loading(page: Page) -> None:
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in page.values("content")


def test_ids_are_unique_and_references_resolve(page: Page) -> None:
    ids = page.values("id")
    assert len(ids) == len(set(ids)) > 20
    assert {value[1:] for value in page.values("href")} <= set(ids)


def test_plots_use_the_colours_of_the_page() -> None:
    text = svg(dots(), "p")
    assert "#000000" not in text
    assert "stroke: var(--ink)" in text


def test_names_are_escaped(tmp_path: Path) -> None:
    (tmp_path / "trial.yaml").write_text(EVIL)
    (tmp_path / "test_looks.jsonl").write_text(json.dumps({"command": EVIL, "policy": EVIL, "world": {EVIL: EVIL}}))
    evil = {"reward_terms/revenue": f"reward_terms/{EVIL}", "learner/vf_loss": f"learner/{EVIL}"}
    page = write(
        tmp_path,
        title=EVIL,
        world=World(EVIL, {EVIL: EVIL}),
        table=make_table(**{EVIL: {"profit_per_day": 1.0, EVIL: 2.0}}),
        panels=[dots(EVIL, EVIL)],
        curves=make_curves().rename(columns=evil),
    )
    assert not {"script", "img"} & set(page.tags)
    assert page.text.count("<script>alert(1)</script>") >= 12
    assert "could not be drawn" not in page.text
    assert page.raw.count("<!--") == 0


def test_invalid_utf8_does_not_stop_the_report(tmp_path: Path) -> None:
    assert "seed ?" in write(tmp_path, title="seed \udcff").text


def test_report_without_curves(tmp_path: Path) -> None:
    page = write(tmp_path, curves=pd.DataFrame())
    assert "No data." in page.text
    assert page.tags.count("svg") == 1


@pytest.mark.parametrize(
    "curves",
    [
        make_curves().assign(**{name: np.nan for name in make_curves().columns if name != "env_steps"}),
        make_curves().drop(columns="env_steps"),
        pd.DataFrame([{"env_steps": 5, "test/capture": 0.5, "train/profit_per_day": None}]),
    ],
    ids=["all NaN", "no steps", "test only"],
)
def test_curves_without_numbers_have_no_plot(curves: pd.DataFrame) -> None:
    assert training_panels(curves, World()) == []


def test_curves_of_one_line_are_drawn() -> None:
    curves = make_curves(2).iloc[1:]
    assert all("<svg" in svg(panel, "p") for panel in training_panels(curves, World()))


def test_curve_is_sorted_by_steps_without_missing_values() -> None:
    curves = pd.DataFrame({"env_steps": [3, 1, 2, 4], "x": [30.0, 10.0, None, np.inf]})
    steps, values = line(curves, "x")
    assert (steps.tolist(), values.tolist()) == ([1, 3], [10, 30])


def test_running_mean_has_no_lag_and_keeps_the_length() -> None:
    assert smooth(np.arange(100.0))[10:-10] == pytest.approx(np.arange(10.0, 90.0))
    assert smooth(np.array([1.0, 5.0])).tolist() == [1.0, 5.0]


def test_capture_plot_shows_the_rule_on_the_same_days() -> None:
    figure = Figure()
    training_panels(make_curves(), World())[0].draw(figure)
    levels = {line.get_label(): line.get_ydata()[0] for line in figure.axes[1].lines}
    assert levels["rule"] == pytest.approx(0.25)
    assert levels["perfect foresight"] == 1
    assert levels["kept policy"] == 0.6


def test_axis_label_shows_the_unit_of_money() -> None:
    figure = Figure()
    training_panels(make_curves(), World())[0].draw(figure)
    assert figure.axes[0].get_ylabel() == "profit, AUD/day"


def test_failed_plot_shows_its_error_and_the_others_stay(tmp_path: Path) -> None:
    def fail(figure: Figure) -> None:
        raise ZeroDivisionError("no <b>days</b>")

    broken = Panel(title="broken", caption="", draw=fail, size=(3.0, 2.0))
    page = write(tmp_path, panels=[broken, dots()])
    assert "could not be drawn: ZeroDivisionError: no <b>days</b>" in page.text
    assert page.tags.count("svg") == 1


def test_report_is_replaced_atomically(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, title="first")

    def fail(source: object, target: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="disk full"):
        patched.setattr(os, "replace", fail)
        write(tmp_path, title="second")
    assert "<h1>first</h1>" in (tmp_path / "report.html").read_text()
    write(tmp_path, title="third")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


TRIAL = """
choices: {algo: ppo, reward: calm, market: aemo, tracking: mlflow}
seed: 3
algo: {_target_: lab.PPO, lr: 0.1}
reward: {_target_: lab.Shaping, terms: {revenue: {weight: 1.0}, wear: {weight: 2.5}}, scale: fitted}
network: {_target_: lab.Mlp, hidden: [16, 8]}
market: {_target_: lab.Market, kinds: [1]}
env: {_target_: lab.Env, reward: "${reward}", baselines: {rule: {_target_: lab.Rule}}}
"""


def facts(page: Page) -> dict[str, str]:
    """Return the heading's lines by label."""
    return dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page.raw))


def write_run(folder: Path, trial: str = TRIAL) -> None:
    (folder / "trial.yaml").write_text(trial)
    figures = {"train/env_steps": 2000128.0, "train/seconds": 111.2, "validation/env_steps": 1500000.0}
    (folder / "metrics.json").write_text(json.dumps(figures))


def test_header_shows_options_and_training_time(tmp_path: Path) -> None:
    write_run(tmp_path)
    assert facts(write(tmp_path)) == {
        "Market": "VIC1",
        "Reward": "calm: revenue, 2.5 x wear",
        "Network": "hidden [16, 8]",
        "Options": "algo=ppo reward=calm market=aemo seed=3",
        "Training": "2,000,128 environment steps in 1 min 51 s; best policy at step 1,500,000",
    }


def test_trial_without_choices_shows_its_parts(tmp_path: Path) -> None:
    write_run(tmp_path, TRIAL.replace("choices: {", "others: {"))
    found = facts(write(tmp_path))
    assert (found["Reward"], found["Network"]) == ("revenue, 2.5 x wear", "hidden [16, 8]")
    assert "Options" not in found


def test_option_with_a_single_part_of_the_same_name_appears_once(tmp_path: Path) -> None:
    write_run(tmp_path, "choices: {reward: regret}\nreward: {_target_: lab.Shaping, terms: {regret: {weight: 1}}}")
    assert facts(write(tmp_path))["Reward"] == "regret"


def test_report_of_an_evaluation_shows_the_training_of_the_run(tmp_path: Path) -> None:
    write_run(tmp_path)
    folder = tmp_path / "evaluations" / "later"
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text('{"test/capture": 0.5}')
    assert facts(write(folder))["Training"].startswith("2,000,128 environment steps")


@pytest.mark.parametrize(
    "damaged", ["a: [", "a: 2024-99-01", "- 1", "", "choices: 3\nreward: {_target_: 1, terms: {a: 2}}"]
)
def test_damaged_folder_still_gets_a_report(tmp_path: Path, damaged: str) -> None:
    (tmp_path / "trial.yaml").write_text(damaged)
    (tmp_path / "metrics.json").write_text(damaged)
    assert facts(write(tmp_path))["Market"] == "VIC1"


def test_wide_table_scrolls_without_breaking_words(page: Page) -> None:
    assert page.raw.count('<div class="wide" tabindex="0"><table') == page.tags.count("table") == 2
    assert ".wide th, .wide td { white-space: nowrap;" in page.raw


def test_test_looks_are_listed_and_incomplete_lines_ignored(page: Page) -> None:
    assert "evaluated on test time once." in page.text
    for part in ("2025-01-01T10:00:00+00:00", "lab evaluate", "Market: NYC"):
        assert part in page.text


def test_report_of_an_evaluation_shows_the_looks_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "test_looks.jsonl").write_text('{"command": "first look"}\n{"command": "second look"}\n')
    folder = tmp_path / "evaluations" / "other market"
    folder.mkdir(parents=True)
    assert "evaluated on test time 2 times" in write(folder).text


def test_page_contains_the_trial_without_credentials(page: Page) -> None:
    assert "env: {price_lag: 0}" in page.text
    assert "http://host:5000/x" in page.text
    assert "secret" not in page.raw
    assert "open" not in [name for tag, name, _ in page.attributes if tag == "details"]


def test_row_of_the_evaluated_policy_is_highlighted(page: Page) -> None:
    assert '<tr class="evaluated"><th scope="row">ppo</th>' in page.raw
    assert page.values("class").count("evaluated") == 1


def terminal(table: pd.DataFrame, width: int) -> str:
    console = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(report.render_table(table, World()))
    return console.export_text()


@pytest.mark.parametrize("cell", ["6,557", "1.000", "+320%", "−66.50", "0.612", "–"])
def test_terminal_and_page_show_the_same_values(page: Page, cell: str) -> None:
    assert cell in terminal(make_table(), 80)
    assert f">{cell}</td>" in page.raw


def test_headings_show_metric_and_unit(page: Page) -> None:
    for text in (terminal(make_table(), 80), page.text):
        assert all(part in text for part in ("policy", "profit", "AUD/day", "capture", "lift", "rule"))
    assert "profit, AUD/day" in page.values("data-label")


def test_numbers_do_not_wrap_on_a_narrow_terminal() -> None:
    figures = {"profit_per_day": -6557.0, "revenue_per_day": 6940.0, "capture": -0.123, "lift_over_rule": -1.17}
    table = make_table(a_policy_with_a_long_name=figures | {"equivalent_full_cycles_per_day": 12.08})
    text = terminal(table, 60)
    assert all(cell in text for cell in ("−6,557", "6,940", "−0.123", "−117%", "12.08"))


def test_unknown_metrics_come_last() -> None:
    table = make_table(ppo={"waiting_hours_per_day": 7.5, "capture": 0.5, "profit_per_day": 1.0})
    found = {column.heading: column.cells for column in columns(table, World())}
    assert found == {"profit": ["1.00"], "capture": ["0.500"], "waiting hours per day": ["7.50"]}
    assert list(found)[-1] == "waiting hours per day"


def test_policy_name_is_neither_markup_nor_terminal_control() -> None:
    text = terminal(make_table(**{"[bold]x[/bold]\x1b[2J": {"capture": 0.5}}), 80)
    assert "[bold]x[/bold]\N{REPLACEMENT CHARACTER}[2J" in text


def test_matplotlib_is_imported_only_to_write_a_report() -> None:
    code = "import sys, battery_lab.report as r; print(sorted({'matplotlib', 'jinja2'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
