"""Phrases that the lab's texts avoid; codespell checks single words only."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
# "at each of" before a noun is plain English.
PHRASES = ("go on with", "could go on", "goes on", "at each(?! of)", "in vain", "as it were")
# Words may be on two lines, and the second line may begin with a comment mark.
PATTERN = re.compile(
    r"\b(" + "|".join(phrase.replace(" ", r"\s+(?:#\s+)?") for phrase in PHRASES) + r")\b", re.IGNORECASE
)
FOLDERS = ("battery_lab", "benchmarks", "conf", "docs", "launchers", "tests")
SUFFIXES = {".md", ".py", ".sh", ".toml", ".yaml", ".yml"}


def text_files() -> list[Path]:
    below = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))
    return [path for path in (*ROOT.glob("*"), *below) if path.suffix in SUFFIXES or path.name == "Makefile"]


def phrases_in(text: str) -> list[str]:
    """Return the avoided phrases of a text, each after its line number."""
    return [f"{text.count(chr(10), 0, match.start()) + 1}: {match[0]}" for match in PATTERN.finditer(text)]


def test_phrases_are_found_with_their_line():
    assert phrases_in("one\n# It goes\n# on. At each\nstep, in vain") == ["2: goes\n# on", "3: At each", "4: in vain"]
    assert phrases_in("at each of the points; goes only") == []


def test_texts_avoid_the_phrases():
    files = [path for path in text_files() if path != Path(__file__)]
    assert {path.suffix for path in files} >= {".md", ".py", ".yaml"}
    places = [f"{path.relative_to(ROOT)}:{phrase}" for path in files for phrase in phrases_in(path.read_text())]
    assert places == []
