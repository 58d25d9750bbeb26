"""The how-to pages: their files are put where the page says, and their commands are run as they are typed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compositions import SMALL_NETWORK
from tests.config.test_conf import unexplained

pytestmark = pytest.mark.first

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "how-to"
FILE = re.compile(r"<!-- file: (?P<path>\S+) -->\n```\w+\n(?P<text>.*?)```", re.DOTALL)
COMMANDS = re.compile(r"<!-- run -->\n```sh\n(?P<text>.*?)\n```", re.DOTALL)
# Overrides that only make a trial faster: a small budget, small batches, a small network, a short market.
TINY = ("train.env_steps=512", "train.validate_every=512", "tracking=none", *SMALL_NETWORK)
TINY_PPO = (*TINY, "algo.num_envs=4", "algo.fragment=64", "algo.minibatch=128", "algo.min_batches=0")
SHORT = ("market.years=1", "env.validation_days=15", "env.test_days=30")
# What makes each page's trial small, and a file that the run must leave with a text in it.
PAGE_TESTS = {
    "add-a-reward": ((*TINY_PPO, *SHORT), "curves.jsonl", "reward_terms/power_cost"),
    "add-an-observation": ((*TINY_PPO, *SHORT), "policy/policy.json", "price minus its mean over 3 h"),
    "add-a-market": (TINY_PPO, "trial.yaml", "my_lab.two_prices.TwoPrices"),
    "add-a-baseline": ((*TINY_PPO, *SHORT), "metrics.json", "baseline/fixed_hours/profit_per_day"),
    "add-an-algorithm": ((*TINY, *SHORT, "algo.num_envs=8", "algo.fragment=16"), "metrics.json", "test/capture"),
    "add-an-environment": (TINY_PPO, "metrics.json", "baseline/foresight/capture"),
    "add-a-launcher": ((*TINY_PPO, *SHORT), "1/metrics.json", "test/capture"),
}


def files_of(page: Path) -> dict[str, str]:
    """Return the files that a page tells the reader to write, by path."""
    return dict(FILE.findall(page.read_text()))


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with the files of all pages."""
    folder = tmp_path_factory.mktemp("project")
    for page in PAGES.glob("add-*.md"):
        for path, text in files_of(page).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
    return folder


def test_the_page_on_environments_includes_its_files():
    page = (PAGES / "add-an-environment.md").read_text()
    assert '\n--8<-- "tests/inventory_env/inventory.py"\n' in page
    assert '\n--8<-- "tests/inventory_env/conf/env/inventory.yaml"\n' in page


def test_every_page_is_tested():
    # Other pages have tests of their own, in test_reader_pages and test_check_your_data_page.
    others = ("read-", "check-", "fetch-")
    assert {page.stem for page in PAGES.glob("*.md") if not page.stem.startswith(others)} == set(PAGE_TESTS)


@pytest.mark.parametrize("page", PAGE_TESTS)
def test_every_key_of_an_example_is_explained(page):
    texts = {path: text for path, text in files_of(PAGES / f"{page}.md").items() if path.endswith(".yaml")}
    assert {path: keys for path, text in texts.items() if (keys := unexplained(text))} == {}


@pytest.mark.walk
def test_the_examples_pass_the_type_checks_of_the_lab(project):
    files = sorted((project / "my_lab").rglob("*.py"))
    assert files
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", ROOT / "pyproject.toml", *files],
        cwd=ROOT,
        env=os.environ | {"MYPYPATH": f"{project}:{project / 'my_lab' / 'plugins'}:{ROOT}:{ROOT / 'launchers'}"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.walk
@pytest.mark.parametrize("page", PAGE_TESTS)
def test_what_a_page_adds_can_be_used(page, project):
    overrides, file, text = PAGE_TESTS[page]
    folder = project / "runs" / page
    for block in COMMANDS.findall((PAGES / f"{page}.md").read_text()):
        for command in block.splitlines():
            trains = "--config-dir" in command
            kind = "sweep" if "--multirun" in command else "run"
            run_command(project, command, folder, *((*overrides, f"hydra.{kind}.dir={folder}") if trains else ()))
    assert text in (folder / file).read_text()


def run_command(project: Path, command: str, run: Path, *overrides: str) -> None:
    """Run a command of a page with the lab of this checkout; overrides are added at its end."""
    command = command.replace("<run>", str(run)).replace("<checkout>", str(ROOT))
    command = command.replace("PYTHONPATH=", f"PYTHONPATH={ROOT}:{ROOT / 'launchers'}:")
    # -P: as with the installed command, Python does not look into the present folder.
    command = re.sub(r"\bbattery-lab (?=--|evaluate)", f"{sys.executable} -P -m battery_lab ", command)
    command = re.sub(r"^python ", f"{sys.executable} ", command)
    process = subprocess.run(
        ["bash", "-c", f'{command} "$@"', "bash", *overrides],
        cwd=project,
        env={name: value for name, value in os.environ.items() if name != "HYDRA_FULL_ERROR"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stdout + process.stderr
