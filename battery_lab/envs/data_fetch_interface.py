"""Data fetch interface: what an environment offers to download the files that its data are read from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from battery_lab.envs.data_check_interface import Option

Progress = Callable[[int, int, str], None]  # files done, files in all, a line about the last one


class NextStep(NamedTuple):
    """A command of the lab that uses downloaded files.

    Attributes:
        title: what it is for.
        arguments: the subcommand and its arguments that are no overrides.
        overrides: key -> value.
    """

    title: str
    arguments: Sequence[str]
    overrides: Mapping[str, Any]


class DataFetch(Protocol):
    """What a download has brought."""

    @property
    def problem(self) -> str:
        """What is missing, and why; "" if nothing is."""

    @property
    def next_steps(self) -> Sequence[NextStep]:
        """Commands that use the files, in their order; none if there are no files."""

    def text(self) -> str:
        """Return what was downloaded, for a terminal."""


@runtime_checkable
class DataFetchingEnvironment(Protocol):
    """An environment that can download files.

    Attributes:
        fetch_arguments: the names of the arguments, the first of which comes first in a command.
    """

    @property
    def fetch_arguments(self) -> Sequence[str]: ...

    def fetch_data(self, chosen: Mapping[str, str], options: Mapping[str, Option], progress: Progress) -> DataFetch:
        """Download what a folder lacks.

        Args:
            chosen: the arguments by name.
            options: the options of the group that reads data files, by name.
            progress: called after each file.

        Raises:
            LabError: an argument is wrong, or nothing can be downloaded.
        """
