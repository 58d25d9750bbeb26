"""The page on forecasts: its Python runs, its commands read files, and its tables name what the options say."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from battery_lab.config.build import build_part
from battery_lab.config.compose import compose
from battery_lab.config.conf_folder import conf_dir
from battery_lab.market.market_series import MarketSeries

PAGE = (Path(__file__).parents[2] / "docs" / "forecasts.md").read_text()
COMMANDS = re.findall(r"```sh\nbattery-lab (market=.*?)\n```", PAGE, re.DOTALL)


def test_the_example_runs() -> None:
    (code,) = re.findall(r"<!-- run -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(code, "forecasts.md", "exec"), {})


def write_files(folder: Path) -> None:
    start = pd.date_range("2024-05-01", periods=96, freq="30min", tz="UTC")
    pd.DataFrame({"timestamp": start, "price": np.arange(96.0)}).to_csv(folder / "prices.csv", index=False)
    rows = {"issued": start - pd.Timedelta(minutes=28), "start": start, "rrp": np.arange(96.0)}
    pd.concat([pd.DataFrame(rows).assign(start=start + k * pd.Timedelta(minutes=30)) for k in range(3)]).to_parquet(
        folder / "predispatch.parquet"
    )


def series_of(command: str) -> MarketSeries:
    config = compose([*shlex.split(command.replace("\\\n", " ")), "market.cache=null"])
    return build_part(config, "market").load()


def test_the_commands_read_prices_and_forecasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    day_ahead, vintages = (series_of(command) for command in COMMANDS)
    assert str(day_ahead.published["price"]) == "12:45 the day before"
    assert day_ahead.published["price"].time_zone == "Europe/Brussels"
    assert (len(vintages.forecasts["predispatch"]), vintages.forecasts["predispatch"].step_h) == (96, 0.5)


def test_the_table_of_operators_has_the_times_of_the_options() -> None:
    for market, time in re.findall(r"^\| `(\w+)` \|.*\| (\d\d:\d\d \S+) \|$", PAGE, re.MULTILINE):
        assert OmegaConf.load(conf_dir() / "market" / f"{market}.yaml").day_ahead_published == time
