"""Stored sweep command: what a sweep's folder keeps of the command that started it."""

from __future__ import annotations

import json
import os
import re

import pytest

from battery_lab.common.errors import ConfigError, DataError
from battery_lab.common.run_folder import SWEEP_COMMAND
from battery_lab.config.stored_sweep_command import load_command, store_command

SWEEP = ["algo=ppo,dqn", "seed=range(0,5)"]


def test_a_folder_keeps_its_command(tmp_path):
    store_command(tmp_path, SWEEP)
    assert load_command(tmp_path) == (SWEEP, os.getcwd())
    assert [path.name for path in tmp_path.iterdir()] == [SWEEP_COMMAND]


def test_a_folder_without_a_sweep_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=re.escape(f"sweep.resume={tmp_path} must name the folder of a sweep")):
        load_command(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"arguments": "x"}', '{"arguments": [1]}', "\xff"])
def test_a_damaged_command_is_reported(tmp_path, text):
    (tmp_path / SWEEP_COMMAND).write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match="is damaged .*run the sweep's own command again"):
        load_command(tmp_path)


def test_what_is_stored_is_json_for_others_to_read(tmp_path):
    store_command(tmp_path, SWEEP)
    assert json.loads((tmp_path / SWEEP_COMMAND).read_text()) == {"arguments": SWEEP, "directory": os.getcwd()}
