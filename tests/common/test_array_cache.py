"""Array cache: a damaged file is computed again and replaced."""

from __future__ import annotations

import numpy as np
import pytest

from battery_lab.common.array_cache import cached_array


def _archive(path):
    with path.open("wb") as out:
        np.savez(out, a=np.zeros(3))


@pytest.mark.parametrize(
    "damage",
    [
        _archive,
        lambda path: path.write_bytes(b"PK\x03\x04 and nothing that belongs to an archive"),
        lambda path: path.write_bytes(b""),
        lambda path: np.save(path, np.zeros(4)),
        lambda path: np.save(path, np.zeros(3, np.complex128)),
        lambda path: np.save(path, np.array(["a", "b", "c"])),
    ],
    ids=["archive", "garbage", "empty", "shape", "complex", "text"],
)
def test_a_damaged_array_is_computed_and_replaced(tmp_path, damage):
    file = tmp_path / "hindsight" / "a.npy"
    cached_array(file, (3,), lambda: np.arange(3.0))
    damage(file)
    for make in (lambda: np.arange(3.0), lambda: pytest.fail("computed again")):
        np.testing.assert_array_equal(cached_array(file, (3,), make), np.arange(3.0))
