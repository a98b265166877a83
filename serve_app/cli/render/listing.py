"""Tables of runs and of templates. Pure: values in, a rich table out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from serve_app.cli.render.words import NOTHING, harmless, moment, money, seconds, state, tokens
from workflows.messages import Usage
from workflows.replay import RunSummary

_ID_LENGTH = 20
"""Enough of an id to name the run: ``run_``, the milliseconds and twelve random bits."""
_SHORT = ("RUN", "STARTED", "MODEL", "STATUS", "TIME", "TOKENS")
_WITH_PANEL = ("RUN", "STARTED", "MODEL", "STATUS", "PANEL", "TIME", "TOKENS")
_DATE, _MINUTES = slice(None), slice(5, 16)
_LAYOUTS = (
    ((*_WITH_PANEL, "COST"), _DATE),
    (_WITH_PANEL, _MINUTES),
    (_SHORT, _MINUTES),
)
"""What is shown, and how much of the date; the first that fits is taken."""

_ANY = 1_000
_PANEL: Mapping[str, str] = {"ran": "ok", "degraded": "degraded", "failed": "failed"}


@dataclass(frozen=True, slots=True)
class Runs:
    """A list of runs in the order given, with as much of each as the screen has room for."""

    summaries: tuple[RunSummary, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        tables = [self._table(*layout) for layout in _LAYOUTS]
        fitting = (
            table
            for table in tables
            if Measurement.get(console, options.update(max_width=_ANY), table).maximum <= options.max_width
        )
        yield next(fitting, tables[-1])

    def _table(self, headings: Sequence[str], day: slice) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="quiet")
        for heading in headings:
            table.add_column(heading, no_wrap=True, overflow="ellipsis")
        for run in self.summaries:
            cells = _cells(run, moment(run.started_at)[day])
            table.add_row(*(cells[heading] for heading in headings))
        return table


def _cells(run: RunSummary, when: str) -> dict[str, Text]:
    """Everything that can be said of a run, by heading."""
    return {
        "RUN": Text(run.run_id[:_ID_LENGTH], style="name"),
        "STARTED": Text(when),
        "MODEL": Text(harmless(run.virtual_model)),
        "STATUS": state(run.status),
        "PANEL": Text(run.panel or NOTHING, style=_PANEL.get(run.panel or "", "quiet")),
        "TIME": Text(seconds(run.seconds)),
        "TOKENS": Text(tokens(Usage(run.input_tokens, run.output_tokens))),
        "COST": Text(money(run.cost_usd)),
    }


def described(rows: Iterable[tuple[str, str]]) -> Table:
    """Names with what they are, for example templates."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for name, description in rows:
        table.add_row(Text(name, style="name"), Text(harmless(description)))
    return table
