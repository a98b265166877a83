"""What each branch of a panel contributed: shares as small bars, what is worth a look, and the sentences behind it.

    BRANCH     IN THE ANSWER     IN THE SYNTHESIS  UNIQUE
    broad      ━━━━━━━━━━   62%  ━━━━━╸       35%     40%
    risks      ━╸            9%  ━━━          20%     55%
    no branch  ━━━━╸        29%  ━━━━━━━      45%
    ⚑ copied_one_branch: 71% of the answer is word for word from broad

How that is worked out, and what it cannot see, is in `workflows.attribution`. Pure: an attribution as JSON in (of
`StepView.contribution`; empty until it is worked out), rich renderables out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from serve_app.cli.render.waterfall import Bar
from serve_app.cli.render.words import NOTHING, harmless, percent
from workflows.replay import RunView, StepView

_BAR = 10
"""Cells of a bar that stands for everything."""

_TEXTS = ("answer", "synthesis")
_NOBODY = "no branch"


def contributions(attribution: Mapping[str, Any]) -> Iterator[RenderableType]:
    """The shares of a panel's branches, and its flags. Nothing at all as long as nothing is known."""
    if lines := attribution.get("contributions"):
        yield _shares(attribution, lines)
    for flag in attribution.get("flags", ()):
        yield Text.assemble((f"⚑ {flag['name']}", "degraded"), f": {harmless(flag['why'])}")
    if attribution.get("languages_differ"):
        yield Text("Texts in different languages were compared by numbers, names and code only.", "quiet")


def _shares(attribution: Mapping[str, Any], lines: Iterable[Mapping[str, Any]]) -> Table:
    texts = [text for text in _TEXTS if attribution.get(text)]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="quiet")
    for heading in ("BRANCH", *(f"IN THE {text.upper()}" for text in texts)):
        table.add_column(heading, no_wrap=True, overflow="ellipsis")
    table.add_column("UNIQUE", justify="right", no_wrap=True)
    for line in lines:
        shares = (_share(line[text], "ok") for text in texts)
        table.add_row(Text(harmless(line["branch"])), *shares, Text(percent(line["unique"])))
    rest = (_share(attribution[text]["unattributed"], "quiet") for text in texts)
    table.add_row(Text(_NOBODY, style="quiet"), *rest, Text())
    return table


@dataclass(frozen=True, slots=True)
class Supported:
    """A sentence of the answer or the synthesis, and what supports it: each `source`, `sentence`, `copied`, `credit`."""

    text: str
    sentence: str
    evidence: tuple[Mapping[str, Any], ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Padding(Text.assemble(("│ ", "quiet"), _line(self.sentence)), (0, 0, 0, 2), expand=False)
        for found in self.evidence:
            how = " · word for word" if found["copied"] else ""
            yield Padding(
                Text.assemble(
                    ("← ", "quiet"),
                    (harmless(found["source"]), "name"),
                    (f" {percent(found['credit'])}{how}: ", "quiet"),
                    _line(found["sentence"]),
                ),
                (0, 0, 0, 6),
                expand=False,
            )
        if not self.evidence:
            yield Padding(Text(f"← {_NOBODY}", style="quiet"), (0, 0, 0, 6), expand=False)


def supported(view: RunView, step: StepView) -> tuple[Supported, ...]:
    """The sentences that a branch supports; all sentences for a panel, those of the synthesis for the synthesis."""
    panel_id = step.step_id if step.kind == "tool" else step.parent_id
    panel = next((s for s in view.steps if s.step_id == panel_id and s.kind == "tool"), None)
    if panel is None or step.kind not in {"tool", "branch", "synthesis"}:
        return ()
    texts = ("synthesis",) if step.kind == "synthesis" else _TEXTS
    only = step.name if step.kind == "branch" else None
    found = (each for text in texts for each in _sentences(panel.contribution, text, only))
    return tuple(each for each in found if each.evidence or only is None)


def told(step: StepView, sentences: Iterable[Supported]) -> Iterator[RenderableType]:
    """The sentences, those of the answer and those of the synthesis under a heading each."""
    heading = "What of it is in the {}" if step.kind == "branch" else "Where the {} comes from"
    for text, group in groupby(sentences, key=attrgetter("text")):
        yield Text(heading.format(text), style="name")
        yield from group


def _sentences(attribution: Mapping[str, Any], text: str, only: str | None) -> Iterator[Supported]:
    for traced in (attribution.get(text) or {}).get("sentences", ()):
        evidence = tuple(found for found in traced["evidence"] if only in {None, found["source"]})
        yield Supported(text, traced["sentence"], evidence)


def _share(value: float | None, style: str) -> Text:
    """A bar and a percentage, of one width for all."""
    if value is None:
        return Text(NOTHING)
    bar = Bar(0.0, 0.0, value, style).drawn(_BAR) if value > 0 else Text()
    bar.pad_right(_BAR - len(bar))
    return bar.append(percent(value).rjust(6), style="default")


def _line(text: str) -> str:
    """Text of several lines as one."""
    return " ".join(harmless(text).split())
