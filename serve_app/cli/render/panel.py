"""A panel at work: one line for each branch and the synthesis, drawn anew several times a second.

    ╭─ problem_review ───────────────────────────────────────────╮
    │ ✓ broad      smollm2-135m-instruct  answered  2.0 s 160→48 │
    │ ⠹ risks      smollm2-135m-instruct  thinking  2.4 s        │
    │ · synthesis  smollm2-135m-instruct  waiting                │
    ╰────────────────────────────────────────────────────────────╯

Pure: the run as its events tell it so far, the workflow (who is still to come) and the time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from serve_app.cli.render.words import GLYPHS, harmless, remark, seconds, short_model, tokens
from workflows.replay import RunView, StepView
from workflows.spec import FusionToolSpec, WorkflowSpec

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_FRAMES_PER_SECOND = 10
_WIDEST = 100
_DOING: Mapping[str, str] = {
    "running": "thinking",
    "ok": "answered",
    "degraded": "answered",
    "failed": "failed",
    "cancelled": "stopped",
    "skipped": "skipped",
    "waiting": "waiting",
}


@dataclass(frozen=True, slots=True)
class Member:
    """A branch or the synthesis: its model until it begins, its step from then on; `over` once its panel has ended."""

    name: str
    model: str
    step: StepView | None = None
    over: bool = False

    @property
    def status(self) -> str:
        """The step's status; ``waiting`` for its turn, or ``skipped`` when that will not come."""
        return self.step.status if self.step else "skipped" if self.over else "waiting"


def panels(view: RunView, spec: WorkflowSpec, now: float, *, without: Collection[str] = ()) -> RenderableType:
    """The run's panels so far, but those of the steps in `without`; when there are none, a line in their place."""
    tools = [step for step in view.steps if step.kind == "tool" and step.step_id not in without]
    if not tools:
        return Text.assemble((_frame(now), "running"), f" {spec.name} is thinking")
    return Group(*(_panel(tool, tuple(members(view, spec, tool)), now) for tool in tools))


def members(view: RunView, spec: WorkflowSpec, tool: StepView) -> Iterator[Member]:
    """Who sits on a panel, in the workflow's order, the synthesis last; then who was not foreseen, as a repair."""
    begun = {step.name: step for step in view.steps if step.parent_id == tool.step_id}
    mounted = spec.tools.get(tool.name)
    if isinstance(mounted, FusionToolSpec):
        seats = [(branch.name, branch.model) for branch in mounted.branches]
        for name, alias in (*seats, ("synthesis", mounted.synthesis.model)):
            yield Member(name, spec.models[alias].model, begun.pop(name, None), tool.status != "running")
    for step in begun.values():
        yield Member(step.name, step.model, step)


def settled(view: RunView) -> bool:
    """Whether no panel is at work, so that a drawing of it may stay as it is."""
    return all(
        step.status != "running" for step in view.steps if step.kind in {"tool", "branch", "synthesis"}
    )


def _panel(tool: StepView, seats: tuple[Member, ...], now: float) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1, style="quiet")
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right", min_width=6)
    table.add_column(no_wrap=True, justify="right", min_width=8)
    for seat in seats:
        table.add_row(*_cells(seat, now))
    title = Text(harmless(tool.name), style="name")
    return Constrain(Panel(table, title=title, title_align="left", border_style="quiet"), _WIDEST)


def _cells(seat: Member, now: float) -> Iterator[Text]:
    sign = _frame(now) if seat.status == "running" else GLYPHS[seat.status]
    yield Text.assemble((sign, seat.status), " ", seat.name)
    step = seat.step
    why = remark(step) if step else ""
    yield Text(why or short_model(harmless(step.model if step and step.seconds is not None else seat.model)))
    yield Text(_DOING[seat.status], style=seat.status)
    yield Text(
        seconds(step.seconds if step.seconds is not None else max(0.0, now - step.started_at)) if step else ""
    )
    yield Text(tokens(step.usage) if step and step.seconds is not None else "")


def _frame(now: float) -> str:
    """The spinner's picture at that time."""
    return _FRAMES[int(now * _FRAMES_PER_SECOND) % len(_FRAMES)]
