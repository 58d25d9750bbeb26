"""Public addresses: without user, password and query, also as parameters."""

from __future__ import annotations

import pytest

from battery_lab.tracking.mlflow_params import flat_params
from battery_lab.tracking.public_address import public


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("sqlite:////data/outputs/mlflow.db", "sqlite:////data/outputs/mlflow.db"),
        ("sqlite:///outputs/a@b.db", "sqlite:///outputs/a@b.db"),
        ("postgresql://me:secret@host:5432/lab?sslmode=require", "postgresql://host:5432/lab"),
        ("https://me:se@cret@host/path", "https://host/path"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
    ],
)
def test_public_address_has_no_user_password_or_query(uri: str, shown: str) -> None:
    assert public(uri) == shown
    assert flat_params({"tracking": {"uri": uri}}) == {"tracking.uri": shown}
