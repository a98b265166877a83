"""The Conversation: what was said in a run, by the client, the main LLM, the panel and the synthesis.

    user
    │ Review this plan ...

    problem_review is asked
    │ task: Review this plan ...

      broad · smollm2-135m-instruct · 2.0 s
      │ A sound plan.

    answer · smollm2-135m-instruct · 2.8 s
    │ Start with a pilot.

`Contents` shows one step whole: everything that it was sent and everything that came back.
Pure, like the Track.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment
from rich.text import Text

from serve_app.cli.render.track import headline
from serve_app.cli.render.words import GLYPHS, harmless, remark, seconds, short_model, tokens, without
from workflows.messages import (
    ChatRequest,
    File,
    Foreign,
    Image,
    Message,
    Part,
    Reasoning,
    ToolCall,
    ToolResult,
)
from workflows.messages import Text as TextPart
from workflows.replay import RunView, StepNode, StepView

_INDENT = 2
_NOTHING = "(nothing)"


@dataclass(frozen=True, slots=True)
class Saying:
    """Who said it, and what. `depth` is how far it is indented, in levels."""

    who: Text
    what: str
    depth: int = 0

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        margin = " " * (self.depth * _INDENT)
        yield Text.assemble(margin, self.who, no_wrap=True, overflow="ellipsis")
        inner = options.update(width=max(options.max_width - len(margin) - 2, 10))
        body = Text(harmless(self.what).strip("\n") or _NOTHING)
        for line in console.render_lines(body, inner, pad=False):
            yield Segment(margin)
            yield Segment("│ ", console.get_style("quiet"))
            yield from line
            yield Segment.line()
        yield Segment.line()


@dataclass(frozen=True, slots=True)
class Conversation:
    """A run's Conversation."""

    view: RunView

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Group(headline(self.view), Text(), *self._sayings())

    def _sayings(self) -> Iterator[RenderableType]:
        if self.view.request is not None:
            yield from _asked(self.view.request)
        for node in self.view.tree():
            yield from _told(node)
        if self.view.error is not None:
            yield Saying(Text("error", style="failed"), self.view.error.message)


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything that one step was sent and answered."""

    step: StepView

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        step = self.step
        yield Group(
            _title(step), Text(f"{step.step_id} · tokens {tokens(step.usage)}", style="quiet"), Text()
        )
        if step.request is not None:
            yield from messages(step.request.messages)
        if step.call is not None:
            yield Saying(Text("arguments", style="name"), laid_out(step.call.arguments))
        if step.completion is not None:
            yield Saying(Text("answer", style="name"), said(step.completion.message.parts))
        if step.result is not None:
            yield Saying(Text("result", style="name"), said(step.result.content))
        if step.dropped:
            yield Text(without(step.dropped), style="quiet")
        if step.detail:
            yield Saying(Text("detail", style="name"), "\n".join(_outline(step.detail)))
        if text := remark(step):
            yield Text(text, style=step.status)


def messages(given: Iterable[Message]) -> Iterator[Saying]:
    """Each message under its role."""
    for message in given:
        yield Saying(Text(message.role, style="name"), said(message.parts))


def said(parts: Iterable[Part]) -> str:
    """Parts of a message as plain text; what is no text is named."""
    return "\n".join(filter(None, (_said(part) for part in parts)))


def laid_out(text: str) -> str:
    """The text of a JSON object as an outline to read; any other text as it is."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return "\n".join(_outline(value)) if isinstance(value, dict) else text


def _outline(value: Any) -> Iterator[str]:
    """JSON as lines, the way YAML has it; what is empty is left out."""
    match value:
        case dict():
            for key, item in value.items():
                yield from _entry(key, item)
        case list():
            for item in value:
                first, *rest = list(_outline(item)) or [""]
                yield f"- {first}"
                yield from (f"  {line}" for line in rest)
        case _:
            yield str(value)


def _entry(key: str, item: Any) -> Iterator[str]:
    if isinstance(item, dict | list) and item:
        yield f"{key}:"
        yield from (f"  {line}" for line in _outline(item))
    elif item not in ({}, [], "", None):
        yield f"{key}: {item}"


def _said(part: Part) -> str:
    match part:
        case TextPart(text=text):
            return text
        case Reasoning(text=text):
            return f"(thinking) {text}"
        case ToolCall(name=name, arguments=arguments):
            return f"→ {name} {arguments}"
        case ToolResult():
            return f"← {said(part.content)}"
        case Image(url=url) | File(url=url):
            return f"({part.type}: {url.partition(',')[0][:80]})"
        case Foreign(origin=origin):
            return f"(a part that only {origin} understands)"


def _asked(request: ChatRequest) -> Iterator[RenderableType]:
    """The client's last message; of what came before only that it is there: an agent's can be very long."""
    earlier, last = request.messages[:-1], request.messages[-1:]
    if earlier:
        yield Text(f"({len(earlier)} earlier messages of the client)\n", style="quiet")
    yield from messages(last)


def _told(node: StepNode, depth: int = 0, analysis: Any = None) -> Iterator[RenderableType]:
    """What a step said and what the steps below it said. `analysis` is how the panel's synthesis was understood."""
    step = node.step
    if step.kind == "main":
        for child in node.children:
            yield from _told(child, depth)
    elif step.kind == "tool":
        arguments = laid_out(step.call.arguments) if step.call else ""
        yield Saying(Text.assemble((harmless(step.name), "name"), " is asked"), arguments, depth)
        for child in node.children:
            yield from _told(child, depth + 1, step.detail.get("analysis"))
    else:
        yield Saying(_title(step), _spoken(step, analysis), depth)


def _spoken(step: StepView, analysis: Any) -> str:
    """A call's answer. A synthesis is shown as it was understood, with the branches' names for its letters."""
    if step.kind == "synthesis" and analysis:
        return "\n".join(_outline(analysis))
    parts = step.completion.message.parts if step.completion else ()
    return laid_out(said(parts)) or remark(step)


def _title(step: StepView) -> Text:
    """Who speaks: the step, its model, its time."""
    facts = [fact for fact in (short_model(harmless(step.model)), seconds(step.seconds)) if fact]
    return Text.assemble(
        (f"{GLYPHS[step.status]} ", step.status),
        (harmless(step.name), "name"),
        (f" · {' · '.join(facts)}", "quiet"),
    )
