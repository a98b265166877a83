"""Tables of runs and of templates. Pure: values in, a rich table out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from serve_app.cli.render.words import NOTHING, harmless, moment, money, seconds, state, tokens
from workflows.messages import Usage
from workflows.replay import RunSummary

_ID_LENGTH = 20
"""Enough of an id to name the run: ``run_``, the milliseconds and twelve random bits."""
_ROOMY = 110


@dataclass(frozen=True, slots=True)
class Runs:
    """A list of runs in the order given; a wide screen also shows panel, cost and the whole date."""

    summaries: tuple[RunSummary, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        narrow = ["RUN", "STARTED", "MODEL", "STATUS", "TIME", "TOKENS"]
        roomy = options.max_width >= _ROOMY
        headings = [*narrow, "PANEL", "COST"] if roomy else narrow
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="quiet")
        for heading in headings:
            table.add_column(heading, no_wrap=True, overflow="ellipsis")
        for run in self.summaries:
            when = moment(run.started_at)
            table.add_row(*islice(_cells(run, when if roomy else when[5:16]), len(headings)))
        yield table


def _cells(run: RunSummary, when: str) -> Iterator[Text]:
    yield Text(run.run_id[:_ID_LENGTH], style="name")
    yield Text(when)
    yield Text(harmless(run.virtual_model))
    yield state(run.status)
    yield Text(seconds(run.seconds))
    yield Text(tokens(Usage(run.input_tokens, run.output_tokens)))
    yield Text(run.panel or NOTHING)
    yield Text(money(run.cost_usd))


def described(rows: Iterable[tuple[str, str]]) -> Table:
    """Names with what they are, for example templates."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for name, description in rows:
        table.add_row(Text(name, style="name"), Text(harmless(description)))
    return table
