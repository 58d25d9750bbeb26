"""Stub that replaces the lab in jobs of tests: it counts, saves its position, and leaves the results of a trial."""

import json
import os
import signal
import sys
import time
from pathlib import Path

BASE = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
TRIAL = Path(os.environ["SM_CHANNEL_TRIAL"])


def option(name):
    """Return a value of the trial's YAML, which is flat."""
    for line in (TRIAL / "trial.yaml").read_text().splitlines():
        key, _, value = line.partition(": ")
        if key == name:
            return value
    return ""


def main():
    """Count to the end, from the position that an earlier host saved."""
    number = (TRIAL / "number").read_text()
    folder = BASE / "checkpoints" / number
    folder.mkdir(parents=True, exist_ok=True)
    position = folder / "position"
    at = int(position.read_text()) if position.exists() else 0
    with (folder / "starts").open("a") as file:
        file.write(f"{at}\n")
    print(f"starts from {at}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: stop(position))
    if option("does") == "raise":
        (BASE / "output" / "failure").write_text("ValueError: no such thing")
        return 1
    start = at
    # Slow at first, so that tests have time to interrupt it.
    pace = float(option("pace" if start else "first_pace"))
    for at in range(start + 1, int(option("steps")) + 1):
        time.sleep(pace)
        with (folder / "curves.jsonl").open("a") as file:
            file.write(json.dumps({"env_steps": at, "time": time.time(), "validation/capture": at / 100}) + "\n")
        part = folder / "position.part"
        part.write_text(str(at))
        os.replace(part, position)
        print(f"metrics env_steps={at} validation/capture={at / 100}", flush=True)
    output, model = Path(os.environ["SM_OUTPUT_DATA_DIR"]), Path(os.environ["SM_MODEL_DIR"])
    (model / "policy").write_text("acts")
    figures = {
        "validation/capture": at / 100,
        "train/env_steps": at,
        "starts": len((folder / "starts").read_text().split()),
    }
    (output / "metrics.json").write_text(json.dumps(figures))
    (output / "curves.jsonl").write_bytes((folder / "curves.jsonl").read_bytes())
    return 0


def stop(position):
    """End like a trial whose stop is requested."""
    print(f"stopped at {position.read_text() if position.exists() else 0}", flush=True)
    os._exit(143)


if __name__ == "__main__":
    sys.exit(main())
