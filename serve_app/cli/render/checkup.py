"""A check-up as a table: what was looked at, what was found, and below it what to do. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from cluster.findings import Finding, State
from serve_app.cli.render.words import GLYPHS, harmless

_STYLES: Mapping[State, str] = {"ok": "ok", "warn": "degraded", "fail": "failed", "off": "skipped"}


@dataclass(frozen=True, slots=True)
class Findings:
    """Findings in their order, and a sum at the end."""

    findings: tuple[Finding, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = Table.grid(padding=(0, 2, 0, 0))
        for each in self.findings:
            style = _STYLES[each.state]
            said = Text(harmless(each.said), style="quiet" if each.state == "off" else "")
            if each.remedy and each.state in {"warn", "fail"}:
                said.append(f"\n{harmless(each.remedy)}", style=style)
            table.add_row(Text(GLYPHS[style], style=style), Text(each.subject, style="name"), said)
        yield table
        yield Text(_sum(self.findings))


def _sum(findings: tuple[Finding, ...]) -> str:
    wrong = sum(each.state == "fail" for each in findings)
    doubtful = sum(each.state == "warn" for each in findings)
    if not wrong and not doubtful:
        return "\nAll is well."
    parts = [f"{wrong} to mend"] * bool(wrong) + [f"{doubtful} to watch"] * bool(doubtful)
    return f"\n{', '.join(parts)}."
