"""Hydra errors: the texts of the installed Hydra are recognised."""

from __future__ import annotations

import shlex
from importlib.metadata import version

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from battery_lab.config.hydra_error_messages import HYDRA, override_error, quoted_override


def test_hydra_has_the_version_whose_texts_are_read():
    installed = ".".join(version("hydra-core").split(".")[:2])
    assert installed == HYDRA, (
        f"hydra-core {installed} is installed, and config/hydra_error_messages.py reads the texts of {HYDRA}: "
        "run the tests of this file, adapt the texts that changed, then set HYDRA"
    )


@pytest.fixture
def conf(tmp_path):
    """A small application of Hydra with one group."""
    (tmp_path / "shape").mkdir()
    (tmp_path / "shape" / "disc.yaml").write_text("radius: 1\n")
    (tmp_path / "config.yaml").write_text("defaults:\n  - shape: disc\n  - _self_\nsize: 2\n")
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        yield {"shape": {"radius": 1}, "size": 2}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sizee=3", "sizee is not an option: there are .*; did you mean size?"),
        ("shape.radiuss=3", "shape.radiuss is not an option: shape has radius; did you mean shape.radius?"),
        ("shape.size=3", "shape.size is not an option: shape has radius; it exists with shape=other"),
        ("+size=3", "size exists already: write size=... without the +"),
        ("~sizee", "~sizee: sizee is not an option: .*; did you mean size?"),
        ("shape=disk", "shape=disk is not an option: shape can be disc; did you mean shape=disc?"),
        ("shape=x", "shape=x is not an option: shape can be disc; to add your own, write <folder>/shape/x.yaml .*"),
        ("size", "'size' cannot be read: write key=value, .*"),
        ("size=1,2", "size=1,2 has several values: add --multirun to run one trial per value; a list is .*"),
        ("size=range(0,3)", "size=range(0,3) has several values: add --multirun to run one trial per value"),
    ],
)
def test_each_text_of_hydra_becomes_a_message_that_names_what_was_meant(conf, override, message):
    from tests.cli.typed_commands import like

    with pytest.raises(HydraException) as caught:
        compose("config", overrides=[override])
    error = override_error(caught.value, conf, lambda key: ["shape=other"] if key == "shape.size" else [])
    assert like(message, str(error)), error


@pytest.mark.parametrize(
    "path",
    [
        *("a[1]/x.csv", "a=b.csv", "a#b.csv", "a,b.csv", "a b.csv", "a(b).csv", "a{b}.csv", "my [x] #1, a=b/*.csv"),
        *("a'b.csv", 'a"b.csv', "a$b.csv", "c:\\x\\", "it\\'s", "a`b`!"),
    ],
)
def test_a_path_with_special_characters_is_shown_as_the_shell_and_hydra_take_it(conf, path):
    (argument,) = shlex.split(quoted_override(f"market.path={path}"))
    (override,) = OverridesParser.create().parse_overrides([argument])
    assert (override.key_or_group, override.value()) == ("market.path", path)


def test_the_message_shows_the_quotes(conf):
    with pytest.raises(HydraException) as caught:
        compose("config", overrides=["size=a[1] #2.csv"])
    assert "Hydra would split: \"size='a[1] #2.csv'\" (" in str(override_error(caught.value, conf, lambda key: []))
