"""Lean imports: what is left out is not imported, and torch has all of it where it is needed."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from importlib.metadata import version

import pytest

from battery_lab.common.lean_imports import OPTIONAL, TORCH_VERSION, without

LEAN = "import sys; from battery_lab.common.lean_imports import import_lean; import_lean(); "
NETWORK = "import torch; m = torch.nn.Linear(3, 2); x = torch.ones(4, 3); "


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", LEAN + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_shortcuts_are_for_this_version_of_torch():
    assert version("torch").startswith(TORCH_VERSION), "compare its imports with lean_imports"


def test_gradients_need_no_rules_of_shapes():
    code = "m(x).sum().backward(); print(m.weight.grad.sum().item(), 'torch._refs' in sys.modules)"
    assert run(NETWORK + code) == "24.0 False"


def test_torchs_exporter_has_the_rules_of_shapes():
    check = "print('torch._refs' in sys.modules, hasattr(sys.modules['torch._meta_registrations'], 'activate_meta'))"
    code = "exported = torch.export.export(m, (x,)); assert torch.equal(exported.module()(x), m(x)); "
    assert run(NETWORK + code + check) == "True True"


@pytest.mark.parametrize("module", OPTIONAL)
def test_a_module_works_without_its_optional_ones(module):
    hidden = OPTIONAL[module]
    code = f"import {module}; print(any(name in sys.modules for name in {hidden!r}))"
    assert run(code) == "False"


def test_hidden_modules_can_be_imported_afterwards_and_imported_ones_stay():
    sys.modules.pop("colorsys", None)
    with without("colorsys", "json"):
        with pytest.raises(ModuleNotFoundError):
            import_module("colorsys")
        assert import_module("json").loads("1") == 1
    assert "colorsys" not in sys.modules
    assert import_module("colorsys").rgb_to_hsv(1, 1, 1) == (0, 0, 1)
