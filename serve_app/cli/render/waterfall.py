"""Bars on a common time axis, in characters; each is half a cell exact."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text

from serve_app.cli.render.words import seconds

_NARROWEST = 8


@dataclass(frozen=True, slots=True)
class Bar:
    """One step's time within the run's.

    Attributes:
        begin: where it began, as a share of the axis, 0 to 1; so are the other two.
        spoke: when its first token came; what lies before is drawn thin. `begin` when that is not known.
        end: where it ended.
        style: the bar's style.
    """

    begin: float
    spoke: float
    end: float
    style: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.drawn(options.max_width)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(_NARROWEST, options.max_width)

    def drawn(self, width: int) -> Text:
        """The bar in `width` cells; at least half a cell long, so that no step is invisible."""
        begin = min(round(self.begin * width * 2), width * 2 - 1)
        end = max(round(self.end * width * 2), begin + 1)
        spoke = min(max(round(self.spoke * width * 2), begin), end)
        cells = (_cell(2 * cell, begin, spoke, end) for cell in range(width))
        return Text("".join(cells).rstrip(), style=self.style, no_wrap=True)


@dataclass(frozen=True, slots=True)
class Axis:
    """The axis' two ends: zero on the left, `total` seconds on the right."""

    total: float

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        end = seconds(self.total)
        yield Text("0" + end.rjust(options.max_width - 1), no_wrap=True)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(_NARROWEST, options.max_width)


def _cell(half: int, begin: int, spoke: int, end: int) -> str:
    """The character for the two half cells from `half` on: nothing, waiting (thin) or speaking (thick)."""
    left, right = (" " if not begin <= at < end else "─" if at < spoke else "━" for at in (half, half + 1))
    return {
        "  ": " ",
        " ─": "╶",
        "─ ": "╴",
        "──": "─",
        " ━": "╺",
        "━ ": "╸",
        "━━": "━",
        "─━": "╼",
    }[left + right]
