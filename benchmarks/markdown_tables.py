"""The benchmark's figures as tables of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Summary = Mapping[str, Any]


def main(found: Mapping[str, Summary]) -> str:
    """One table a group."""
    return "\n".join(f"\n{name}\n\n{group(sides)}" for name, sides in found.items())


def group(sides: Summary) -> str:
    """The sides of one group."""
    heads = ("", "env steps/s", "compiled", "lab x", "lab x, compiled", "of matmul", "compiled", "memory")
    rows = []
    for side, told in sides.items():
        fields = [rate(told, "env_steps_per_second"), rate(told, "env_steps_per_second_steady")]
        fields += [times(told, "lab_ratio"), times(told, "lab_ratio_steady")]
        fields += [share(told, "matmul_share"), share(told, "matmul_share_steady"), memory(told)]
        rows.append([side, *fields])
    return markdown(heads, rows)


def grow(cells: Mapping[str, Summary]) -> str:
    """One row a size."""
    heads = ("", "lab, env steps/s", "compiled", "rllib_vector", "lab x", "memory of the lab", "of rllib_vector")
    rows = []
    for name, sides in cells.items():
        lab, stock = sides.get("lab", {}), sides.get("rllib_vector", {})
        fields = [rate(lab, "env_steps_per_second"), rate(lab, "env_steps_per_second_steady")]
        fields += [rate(stock, "env_steps_per_second"), times(stock, "lab_ratio"), memory(lab), memory(stock)]
        rows.append([name, *fields])
    return markdown(heads, rows)


def rate(told: Summary, field: str) -> str:
    """Median, least and most of a rate; empty where there is none."""
    values = told.get(field)
    return f"{values['median']:,.0f} ({values['min']:,.0f} to {values['max']:,.0f})" if values else ""


def times(told: Summary, field: str) -> str:
    """The same of a ratio."""
    values = told.get(field)
    return f"{values['median']:.2f} ({values['min']:.2f} to {values['max']:.2f})" if values else ""


def share(told: Summary, field: str) -> str:
    """The median of a share."""
    values = told.get(field)
    return f"{values['median']:.0%}" if values else ""


def memory(told: Summary) -> str:
    """What the process held at most, and its children."""
    if "memory_mb" not in told:
        return ""
    return f"{told['memory_mb']['median']:,.0f} + {told['children_memory_mb']['median']:,.0f} MB"


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [heads, ["---", *("---:" for _ in heads[1:])], *rows]
    return "\n".join("|" + "|".join(line) + "|" for line in lines)
