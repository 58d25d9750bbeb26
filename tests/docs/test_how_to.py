"""The how-to pages: their files are put where the page says, and their commands are run, on a small market."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compositions import SMALL, SMALL_NETWORK, write_market
from tests.inventory_env.test_inventory import write_demand

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "how-to"
FILE = re.compile(r"<!-- file: (?P<path>\S+) -->\n```\w+\n(?P<text>.*?)```", re.DOTALL)
COMMAND = re.compile(r"<!-- run -->\n```sh\n(?P<text>.*?)\n```", re.DOTALL)
TINY = ("train.env_steps=512", "train.validate_every=512", "tracking=none", *SMALL_NETWORK)
TINY_PPO = ("algo.num_envs=4", "algo.fragment=64", "algo.minibatch=128")
# What makes each page's trial small, and a file that the run must leave with a text in it.
PAGE_TESTS = {
    "add-a-reward": ((*SMALL, *TINY, *TINY_PPO), ("curves.jsonl", "reward_terms/power_cost")),
    "add-an-observation": ((*SMALL, *TINY, *TINY_PPO), ("policy/policy.json", "price minus its mean over 3 h")),
    "add-a-market": ((*TINY, *TINY_PPO, "env.episode_days=2"), ("trial.yaml", "my_lab.two_prices.TwoPrices")),
    "add-a-baseline": ((*SMALL, *TINY, *TINY_PPO), ("metrics.json", "baseline/fixed_hours/profit_per_day")),
    "add-an-algorithm": ((*SMALL, *TINY, "algo.num_envs=8", "algo.fragment=16"), ("metrics.json", "test/capture")),
    "add-an-environment": ((*TINY, *TINY_PPO), ("metrics.json", "baseline/foresight/capture")),
    "add-a-launcher": ((*SMALL, *TINY, *TINY_PPO), ("1/metrics.json", "test/capture")),
}

pytestmark = pytest.mark.walk


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with the files of all pages."""
    folder = tmp_path_factory.mktemp("project")
    for page in PAGES.glob("*.md"):
        for path, text in FILE.findall(page.read_text()):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
    # The page on environments includes these files.
    inventory = Path("conf", "env", "inventory.yaml")
    (folder / "my_lab" / inventory.parent).mkdir(parents=True)
    for path in (Path("inventory.py"), inventory):
        (folder / "my_lab" / path).write_text((ROOT / "tests" / "inventory_env" / path).read_text())
    write_demand(folder / "demand.csv")
    return folder


def test_the_page_on_environments_includes_its_files():
    page = (PAGES / "add-an-environment.md").read_text()
    assert '\n--8<-- "tests/inventory_env/inventory.py"\n' in page
    assert '\n--8<-- "tests/inventory_env/conf/env/inventory.yaml"\n' in page


def test_every_page_is_tested():
    assert {page.stem for page in PAGES.glob("*.md")} == set(PAGE_TESTS)


@pytest.mark.parametrize("page", PAGE_TESTS)
def test_what_a_page_adds_can_be_used(page, project):
    overrides, (file, text) = PAGE_TESTS[page]
    (command,) = COMMAND.findall((PAGES / f"{page}.md").read_text())
    multirun = "--multirun" in command
    folder = project / "runs" / page
    market = [] if " market=" in command or " env=" in command else write_market(project / "data")
    command = command.replace("PYTHONPATH=", f"PYTHONPATH={ROOT}:{ROOT / 'launchers'}:")
    command = command.replace(" battery-lab ", f" {sys.executable} -m battery_lab ")
    choices = [*market, *overrides, f"hydra.{'sweep' if multirun else 'run'}.dir={folder}"]
    process = subprocess.run(
        ["bash", "-c", f'{command} "$@"', "bash", *choices],
        cwd=project,
        env={name: value for name, value in os.environ.items() if name != "HYDRA_FULL_ERROR"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert text in (folder / file).read_text()
