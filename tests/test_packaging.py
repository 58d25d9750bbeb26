"""The lab as others get it: the wheel, its options and the lock files."""

from __future__ import annotations

import re
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from battery_lab.common.errors import LabError
from battery_lab.config.conf_folder import conf_dir
from tests.shell_commands import ROOT, succeed

LAUNCHERS = ROOT / "launchers"
EMULATOR = LAUNCHERS / "sagemaker_emulator"
# The packages of the launchers that the wheel holds; one with a pyproject.toml is a distribution of its own.
PACKAGES = sorted(
    path.name for path in LAUNCHERS.iterdir() if any(path.rglob("*.py")) and not (path / "pyproject.toml").exists()
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = {
    "requirements.lock": PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"],
    "requirements-aws.lock": PROJECT["project"]["optional-dependencies"]["aws"],
    "requirements-bench.lock": PROJECT["project"]["optional-dependencies"]["bench"],
    "requirements-job.lock": PROJECT["project"]["optional-dependencies"]["job"],
    "requirements-rehearsal.lock": tomllib.loads((EMULATOR / "pyproject.toml").read_text())["project"]["dependencies"],
    "requirements-tf.lock": PROJECT["project"]["optional-dependencies"]["tf"],
    "requirements-live.lock": PROJECT["project"]["optional-dependencies"]["live"],
}


def files_below(folder: Path, prefix: str) -> set[str]:
    """Return the files that belong into the wheel from a folder of the tree, as the wheel names them."""
    paths = (p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return {f"{prefix}/{p.relative_to(folder).as_posix()}" for p in paths}


# --- the wheel ---


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    succeed(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (path,) = folder.glob("*.whl")
    return path


def test_the_emulator_is_a_distribution_of_its_own(tmp_path: Path) -> None:
    succeed(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path, cwd=EMULATOR)
    (path,) = tmp_path.glob("sagemaker_emulator-*.whl")
    held = {name for name in zipfile.ZipFile(path).namelist() if ".dist-info/" not in name}
    assert held == files_below(EMULATOR, "sagemaker_emulator") - {"sagemaker_emulator/pyproject.toml"}


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment that holds the wheel, and borrows its dependencies from this one."""
    folder = tmp_path_factory.mktemp("elsewhere") / "env"
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    site = succeed(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    (Path(site) / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel)
    succeed(*pip, cwd=folder)
    return folder / "bin"


def test_the_wheel_holds_the_packages_and_the_options_and_nothing_else(wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    folders = {"battery_lab": "battery_lab", "conf": "battery_lab/conf"}
    folders |= {f"launchers/{name}": name for name in PACKAGES}
    wanted = set().union(*(files_below(ROOT / folder, prefix) for folder, prefix in folders.items()))
    assert held == wanted | {path.name for path in LAUNCHERS.glob("*.py")}
    assert "battery_lab/conf/config.yaml" in held


def test_mypy_checks_all_code_of_the_launchers() -> None:
    code = {path.name for path in LAUNCHERS.iterdir() if path.suffix == ".py" or any(path.rglob("*.py"))}
    assert {f"launchers/{name}" for name in code} <= set(PROJECT["tool"]["mypy"]["files"])


def test_the_wheel_describes_itself_by_the_readme(wheel: Path) -> None:
    (name,) = (name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".dist-info/METADATA"))
    assert (ROOT / "README.md").read_text() in zipfile.ZipFile(wheel).read(name).decode()


def test_an_installed_lab_finds_its_own_options(installed: Path, tmp_path: Path) -> None:
    ask = "from battery_lab.config.conf_folder import conf_dir; print(conf_dir())"
    options = Path(succeed(installed / "python", "-c", ask, cwd=tmp_path).strip())
    assert options.is_relative_to(installed.parent)
    assert (options / "config.yaml").is_file()


def test_an_installed_lab_explains_itself_in_any_folder(installed: Path, tmp_path: Path) -> None:
    text = succeed(installed / "battery-lab", "train", "--help", cwd=tmp_path)
    groups = {p.name for p in (ROOT / "conf").iterdir() if p.is_dir()}
    assert [group for group in sorted(groups) if group not in text] == []
    assert list(tmp_path.iterdir()) == []


def test_an_installed_lab_composes_an_option_of_the_users_own_folder(installed: Path, tmp_path: Path) -> None:
    option = tmp_path / "custom" / "reward" / "thrifty.yaml"
    option.parent.mkdir(parents=True)
    option.write_text("_target_: my_rewards.Thrifty\n")
    text = succeed(
        *(installed / "python", "-m", "battery_lab", "--config-dir", "custom", "--cfg", "job", "reward=thrifty"),
        cwd=tmp_path,
    )
    assert "my_rewards.Thrifty" in text
    assert "battery_lab.envs.battery.physics.Battery" in text


def test_an_installed_lab_has_its_launchers(installed: Path, tmp_path: Path) -> None:
    text = succeed(installed / "battery-lab", "--cfg", "hydra", "launcher=ray", "sweeper=zip", cwd=tmp_path)
    assert "battery_lab_launchers.ray_launcher.RayLauncher" in text
    assert "battery_lab_launchers.zip_sweeper.ZipSweeper" in text


# --- where the options are ---


def test_a_checkout_uses_the_options_beside_the_package(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    assert conf_dir(tmp_path / "battery_lab") == tmp_path / "conf"
    assert conf_dir() == ROOT / "conf"


def test_options_inside_the_package_come_first(tmp_path: Path) -> None:
    for folder in (tmp_path / "conf", tmp_path / "battery_lab" / "conf"):
        folder.mkdir(parents=True)
    assert conf_dir(tmp_path / "battery_lab") == tmp_path / "battery_lab" / "conf"


def test_a_lab_without_options_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=re.escape(str(tmp_path / "conf"))):
        conf_dir(tmp_path / "battery_lab")


# --- the lock files ---


def pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_every_direct_dependency_within_its_range(lock: str) -> None:
    pinned = pins(lock)
    wanted = [Requirement(text) for text in LOCKS[lock]]
    wanted = [r for r in wanted if r.name != "torch"]  # installed apart, so that its build can be chosen
    assert [str(r) for r in wanted if pinned.get(r.name.lower(), "0") not in r.specifier] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_carries_hashes_and_names_neither_an_index_nor_cuda(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert len(re.findall(r"^[a-z0-9-]+==\S+ \\\n    --hash=sha256:", text, re.MULTILINE)) == len(pins(lock))
    assert not re.search(r"://|^(-i|--index|--extra|--find)", text, re.MULTILINE)
    assert not re.search(r"^(nvidia|cuda|triton|torch$)", "\n".join(pins(lock)), re.MULTILINE)


def test_an_extra_pins_nothing_that_the_core_pins() -> None:
    core = pins("requirements.lock").keys()
    assert [lock for lock in LOCKS if lock != "requirements.lock" and core & pins(lock).keys()] == []
