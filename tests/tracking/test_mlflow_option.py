"""MLflow option: its addresses and values; errors show no credentials."""

from __future__ import annotations

from pathlib import Path

import pytest

from battery_lab.common.errors import ConfigError
from tests.tracking.tracked_runs_and_stores import tracker


@pytest.mark.parametrize(
    "uri", ["postgresql://me:secret@127.0.0.1:1/lab?password=secret", "https://host:5000/?token=secret"]
)
def test_unsupported_address_is_refused_without_showing_credentials(uri: str) -> None:
    with pytest.raises(ConfigError, match=r"tracking\.uri must") as refused:
        tracker(Path("outputs"), uri=uri)
    assert "secret" not in str(refused.value)


def test_password_in_a_server_address_is_refused() -> None:
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_PASSWORD") as refused:
        tracker(Path("outputs"), uri="https://me:secret@host:5000")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("uri", "outputs/mlflow.db"),
        ("experiment", " "),
        ("artifacts", ""),
        ("flush_every_s", 0),
        ("finish_within_s", -1),
    ],
)
def test_invalid_option_is_named(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"tracking.{name} must be"):
        tracker(Path("outputs"), **{name: value})
