"""Report: opens offline, escapes every name, and never fails a finished run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from battery_lab.report import Panel
from battery_lab.report.inline_svg import svg
from tests.report.report_pages import EVIL, Page, World, dots, make_curves, make_table, terminal, write


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


def test_wide_table_scrolls_without_breaking_words(page: Page) -> None:
    assert page.raw.count('<div class="wide" tabindex="0"><table') == page.tags.count("table") == 2
    assert ".wide th, .wide td { white-space: nowrap;" in page.raw


def test_evaluations_are_listed_and_incomplete_lines_ignored(page: Page) -> None:
    assert "evaluated on the test period once." in page.text
    for part in ("2025-01-01T10:00:00+00:00", "lab evaluate", "Market: NYC"):
        assert part in page.text


def test_report_of_an_evaluation_shows_all_evaluations_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "test_looks.jsonl").write_text('{"command": "first look"}\n{"command": "second look"}\n')
    folder = tmp_path / "evaluations" / "other market"
    folder.mkdir(parents=True)
    assert "evaluated on the test period 2 times" in write(folder).text


def test_page_contains_the_trial_without_credentials(page: Page) -> None:
    assert "env: {price_lag: 0}" in page.text
    assert "http://host:5000/x" in page.text
    assert "secret" not in page.raw
    assert "open" not in [name for tag, name, _ in page.attributes if tag == "details"]


def test_row_of_the_evaluated_policy_is_highlighted(page: Page) -> None:
    assert '<tr class="evaluated"><th scope="row">ppo</th>' in page.raw
    assert page.values("class").count("evaluated") == 1


@pytest.mark.parametrize("cell", ["6,557", "1.000", "+320%", "−66.50", "0.612", "–"])
def test_terminal_and_page_show_the_same_values(page: Page, cell: str) -> None:
    assert cell in terminal(make_table(), 80)
    assert f">{cell}</td>" in page.raw


def test_headings_show_metric_and_unit(page: Page) -> None:
    for text in (terminal(make_table(), 80), page.text):
        assert all(part in text for part in ("policy", "profit", "AUD/day", "capture", "lift", "rule"))
    assert "profit, AUD/day" in page.values("data-label")


def test_matplotlib_is_imported_only_to_write_a_report() -> None:
    code = "import sys, battery_lab.report as r; print(sorted({'matplotlib', 'jinja2'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
