"""Markdown tables of the benchmark's figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Summary = Mapping[str, Any]


def main_tables(summaries: Mapping[str, Summary]) -> str:
    """Return one table per group."""
    return "\n".join(f"\n{name}\n\n{group_table(implementations)}" for name, implementations in summaries.items())


def group_table(implementations: Summary) -> str:
    """Return a table with one row per implementation of a group."""
    header = ("", "env steps/s", "compiled", "lab x", "lab x, compiled", "of matmul", "compiled", "memory")
    rows = []
    for name, summary in implementations.items():
        cells = [rate_cell(summary, "env_steps_per_second"), rate_cell(summary, "env_steps_per_second_steady")]
        cells += [ratio_cell(summary, "lab_ratio"), ratio_cell(summary, "lab_ratio_steady")]
        cells += [share_cell(summary, "matmul_share"), share_cell(summary, "matmul_share_steady"), memory_cell(summary)]
        rows.append([name, *cells])
    return markdown(header, rows)


def scaling_table(summaries: Mapping[str, Summary]) -> str:
    """Return a table with one row per workload size."""
    header = ("", "lab, env steps/s", "compiled", "rllib_vector", "lab x", "memory of the lab", "of rllib_vector")
    rows = []
    for name, implementations in summaries.items():
        lab, stock = implementations.get("lab", {}), implementations.get("rllib_vector", {})
        cells = [rate_cell(lab, "env_steps_per_second"), rate_cell(lab, "env_steps_per_second_steady")]
        cells += [rate_cell(stock, "env_steps_per_second"), ratio_cell(stock, "lab_ratio")]
        rows.append([name, *cells, memory_cell(lab), memory_cell(stock)])
    return markdown(header, rows)


def rate_cell(summary: Summary, field: str) -> str:
    """Return median, minimum and maximum of a rate; empty if it was not measured."""
    values = summary.get(field)
    return f"{values['median']:,.0f} ({values['min']:,.0f} to {values['max']:,.0f})" if values else ""


def ratio_cell(summary: Summary, field: str) -> str:
    """Return median, minimum and maximum of a ratio; empty if it was not measured."""
    values = summary.get(field)
    return f"{values['median']:.2f} ({values['min']:.2f} to {values['max']:.2f})" if values else ""


def share_cell(summary: Summary, field: str) -> str:
    """Return the median of a share; empty if it was not measured."""
    values = summary.get(field)
    return f"{values['median']:.0%}" if values else ""


def memory_cell(summary: Summary) -> str:
    """Return the peak memory of the process and of its children; empty if it was not measured."""
    if "memory_mb" not in summary:
        return ""
    return f"{summary['memory_mb']['median']:,.0f} + {summary['children_memory_mb']['median']:,.0f} MB"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; all columns but the first are right-aligned."""
    lines = [header, ["---", *("---:" for _ in header[1:])], *rows]
    return "\n".join("|" + "|".join(line) + "|" for line in lines)
