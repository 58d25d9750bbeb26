"""Data check interface: what an environment offers to show what it makes of files, before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

# The class of an option of the group that reads data files, and the values of its YAML; those that the user must give
# are absent.
Option = tuple[type, Mapping[str, Any]]


class DataCheck(Protocol):
    """What was found in files.

    Attributes:
        overrides: key -> value, the overrides with which a trial reads the files and trains on them.
        problem: why no trial can be trained on them as they are; "" if one can.
        name: a name for the folder of results.
    """

    @property
    def overrides(self) -> Mapping[str, Any]: ...

    @property
    def problem(self) -> str: ...

    @property
    def name(self) -> str: ...

    def facts(self) -> Mapping[str, Any]:
        """Return all that was found, as JSON takes it."""

    def text(self) -> str:
        """Return the same for a terminal."""

    def draw(self, path: Path) -> bool:
        """Draw the data as a PNG picture, if they could be read; return whether it was drawn."""


@runtime_checkable
class DataCheckingEnvironment(Protocol):
    """An environment that can check files with its own parameters."""

    def check_data(
        self, path: str, options: Mapping[str, Option], chosen: str | None, given: Mapping[str, Any]
    ) -> DataCheck:
        """Find what reads the files at a path, read them and describe them.

        Args:
            path: a file, a folder or a glob.
            options: the options of the group that reads data files, by name.
            chosen: the option that the user chose; None finds it.
            given: values of that option that the user chose.

        Raises:
            LabError: the files cannot be read, or nothing recognises them.
        """
