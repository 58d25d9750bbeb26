"""Package check: compares the packages of a job's image with the launcher's."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

from battery_lab.common.errors import DataError

PACKAGES = "packages"  # file in the trial's channel


def check_packages(trial: Path) -> None:
    """Check that the image has the launcher's versions of the lab's dependencies, so that results agree.

    Args:
        trial: the trial's channel.

    Raises:
        DataError: a package is missing or has another version.
    """
    if not (trial / PACKAGES).is_file():
        return
    differences = []
    for package in json.loads((trial / PACKAGES).read_text()):
        name, _, expected = package.partition(" ")
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            installed = "none"
        # The part after a plus names a build for a device, such as torch's.
        if installed.partition("+")[0] != expected.partition("+")[0]:
            differences.append(f"{name} {installed} instead of {expected}")
    if differences:
        raise DataError(
            f"the image has other packages than the launcher ({', '.join(differences[:5])}): build and push it again "
            "with launchers/container/build_and_push.sh"
        )
