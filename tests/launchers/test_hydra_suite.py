"""Hydra's own tests of launchers, of which it has made a suite for the authors of such."""

from __future__ import annotations

import pytest
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.test_utils.launcher_common_tests import (
    BatchedSweeperTestSuite,
    IntegrationTestSuite,
    LauncherTestSuite,
)
from hydra.version import VersionBase, __compat_version__


@pytest.fixture(autouse=True)
def no_version():
    """The suite is of applications that say no version of Hydra, and another test of this process may have said one."""
    version = VersionBase.instance()
    before, version.version_base = version.version_base, __compat_version__
    yield
    version.version_base = before


LOCAL, RAY = "hydra/launcher=battery_lab_local", "hydra/launcher=battery_lab_ray"


@pytest.mark.parametrize(
    ("kind", "name"),
    [(Launcher, "LocalLauncher"), (Launcher, "RayLauncher"), (Sweeper, "ZipSweeper"), (Sweeper, "TuneSweeper")],
)
def test_hydra_finds_the_plugins_by_itself(kind, name):
    assert name in [plugin.__name__ for plugin in Plugins.instance().discover(kind)]


@pytest.mark.parametrize(("launcher_name", "overrides"), [("battery_lab_local", [])])
class TestLocal(LauncherTestSuite):
    pass


@pytest.mark.parametrize(("launcher_name", "overrides"), [("battery_lab_local", ["hydra.sweeper.max_batch_size=2"])])
class TestLocalInBatches(BatchedSweeperTestSuite):
    pass


@pytest.mark.parametrize(("task_launcher_cfg", "extra_flags"), [({}, ["-m", LOCAL])])
class TestLocalAsCommand(IntegrationTestSuite):
    pass


@pytest.mark.slow
@pytest.mark.parametrize(("launcher_name", "overrides"), [("battery_lab_ray", [])])
class TestRay(LauncherTestSuite):
    pass


@pytest.mark.slow
@pytest.mark.parametrize(("task_launcher_cfg", "extra_flags"), [({}, ["-m", RAY])])
class TestRayAsCommand(IntegrationTestSuite):
    pass
