"""Rings of rows in files: segments that are written once and linked to from then on, and checksums that tell damage."""

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
# Transitions a file.
SEGMENT = 65_536
MEND = "resume from another checkpoint, or start a new run"

# Arrays by name; a memory's columns are (rings, rows, environments, ...) each.
Columns = Mapping[str, NDArray[Any]]
# Entries of the index by the name of a file.
Files = Mapping[str, dict[str, Any]]


class Piece(NamedTuple):
    """One column of one segment of one ring.

    Attributes:
        name: of its file.
        ring: which ring.
        column: which column.
        rows: those that the memory still holds, numbered since the ring began.
        final: whether none of these rows will change, and none is added.
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
    others: Columns,
    state: dict[str, Any],
    known: Files,
) -> Files:
    """Write a memory straight from its arrays; segments that stand unchanged in an earlier folder are linked to.

    Args:
        folder: where to; made if it is missing.
        previous: an earlier folder of this memory.
        columns: by name.
        windows: by ring, the rows to store, numbered since the ring began. The last may be overwritten, the others not.
        others: further arrays by name, which are written each time.
        state: anything else, as JSON has it.
        known: what the last ``write`` or ``read`` of this memory returned.

    Returns:
        The entries of the segments in the folder that will not change.
    """
    folder.mkdir(parents=True, exist_ok=True)
    earlier = _earlier(previous, known)
    files: dict[str, dict[str, Any]] = {}
    final: dict[str, dict[str, Any]] = {}
    for piece in _pieces(columns, windows):
        name = piece.name
        if previous is not None and name in earlier and _link(previous / name, folder / name, earlier[name]["bytes"]):
            files[name] = final[name] = earlier[name]
            continue
        array = columns[piece.column][piece.ring]
        parts = [array[place] for _, place in spans(piece.rows, len(array))]
        where = {"ring": piece.ring, "column": piece.column, "row": piece.rows.start}
        files[name] = where | _write(folder / name, parts)
        if piece.final:
            final[name] = files[name]
    for column, array in others.items():
        files[f"{column}.npy"] = _write(folder / f"{column}.npy", [array])
    contents = {"state": state, "files": files}
    (folder / INDEX).unlink(missing_ok=True)
    (folder / INDEX).write_text(json.dumps({"crc32": _checksum(contents), "contents": contents}, indent=1))
    return final


def read_index(folder: Path) -> tuple[dict[str, Any], Files]:
    """Return the state that ``write`` was given, and the entries of the files.

    Raises:
        DataError: the index is missing or damaged.
    """
    path = folder / INDEX
    try:
        index = json.loads(path.read_bytes())
        sound = index["crc32"] == _checksum(index["contents"])
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): {MEND}") from error
    except (ValueError, LookupError, TypeError) as error:
        raise DataError(f"{path} is damaged ({error}): {MEND}") from error
    if not sound:
        raise DataError(f"{path} is damaged (its checksum is another): {MEND}")
    return index["contents"]["state"], index["contents"]["files"]


def read(folder: Path, files: Files, *, columns: Columns, windows: Sequence[range]) -> Files:
    """Read all rows of all rings into a memory's arrays.

    Returns:
        The entries of the segments in the folder that will not change.

    Raises:
        DataError: a file is missing or damaged, or has another shape.
    """
    pieces = {piece.name: piece.rows for piece in _pieces(columns, windows) if piece.final}
    final: dict[str, dict[str, Any]] = {}
    for name, entry in files.items():
        if "ring" not in entry:
            continue
        array, window = columns[entry["column"]][entry["ring"]], windows[entry["ring"]]
        stored = read_array(folder, files, name, array.shape[1:], array.dtype)
        first = entry["row"]
        # A segment that was linked to keeps rows that the memory has since dropped.
        rows = range(max(first, window.start), first + len(stored))
        for source, place in spans(rows, len(array)):
            array[place] = stored[rows.start - first :][source]
        # It was cut at other rows if the length of segments has changed since.
        if pieces.get(name) == rows:
            final[name] = entry
    return final


def read_array(folder: Path, files: Files, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a stored array of rows of some shape, left on the disk and checked.

    Raises:
        DataError: it is missing or damaged, or has another shape.
    """
    path = folder / name
    try:
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): {MEND}") from error
    except (ValueError, EOFError) as error:
        raise DataError(f"{path} is damaged ({error}): {MEND}") from error
    if stored.shape[1:] != shape or stored.dtype != dtype:
        given = f"{stored.shape[1:]} {stored.dtype}"
        raise DataError(f"{path} holds rows of {given}, and this memory takes {shape} {dtype}: {MEND}")
    if zlib.crc32(_bytes(stored)) != files[name]["crc32"]:
        raise DataError(f"{path} is damaged (its checksum is another): {MEND}")
    return stored  # type: ignore[no-any-return]


def _pieces(columns: Columns, windows: Sequence[range]) -> Iterator[Piece]:
    """Cut the columns of all rings at every so many rows."""
    for ring, window in enumerate(windows):
        for column, array in columns.items():
            length = max(1, SEGMENT // array.shape[2])
            for start in range(window.start - window.start % length, window.stop, length):
                rows = range(max(start, window.start), min(start + length, window.stop))
                # The last row of a window may be overwritten, and others follow it.
                final = rows.stop < window.stop
                yield Piece(f"ring{ring}-{start:012d}-{column}.npy", ring, column, rows, final)


def _earlier(previous: Path | None, known: Files) -> Files:
    """Return those of the known segments that an earlier folder holds alike, and not those of another run's branch."""
    if previous is None or not (previous / INDEX).is_file():
        return {}
    files = read_index(previous)[1]
    return {name: entry for name, entry in known.items() if files.get(name) == entry}


def _link(source: Path, target: Path, size: int) -> bool:
    """Give a file a second name, or copy it where the file system knows none; False if it is not there in full."""
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


def _write(path: Path, parts: Sequence[NDArray[Any]]) -> dict[str, Any]:
    """Write arrays as one ``.npy`` without joining them in memory, and return its checksum and size."""
    shape = (sum(map(len, parts)), *parts[0].shape[1:])
    header = {"descr": np.lib.format.dtype_to_descr(parts[0].dtype), "fortran_order": False, "shape": shape}
    checksum = 0
    # A file of that name may have others, in earlier folders, and must not be written into.
    path.unlink(missing_ok=True)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            file.write(_bytes(part))
            checksum = zlib.crc32(_bytes(part), checksum)
    return {"crc32": checksum, "bytes": path.stat().st_size}


def _bytes(array: NDArray[Any]) -> memoryview:
    """Return the bytes of an array whose rows follow one another, without a copy."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _checksum(contents: Any) -> int:
    return zlib.crc32(json.dumps(contents).encode())
