"""Output archive: unpacks the archive of a job's results, within limits and only below its folder."""

from __future__ import annotations

import tarfile
from pathlib import Path

from battery_lab.common.errors import DataError
from battery_lab.common.run_folder import RunFolder

MAX_BYTES, MAX_FILES = 4 << 30, 10_000


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack the output of a job, never outside of the folder.

    Returns:
        The folder of the run.

    Raises:
        DataError: the archive is damaged or too large.
    """
    folder.mkdir(parents=True)
    size = count = 0
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                size, count = size + member.size, count + 1
                if size > MAX_BYTES or count > MAX_FILES:
                    raise DataError(f"{archive.name} holds more than {MAX_BYTES >> 30} GiB or {MAX_FILES} files")
                if not (member.isfile() or member.isdir()):
                    continue
                tar.extract(member, folder, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DataError(f"{archive.name} cannot be unpacked: {error}") from None
    # The SDK's local mode packs the parent folder.
    return folder / "data" if (folder / "data" / RunFolder.METRICS).is_file() else folder
