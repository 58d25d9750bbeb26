"""Checkpoint files of a replay buffer: segments that are written once and then hard-linked, with checksums."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from battery_lab.common.errors import DataError
from battery_lab.rllib.replay.ring_buffer import spans

INDEX = "replay.json"
SEGMENT_TRANSITIONS = 65_536
REMEDY = "resume from another checkpoint, or start a new run"

# Arrays by name; the columns of a replay buffer are (rings, rows, environments, ...).
Columns = Mapping[str, NDArray[Any]]
# Entries of the index by file name.
Files = Mapping[str, dict[str, Any]]


class Segment(NamedTuple):
    """Some rows of one column of one ring, stored in one file.

    Attributes:
        name: file name.
        ring: index of the ring.
        column: name of the column.
        rows: rows that the ring still holds, numbered since the ring began.
        final: whether these rows are complete and will not change.
    """

    name: str
    ring: int
    column: str
    rows: range
    final: bool


def write(
    folder: Path,
    previous: Path | None,
    *,
    columns: Columns,
    windows: Sequence[range],
    extra_arrays: Columns,
    state: dict[str, Any],
    known_files: Files,
) -> Files:
    """Write a replay buffer from its arrays; hard-link the segments that an earlier folder holds unchanged.

    Args:
        folder: folder to write to; created if missing.
        previous: an earlier folder of this buffer.
        columns: columns by name.
        windows: rows to store, per ring, numbered since the ring began. Only the last row may change later.
        extra_arrays: further arrays by name, which are always written.
        state: the remaining state, as JSON.
        known_files: return value of the last ``write`` or ``read`` of this buffer.

    Returns:
        The index entries of the segments that will not change.
    """
    folder.mkdir(parents=True, exist_ok=True)
    earlier = _reusable(previous, known_files)
    files: dict[str, dict[str, Any]] = {}
    final: dict[str, dict[str, Any]] = {}
    for segment in _segments(columns, windows):
        name = segment.name
        if previous is not None and name in earlier and _link(previous / name, folder / name, earlier[name]["bytes"]):
            files[name] = final[name] = earlier[name]
            continue
        files[name] = _write_segment(folder / name, segment, columns[segment.column][segment.ring])
        if segment.final:
            final[name] = files[name]
    for column, array in extra_arrays.items():
        files[f"{column}.npy"] = _write(folder / f"{column}.npy", [array])
    contents = {"state": state, "files": files}
    (folder / INDEX).unlink(missing_ok=True)
    (folder / INDEX).write_text(json.dumps({"crc32": _checksum(contents), "contents": contents}, indent=1))
    return final


def read_index(folder: Path) -> tuple[dict[str, Any], Files]:
    """Return the state that ``write`` stored, and the index entries of the files.

    Raises:
        DataError: the index is missing or damaged.
    """
    path = folder / INDEX
    try:
        index = json.loads(path.read_bytes())
        intact = index["crc32"] == _checksum(index["contents"])
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): {REMEDY}") from error
    except (ValueError, LookupError, TypeError) as error:
        raise DataError(f"{path} is damaged ({error}): {REMEDY}") from error
    if not intact:
        raise DataError(f"{path} is damaged (its checksum differs): {REMEDY}")
    return index["contents"]["state"], index["contents"]["files"]


def read(folder: Path, files: Files, *, columns: Columns, windows: Sequence[range]) -> Files:
    """Read all rows of all rings into the arrays of a replay buffer.

    Returns:
        The index entries of the segments that will not change.

    Raises:
        DataError: a file is missing or damaged, or has another shape.
    """
    expected = {segment.name: segment.rows for segment in _segments(columns, windows) if segment.final}
    final: dict[str, dict[str, Any]] = {}
    for name, entry in files.items():
        if "ring" not in entry:
            continue
        array, window = columns[entry["column"]][entry["ring"]], windows[entry["ring"]]
        stored = read_array(folder, files, name, array.shape[1:], array.dtype)
        first = entry["row"]
        # A linked segment may hold rows that the buffer has dropped since.
        rows = range(max(first, window.start), first + len(stored))
        for source, place in spans(rows, len(array)):
            array[place] = stored[rows.start - first :][source]
        # Segments of another length cannot be linked to.
        if expected.get(name) == rows:
            final[name] = entry
    return final


def read_array(folder: Path, files: Files, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a stored array as a memory map after checking it.

    Args:
        folder: folder of the file.
        files: index entries.
        name: file name.
        shape: expected shape of a row.
        dtype: expected type.

    Raises:
        DataError: the file is missing or damaged, or its rows have another shape or type.
    """
    path = folder / name
    try:
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): {REMEDY}") from error
    except (ValueError, EOFError) as error:
        raise DataError(f"{path} is damaged ({error}): {REMEDY}") from error
    if stored.shape[1:] != shape or stored.dtype != dtype:
        stored_rows = f"{stored.shape[1:]} {stored.dtype}"
        raise DataError(f"{path} holds rows of {stored_rows}, but this replay buffer needs {shape} {dtype}: {REMEDY}")
    if zlib.crc32(_bytes(stored)) != files[name]["crc32"]:
        raise DataError(f"{path} is damaged (its checksum differs): {REMEDY}")
    return stored  # type: ignore[no-any-return]


def _segments(columns: Columns, windows: Sequence[range]) -> Iterator[Segment]:
    """Split the columns of all rings into segments."""
    for ring, window in enumerate(windows):
        for column, array in columns.items():
            length = max(1, SEGMENT_TRANSITIONS // array.shape[2])
            for start in range(window.start - window.start % length, window.stop, length):
                rows = range(max(start, window.start), min(start + length, window.stop))
                # The last row of a window may still change, and further rows follow it.
                final = rows.stop < window.stop
                yield Segment(f"ring{ring}-{start:012d}-{column}.npy", ring, column, rows, final)


def _reusable(previous: Path | None, known_files: Files) -> Files:
    """Return the known files that an earlier folder holds unchanged; it may belong to another branch of the run."""
    if previous is None or not (previous / INDEX).is_file():
        return {}
    files = read_index(previous)[1]
    return {name: entry for name, entry in known_files.items() if files.get(name) == entry}


def _link(source: Path, target: Path, size: int) -> bool:
    """Hard-link a file, or copy it if the file system has no links; return False if it is missing or incomplete."""
    target.unlink(missing_ok=True)
    if not source.is_file() or source.stat().st_size != size:
        return False
    try:
        os.link(source, target)
    except OSError:
        with suppress(OSError):
            shutil.copyfile(source, target)
            return True
        target.unlink(missing_ok=True)
        return False
    return True


def _write_segment(path: Path, segment: Segment, array: NDArray[Any]) -> dict[str, Any]:
    """Write the rows of a segment, which may wrap around the ring's array, and return its index entry."""
    parts = [array[place] for _, place in spans(segment.rows, len(array))]
    location = {"ring": segment.ring, "column": segment.column, "row": segment.rows.start}
    return location | _write(path, parts)


def _write(path: Path, parts: Sequence[NDArray[Any]]) -> dict[str, Any]:
    """Write arrays as one ``.npy`` without concatenating them in memory, and return its checksum and size."""
    shape = (sum(map(len, parts)), *parts[0].shape[1:])
    header = {"descr": np.lib.format.dtype_to_descr(parts[0].dtype), "fortran_order": False, "shape": shape}
    checksum = 0
    # An existing file may be linked from earlier folders, so it must be replaced and not overwritten.
    path.unlink(missing_ok=True)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            file.write(_bytes(part))
            checksum = zlib.crc32(_bytes(part), checksum)
    return {"crc32": checksum, "bytes": path.stat().st_size}


def _bytes(array: NDArray[Any]) -> memoryview:
    """Return the bytes of an array, without a copy if it is contiguous."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _checksum(contents: Any) -> int:
    return zlib.crc32(json.dumps(contents).encode())
