"""Figures as a Markdown page: a table of those with goals, a table of the others, each between marks.

A page that is there keeps what stands around the marks, and the rows of figures that were not measured this time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path

from tests.bench.figures import GOALS, Figure, shown_value
from tests.bench.machine import Calm, described

_BLOCK = "<!-- {0} -->\n{1}\n<!-- /{0} -->"
_ROW = re.compile(r"^\| `(?P<name>\w+)` \|.*$", re.MULTILINE)
_CPU = re.compile(r"\| `fusion_cpu_ms(?P<part>_\w+)?` \| (?P<ms>[\d.]+) ms CPU")
_HEADS = {
    "goals": "| figure | value | goal | | spread | against | machine | measured |\n|---|--:|--:|---|--:|---|---|---|",
    "figures": "| figure | value | spread | against | machine | measured |\n|---|--:|--:|---|---|---|",
}


def write(page: Path, figures: Iterable[tuple[Figure, Calm]]) -> None:
    """Put the figures into a page, which is made when it is missing."""
    page.write_text(merged(page.read_text("utf-8") if page.exists() else "", figures), "utf-8")


def merged(page: str, figures: Iterable[tuple[Figure, Calm]]) -> str:
    """The page with these figures, each with how calm the machine was."""
    rows = {found["name"]: found[0] for found in _ROW.finditer(page)}
    rows.update((figure.name, _row(figure, calm)) for figure, calm in figures)
    others = sorted(rows.keys() - GOALS.keys(), key=_natural)
    page = _put(page, "machine", f"Measured on {described()}.")
    page = _put(page, "bears", _bears(rows))
    page = _put(page, "goals", _table("goals", rows, (name for name in GOALS if name in rows)))
    return _put(page, "figures", _table("figures", rows, others))


def _table(kind: str, rows: Mapping[str, str], names: Iterable[str]) -> str:
    return "\n".join([_HEADS[kind], *(rows[name] for name in names)])


def _bears(rows: Mapping[str, str]) -> str:
    """What one core of each part bears, told from its CPU for a run."""
    lines = ["| part | CPU of a run, ms | runs a second on one core |", "|---|--:|--:|"]
    for name in sorted(rows, key=_natural):
        used = _CPU.match(rows[name])
        if used and float(used["ms"]) > 0:
            part = used["part"] or "all together"
            lines.append(f"| {part.strip('_')} | {used['ms']} | {1000 / float(used['ms']):.0f} |")
    return "\n".join(lines)


def _put(page: str, kind: str, content: str) -> str:
    """The content between its marks; at the end, when the page has none."""
    block = _BLOCK.format(kind, content)
    marked = re.compile(rf"<!-- {kind} -->.*?<!-- /{kind} -->", re.DOTALL)
    return marked.sub(lambda _: block, page) if marked.search(page) else f"{page}\n{block}\n".lstrip("\n")


def _row(figure: Figure, calm: Calm) -> str:
    spread = f"±{figure.spread:.0%}" if figure.spread is not None else ""
    verdict = {None: (), True: (str(figure.goal), "met"), False: (str(figure.goal), "**missed**")}[figure.met]
    told = (f"`{figure.name}`", f"{shown_value(figure)} {figure.unit}", *verdict, spread, figure.baseline)
    return " | ".join(("", *told, str(calm), date.today().isoformat(), "")).strip().replace("|  |", "| |")  # noqa: DTZ011  # the reader's day


def _natural(name: str) -> list[tuple[int, str]]:
    """`c4` before `c16`."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]
