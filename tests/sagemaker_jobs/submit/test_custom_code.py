"""Modules from outside the lab are sent with the jobs whose trials name them."""

from __future__ import annotations

import io
import zipfile

from omegaconf import OmegaConf
from sagemaker_jobs.submit.custom_code import code_archive


def names(archive):
    return zipfile.ZipFile(io.BytesIO(archive)).namelist()


def test_modules_and_packages_outside_the_lab_are_packed(tmp_path, monkeypatch):
    (tmp_path / "my_module.py").write_text(
        "import json, torch\nfrom my_tools import scale\nfrom battery_lab import envs"
    )
    (tmp_path / "my_tools.py").write_text("def scale(:")
    (tmp_path / "my_package").mkdir()
    for file in ("__init__.py", "env.py", "notes.txt"):
        (tmp_path / "my_package" / file).write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_namespace").mkdir()
    (tmp_path / "my_namespace" / "market.py").write_text("")
    parts = {
        "env": {"_target_": "my_module.Env"},
        "market": {"_target_": "my_namespace.market.Prices"},
        "reward": {"terms": {"a": {"_target_": "my_package.env.Term"}}},
    }
    config = OmegaConf.create({**parts, "algo": {"_target_": "battery_lab.algos.ppo.PPO"}, "path": "my_module.py"})
    archive = code_archive(config)
    assert names(archive) == [
        "my_module.py",
        "my_namespace/market.py",
        "my_package/__init__.py",
        "my_package/env.py",
        "my_tools.py",
    ]
    assert code_archive(config) == archive


def test_the_lab_and_installed_packages_are_not_packed():
    targets = ("battery_lab.algos.ppo.PPO", "torch.nn.Linear", "collections.OrderedDict", "missing.module.Class")
    config = OmegaConf.create({f"part{place}": {"_target_": target} for place, target in enumerate(targets)})
    assert code_archive(config) is None
