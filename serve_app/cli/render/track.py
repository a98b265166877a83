"""The Track: what was executed in a run, as a tree beside a waterfall.

    STEP                  MODEL            0                    8.4 s     TIME   TOKENS
    ✓ main                smollm2-135m     ━━━━━━━━━━━━━━━━━━━━━━━━━━    8.4 s  901→231
    └─ ✓ problem_review                    ━━━━━━━━━━━━━━━━━━            5.9 s  640→180
       ├─ ✓ broad         smollm2-135m     ─━━━━━━━━                     2.9 s   160→48
       └─ ✓ synthesis     smollm2-135m              ─━━━━━━━━            3.0 s   220→60
    └─ ✓ answer           smollm2-135m                       ─━━━━━━━    2.5 s   261→51

A bar's thin part is the wait for the first token. Attempts that failed or lost a race stand below their branch.
Underneath: what was decided for each panel and why, what its branches contributed, and the errors.
Pure: a `RunView` in, a rich renderable out; it fits itself to the width that it is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from serve_app.cli.render.contribution import contributions
from serve_app.cli.render.decisions import decided
from serve_app.cli.render.waterfall import Axis, Bar
from serve_app.cli.render.words import (
    GLYPHS,
    harmless,
    moment,
    money,
    remark,
    seconds,
    short_model,
    state,
    stopped_because,
    title,
    tokens,
    without,
)
from serve_app.trace_links import trace_url
from workflows.replay import CONTAINERS, RunView, StepNode, StepView

_ROOMY = 110
"""From this width on model names are written out and each step's cost has a column."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the tree: the step, and the branches that are drawn before it."""

    guide: str
    step: StepView


@dataclass(frozen=True, slots=True)
class Track:
    """A run's Track.

    Attributes:
        view: the run.
        now: Unix time in seconds, where the bars of steps under way end.
        jaeger_url: of Jaeger's page; empty: the trace is named by its id.

    """

    view: RunView
    now: float
    jaeger_url: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Group(
            headline(self.view, self.jaeger_url),
            Text(),
            self._table(roomy=options.max_width >= _ROOMY),
            *self._below(),
        )

    def _table(self, *, roomy: bool) -> RenderableType:
        rows = tuple(tree_rows(self.view.tree()))
        if not rows:
            return Text("No step has begun.", style="quiet")
        end = self._end()
        table = Table(box=None, expand=True, padding=(0, 1, 0, 0), pad_edge=False, header_style="quiet")
        table.add_column("STEP", no_wrap=True, overflow="ellipsis", max_width=44 if roomy else 26)
        table.add_column("MODEL", no_wrap=True, overflow="ellipsis", max_width=34 if roomy else 21)
        table.add_column(Axis(end - self.view.started_at), ratio=1, min_width=12)
        table.add_column("TIME", justify="right", no_wrap=True)
        table.add_column("TOKENS", justify="right", no_wrap=True)
        if roomy:
            table.add_column("COST", justify="right", no_wrap=True)
        for row in rows:
            table.add_row(*self._cells(row, end, roomy=roomy))
        return table

    def _cells(self, row: Row, end: float, *, roomy: bool) -> Iterator[RenderableType]:
        step = row.step
        model = "" if step.kind in CONTAINERS else harmless(step.model)
        yield Text.assemble((row.guide, "quiet"), (GLYPHS[step.status], step.status), " ", title(step))
        yield Text(model if roomy else short_model(model), style="quiet")
        yield bar_of(step, self.view.started_at, end)
        yield Text(seconds(step.seconds if step.seconds is not None else end - step.started_at))
        yield Text(tokens(step.usage))
        if roomy:
            yield Text(money(step.cost_usd))

    def _end(self) -> float:
        """Where the axis ends: with the run, or with the last thing known of it, or now."""
        if self.view.status == "running":
            return max(self.now, self.view.started_at)
        ends = (step.started_at + (step.seconds or 0.0) for step in self.view.steps)
        return max(self.view.ended_at or 0.0, self.view.started_at, *ends)

    def _below(self) -> Iterator[RenderableType]:
        remarks = [*_panels(self.view), *_troubles(self.view), *_left_out(self.view)]
        if remarks:
            yield Text()
            yield from remarks


def headline(view: RunView, jaeger_url: str = "") -> RenderableType:
    """Which run it is, how it ended, what it took, and where its trace is."""
    took = seconds(view.seconds) if view.seconds is not None else "under way"
    facts = [
        moment(view.started_at),
        took,
        f"tokens {tokens(view.total_usage)}",
        f"cost {money(view.cost_usd)}",
    ]
    if view.panel:
        facts.append(f"panel {view.panel}")
    title = Text.assemble((view.run_id, "name"), "  ", harmless(view.virtual_model), "  ", state(view.status))
    lines = [title, Text(" · ".join(facts), style="quiet")]
    if view.trace_id:
        lines.append(Text(f"trace {trace_url(jaeger_url, view.trace_id) or view.trace_id}", style="quiet"))
    return Group(*lines)


def tree_rows(nodes: Sequence[StepNode], stem: str = "", *, top: bool = True) -> Iterator[Row]:
    """The tree's lines in order, each with its guide."""
    for node in nodes:
        last = node is nodes[-1]
        guide = "" if top else stem + ("└─ " if last else "├─ ")
        below = "" if top else stem + ("   " if last else "│  ")
        yield Row(guide, node.step)
        yield from tree_rows(node.children, below, top=False)


def bar_of(step: StepView, start: float, end: float) -> Bar:
    """The step's bar on an axis from `start` to `end` (Unix time in seconds)."""
    span = (end - start) or 1.0
    ended = end if step.seconds is None else step.started_at + step.seconds
    spoke = step.started_at + (step.first_token_seconds or 0.0)
    style = "quiet" if step.kind in CONTAINERS else step.status
    return Bar((step.started_at - start) / span, (spoke - start) / span, (ended - start) / span, style)


def _panels(view: RunView) -> Iterator[RenderableType]:
    """For each panel what was decided, then what each branch contributed."""
    for tool in (step for step in view.steps if step.kind == "tool"):
        branches = [step for step in view.steps if step.parent_id == tool.step_id and step.kind == "branch"]
        for number, fact in enumerate(decided(tool, branches)):
            head = (f"{harmless(tool.name)}: ", "name") if number == 0 else ("  · ", "quiet")
            yield Text.assemble(head, f"{fact.rstrip('.')}.")
        for part in contributions(tool.contribution):
            yield Padding(part, (0, 0, 0, 2), expand=False)


def _left_out(view: RunView) -> Iterator[Text]:
    """What the door could not use of the request, and what each model's client could not send."""
    if view.dropped:
        yield Text(without(view.dropped), style="quiet")
    for step in view.steps:
        if step.dropped:
            yield Text(f"{title(step)}: {without(step.dropped)}", style="quiet")


def _troubles(view: RunView) -> Iterator[Text]:
    """One line for each step that did not end well, and one for the run when no step's says the same.

    An attempt that ended as its branch did is told with it.
    """
    told = set()
    steps = {step.step_id: step for step in view.steps}
    for step in (row.step for row in tree_rows(view.tree())):
        text = remark(step)
        owner = steps.get(step.parent_id) if step.kind == "attempt" else None
        if not text or step.kind == "main" or (owner and text == remark(owner)):
            continue
        told.add(step.failure)
        name = f"{title(owner)}, {title(step)}" if owner else title(step)
        often = f" ({step.attempts} attempts)" if step.attempts > 1 else ""
        yield Text.assemble((f"{GLYPHS[step.status]} {name}", step.status), f": {text}{often}")
    if view.error is not None and view.error not in told:
        yield Text.assemble(("✗ run", "failed"), f": {harmless(f'{view.error.code}: {view.error.message}')}")
    elif view.status == "cancelled":
        yield Text.assemble(("⊘ run", "cancelled"), f": {stopped_because(view.reason)}")
