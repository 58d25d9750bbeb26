"""A full disk: the message that names the file, and says how to resume."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from battery_lab.cli.error_messages import exit_message
from battery_lab.experiment import checkpoint
from tests.cli.typed_commands import tiny


def test_a_full_disk_is_named_with_the_command_that_resumes(lab, monkeypatch, tmp_path: Path):
    sync, states = os.fsync, []

    def full(handle):
        path = Path(os.readlink(f"/proc/self/fd/{handle}"))
        states.extend([path] if path.name == checkpoint.STATE else [])
        # The second checkpoint finds the disk full.
        if len(states) > 1:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        sync(handle)

    monkeypatch.setattr(os, "fsync", full)
    output = lab(*tiny(tmp_path), "train.checkpoint_every=512")
    (folder,) = (tmp_path / "outputs" / "runs").iterdir()
    assert output.status == 1
    way_on = re.escape(f"resume with: battery-lab resume={folder.relative_to(tmp_path)}")
    assert re.fullmatch(rf"error: no space left for \S+/part-\S+: free some space, then {way_on}\n", output.err)


def test_a_full_disk_is_recognised_through_the_errors_that_it_caused():
    try:
        try:
            raise OSError(errno.EDQUOT, "Disk quota exceeded", "weights")
        except OSError as error:
            raise RuntimeError("could not save") from error
    except RuntimeError as error:
        assert exit_message(error) == ("error: no space left for weights: free some space, then start again", 1)
    assert exit_message(RuntimeError("could not save")) is None
