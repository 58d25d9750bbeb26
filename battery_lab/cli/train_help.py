"""Help of `battery-lab train`: the text that Hydra shows, without Hydra, which needs seconds to list the groups."""

from __future__ import annotations

from string import Template

import yaml

from battery_lab.config.conf_folder import conf_dir


def train_help() -> str:
    """Return the help of conf/config.yaml with all groups of conf/ and their options."""
    conf = conf_dir()
    template = yaml.safe_load((conf / "config.yaml").read_text())["hydra"]["help"]["template"]
    options: dict[str, list[str]] = {}
    for path in sorted(conf.glob("*/**/*.yaml")):
        options.setdefault(path.parent.relative_to(conf).as_posix(), []).append(path.stem)
    groups = "".join(f"{group}: {', '.join(names)}\n" for group, names in sorted(options.items()))
    return Template(template).substitute(APP_CONFIG_GROUPS=groups)
