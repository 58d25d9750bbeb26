"""A store on this machine is there as a whole, or not at all."""

from __future__ import annotations

import os

import pytest

from battery_lab.tracking.connection import Address, connect


def test_a_store_that_a_kill_left_half_made_is_made_anew(tmp_path, monkeypatch):
    path = tmp_path / "store" / "mlflow.db"
    address = Address(f"sqlite:///{path}", "trials", f"file://{tmp_path}/files")

    def killed(source, target):
        # What a kill amid the migrations leaves: tables that the next ones are told to make.
        with open(source, "r+b") as file:
            file.truncate(os.path.getsize(source) // 2)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            connect(address)
    assert not path.exists()
    client, experiment = connect(address)
    assert client.get_experiment(experiment).name == "trials"
    assert {file.name for file in path.parent.iterdir()} == {"mlflow.db", "mlflow.db.lock"}
