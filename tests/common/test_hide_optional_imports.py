"""Hide optional imports: what is left out is not imported, and other libraries are imported in full."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from battery_lab.common.hide_optional_imports import OPTIONAL, without

LEAN = "import sys; from battery_lab.common.hide_optional_imports import import_lean; import_lean(); "


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", LEAN + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_torch_is_imported_in_full():
    code = (
        "import torch, torch._decomp; x = torch.ones(3); "
        "assert torch._decomp.decomposition_table; "
        "assert torch.empty(4, 3, device='meta').mm(torch.empty(3, 2, device='meta')).shape == (4, 2); "
        "print(torch.func.jvp(torch.sin, (x * 0,), (x,))[1].tolist(), "
        "torch.func.hessian(lambda v: (v ** 3).sum())(x).diagonal().tolist())"
    )
    assert run(code) == "[1.0, 1.0, 1.0] [6.0, 6.0, 6.0]"


def test_compiled_code_can_still_multiply_matrices():
    pytest.importorskip("scipy")
    code = "import numba, numpy as np; print(numba.njit(lambda a, b: np.dot(a, b))(np.eye(2) * 2, np.ones(2)).tolist())"
    assert run(code) == "[2.0, 2.0]"


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
