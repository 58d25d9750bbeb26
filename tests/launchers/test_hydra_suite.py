"""Hydra's own test suite for launcher plugins."""

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

from tests.launchers.stub_hydra_app import LOCAL, RAY


@pytest.fixture(autouse=True)
def no_version_base():
    """Reset Hydra's version base: the suite's applications set none, but an earlier test may have."""
    version = VersionBase.instance()
    before, version.version_base = version.version_base, __compat_version__
    yield
    version.version_base = before


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Launcher, "LocalLauncher"),
        (Launcher, "RayLauncher"),
        (Launcher, "SageMakerLauncher"),
        (Sweeper, "ZipSweeper"),
        (Sweeper, "TuneSweeper"),
    ],
)
def test_hydra_discovers_the_plugins(kind, name):
    assert name in [plugin.__name__ for plugin in Plugins.instance().discover(kind)]


@pytest.mark.walk
@pytest.mark.parametrize(("launcher_name", "overrides"), [("battery_lab_local", list(LOCAL[1:]))])
class TestLocal(LauncherTestSuite):
    pass


@pytest.mark.walk
@pytest.mark.parametrize(
    ("launcher_name", "overrides"), [("battery_lab_local", [*LOCAL[1:], "hydra.sweeper.max_batch_size=2"])]
)
class TestLocalInBatches(BatchedSweeperTestSuite):
    pass


@pytest.mark.walk
@pytest.mark.parametrize(("task_launcher_cfg", "extra_flags"), [({}, ["-m", *LOCAL])])
class TestLocalAsCommand(IntegrationTestSuite):
    pass


@pytest.mark.slow
@pytest.mark.parametrize(("launcher_name", "overrides"), [("battery_lab_ray", list(RAY[1:]))])
class TestRay(LauncherTestSuite):
    pass


@pytest.mark.slow
@pytest.mark.parametrize(("task_launcher_cfg", "extra_flags"), [({}, ["-m", *RAY])])
class TestRayAsCommand(IntegrationTestSuite):
    pass
