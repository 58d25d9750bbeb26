"""Data files of a trial: found by the paths in its configuration, on this machine or in S3."""

from __future__ import annotations

from glob import glob
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from battery_lab.common.errors import ConfigError
from battery_lab.config.environment_class_attributes import data_keys
from sagemaker_jobs.aws.s3_layout import split_uri


def data_paths(config: DictConfig) -> dict[str, str]:
    """Return the paths or URIs of a trial's data, by the configuration keys that its environment declares."""
    return {key: channel_path(key, str(OmegaConf.select(config, key))) for key in data_keys(config)}


def channel_path(key: str, path: str) -> str:
    """Return a data path for a channel.

    Args:
        key: the configuration key that names the path.
        path: the path on this machine or in S3.

    Raises:
        ConfigError: the path is a pattern in S3.
    """
    if not path.startswith("s3://"):
        return path
    name = split_uri(path)[1]
    if any(sign in name for sign in "*?["):
        raise ConfigError(f"{key}={path} must be an object or a folder in S3, as channels take no patterns")
    # A channel takes all keys with a prefix: without the slash it would take folders with longer names, too.
    return path if Path(name).suffix or path.endswith("/") else f"{path}/"


def data_files(key: str, path: str) -> list[Path]:
    """Return the file, the folder or the files of a pattern that a local path names.

    Raises:
        ConfigError: there are none, or they are in several folders.
    """
    expanded = Path(path).expanduser()
    files = [expanded] if expanded.exists() else sorted(Path(name) for name in glob(str(expanded), recursive=True))
    if not files:
        raise ConfigError(
            f"{key}={path} must be a file, a folder or a pattern on this machine, or s3://, but nothing is there"
        )
    if len({file.parent for file in files}) > 1:
        raise ConfigError(
            f"{key}={path} must match files of one folder, to be uploaded, but matches several: name the folder"
        )
    return files
