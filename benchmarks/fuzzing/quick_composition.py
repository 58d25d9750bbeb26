"""Quick composition: Hydra reads and joins the YAML of a choice of options once, and applies values every time.

A composition takes a third of a second, nearly all of which depends on the chosen options alone. Thousands of commands
make few choices.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hydra._internal import config_loader_impl
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository
from hydra.core.override_parser.types import Override

_create_defaults_list = config_loader_impl.create_defaults_list
_join = ConfigLoaderImpl._compose_config_from_defaults_list
_load_config = ConfigRepository.load_config
_loaded: dict[tuple[Any, ...], bytes] = {}
_lists: dict[tuple[Any, ...], bytes] = {}
# Pickled, as unpickling is four times as fast as a deep copy.
_joined: dict[tuple[Any, ...], bytes] = {}


@contextmanager
def quick_composition() -> Iterator[None]:
    """Within this context, equal choices of options are read and joined once in this process."""
    patched: Any = config_loader_impl
    loader: Any = ConfigLoaderImpl
    before = loader._compose_config_from_defaults_list
    patched.create_defaults_list, loader._compose_config_from_defaults_list = _quick_defaults_list, _quick_join
    repository: Any = ConfigRepository
    repository.load_config = _quick_load
    try:
        yield
    finally:
        patched.create_defaults_list, loader._compose_config_from_defaults_list = _create_defaults_list, before
        repository.load_config = _load_config


def _quick_load(repository: ConfigRepository, config_path: str) -> Any:
    key = (*_places(repository), "|", config_path)
    if key not in _loaded:
        _loaded[key] = pickle.dumps(_load_config(repository, config_path))
    return pickle.loads(_loaded[key])


def _places(repo: Any) -> tuple[str, ...]:
    return tuple(f"{source.provider}:{source.path}" for source in repo.get_sources())


def _chooses(repo: Any, override: Override) -> bool:
    """Return whether an override chooses an option, as Hydra decides it."""
    return repo.group_exists(override.key_or_group) and not isinstance(override.value(), dict)


def _quick_defaults_list(
    repo: Any, config_name: str | None, overrides_list: list[Override], prepend_hydra: bool, skip_missing: bool = False
) -> Any:
    # Hydra leaves sweeps to the sweeper.
    single = [override for override in overrides_list if not override.is_sweep_override()]
    choices = [override for override in single if _chooses(repo, override)]
    lines = tuple(str(override.input_line) for override in choices)
    key = (*_places(repo), "|", config_name, prepend_hydra, skip_missing, *lines)
    if key not in _lists:
        created = _create_defaults_list(repo, config_name, choices, prepend_hydra, skip_missing)
        _lists[key] = pickle.dumps(created)
    found = pickle.loads(_lists[key])
    found.config_overrides = [override for override in single if not _chooses(repo, override)]
    return found


def _quick_join(loader: Any, defaults: Any, repo: Any) -> Any:
    key = (*_places(repo), "|", *(f"{default.config_path}@{default.package}@{default.is_self}" for default in defaults))
    if key not in _joined:
        _joined[key] = pickle.dumps(_join(loader, defaults, repo))
    return pickle.loads(_joined[key])
