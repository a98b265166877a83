"""Views of publications: names, versions, probes, and what differs between two versions. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from serve_app.cli.render.words import NOTHING, harmless, moment, seconds, short_model
from workflows.diffing import Change

_STYLES: Mapping[str, str] = {"active": "ok", "draining": "degraded", "retired": "quiet"}
_GLYPHS: Mapping[str, str] = {"active": "●", "draining": "◐", "retired": "·"}
_HASH = 8
_MINUTES = slice(None, 16)
_SIGNS: Mapping[str, tuple[str, str]] = {
    "added": ("+", "ok"),
    "removed": ("-", "failed"),
    "changed": ("~", "degraded"),
}
_DEMANDS: Mapping[str, str] = {"answer": "answers", "tool": "calls tools", "json": "answers in a JSON Schema"}
_CONTEXT = 2
"""Lines around a changed line of a long text."""


@dataclass(frozen=True, slots=True)
class Names:
    """Every name, as ``/api/publications`` tells it."""

    told: Sequence[Mapping[str, Any]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = _table("MODEL", "VERSION", "HASH", "SINCE", "BY", "VERSIONS")
        for each in self.told:
            active = next((v for v in each["versions"] if v["number"] == each["active"]), None)
            name = Text(harmless(each["virtual_model"]), style="name")
            if active is None:
                table.add_row(
                    name, Text("none active", style="quiet"), NOTHING, NOTHING, NOTHING, _count(each)
                )
                continue
            since = moment(each["active_since"])[_MINUTES]
            who = harmless(active["who"]) or NOTHING
            table.add_row(name, str(active["number"]), active["hash"][:_HASH], since, who, _count(each))
        yield table


@dataclass(frozen=True, slots=True)
class Versions:
    """One name's versions, newest first, as ``/api/publications/{name}`` tells them."""

    told: Mapping[str, Any]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = _table("VERSION", "STATE", "HASH", "PUBLISHED", "BY", "NOTE")
        for version in self.told["versions"]:
            state = version["state"]
            table.add_row(
                Text(str(version["number"]), style="name"),
                Text(f"{_GLYPHS[state]} {state}", style=_STYLES[state]),
                version["hash"][:_HASH],
                moment(version["at"])[_MINUTES],
                harmless(version["who"]) or NOTHING,
                Text(harmless(version["note"])),
            )
        yield table


@dataclass(frozen=True, slots=True)
class Probes:
    """What the models did when they were asked."""

    told: Sequence[Mapping[str, Any]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = Table.grid(padding=(0, 2, 0, 0))
        for probe in self.told:
            sign = Text("✓", style="ok") if probe["ok"] else Text("✗", style="failed")
            table.add_row(
                sign,
                Text(harmless(probe["alias"]), style="name"),
                harmless(short_model(probe["model"])),
                _DEMANDS[probe["demand"]] if probe["ok"] else harmless(probe["message"]),
                Text(seconds(probe["seconds"]), style="quiet"),
            )
        yield table


@dataclass(frozen=True, slots=True)
class Differences:
    """What changed from one version to another, key by key; long texts line by line."""

    name: str
    before: int
    after: int
    changes: Sequence[Change]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(f"{self.name}: version {self.before} → {self.after}", style="name")
        for change in self.changes:
            sign, style = _SIGNS[change.kind]
            yield Text()
            yield Text(f"{sign} {harmless(change.where)}", style=style)
            yield from _values(change)


def _values(change: Change) -> Iterator[RenderableType]:
    old, new = _lines(change.before), _lines(change.after)
    if change.kind == "changed" and max(len(old), len(new)) > 1:
        lines = list(unified_diff(old, new, lineterm="", n=_CONTEXT))[2:]
    else:
        lines = [f"-{line}" for line in old] * (change.kind != "added")
        lines += [f"+{line}" for line in new] * (change.kind != "removed")
    for line in lines:
        style = {"-": "failed", "+": "ok", "@": "quiet"}.get(line[:1], "")
        yield Text(f"    {harmless(line[:1])} {harmless(line[1:])}", style=style)


def _lines(value: Any) -> list[str]:
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return text.splitlines() or [""]


def _count(told: Mapping[str, Any]) -> str:
    return str(len(told["versions"]))


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="quiet")
    for heading in headings:
        table.add_column(heading, no_wrap=heading != "NOTE", overflow="ellipsis")
    return table
