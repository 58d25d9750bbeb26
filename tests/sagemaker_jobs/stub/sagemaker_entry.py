"""What a job of a test runs in place of the lab: it counts, saves where it is, and leaves what a trial would."""

import json
import os
import signal
import sys
import time
from pathlib import Path

BASE = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
TRIAL = Path(os.environ["SM_CHANNEL_TRIAL"])


def option(name):
    """A value of the trial's own YAML, which is flat."""
    for line in (TRIAL / "trial.yaml").read_text().splitlines():
        key, _, value = line.partition(": ")
        if key == name:
            return value
    return ""


def main():
    """Count to the end, from where an earlier host had come."""
    number = (TRIAL / "number").read_text()
    folder = BASE / "checkpoints" / number
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / "place"
    at = int(place.read_text()) if place.exists() else 0
    with (folder / "begun").open("a") as file:
        file.write(f"{at}\n")
    print(f"goes on from {at}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: stop(place))
    if option("does") == "raise":
        (BASE / "output" / "failure").write_text("ValueError: no such thing")
        return 1
    start = at
    # Slow at first, so that what happens to it happens amid it.
    pace = float(option("pace" if start else "first_pace"))
    for at in range(start + 1, int(option("steps")) + 1):
        time.sleep(pace)
        with (folder / "curves.jsonl").open("a") as file:
            file.write(json.dumps({"env_steps": at, "time": time.time(), "validation/capture": at / 100}) + "\n")
        part = folder / "place.part"
        part.write_text(str(at))
        os.replace(part, place)
        print(f"metrics env_steps={at} validation/capture={at / 100}", flush=True)
    output, model = Path(os.environ["SM_OUTPUT_DATA_DIR"]), Path(os.environ["SM_MODEL_DIR"])
    (model / "policy").write_text("acts")
    figures = {
        "validation/capture": at / 100,
        "train/env_steps": at,
        "begun": len((folder / "begun").read_text().split()),
    }
    (output / "metrics.json").write_text(json.dumps(figures))
    (output / "curves.jsonl").write_bytes((folder / "curves.jsonl").read_bytes())
    return 0


def stop(place):
    """Save where it is, as a trial does that is asked to stop."""
    print(f"stopped at {place.read_text() if place.exists() else 0}", flush=True)
    os._exit(143)


if __name__ == "__main__":
    sys.exit(main())
