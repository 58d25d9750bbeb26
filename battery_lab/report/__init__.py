"""Report of a finished run: a table in the terminal and one page that opens offline."""

from __future__ import annotations

from battery_lab.envs.interfaces import Panel
from battery_lab.report.page import write_report
from battery_lab.report.policy_table import render_table

__all__ = ["Panel", "render_table", "write_report"]
