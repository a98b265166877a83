"""Numbers, states and foreign text as people read them: one form for each, used by every view."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from rich.text import Text

from workflows.messages import Usage
from workflows.replay import StepView

GLYPHS: Mapping[str, str] = {
    "ok": "✓",
    "degraded": "◐",
    "failed": "✗",
    "cancelled": "⊘",
    "skipped": "○",
    "running": "●",
    "waiting": "·",
}
"""A state's sign; the state is also its style's name (`serve_app.cli.console.THEME`)."""

_STOPPED: Mapping[str, str] = {
    "straggler": "stopped: the others were enough",
    "deadline": "stopped: the panel's deadline was reached",
    "client": "stopped: the client went away",
    "shutdown": "stopped: the server was shut down",
    "hedged": "stopped: a copy of the call was faster",
    "unknown": "cut off when the run ended",
}
NOTHING = "-"
"""Stands where there is nothing to say."""

_MINUTE = 60.0
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_THOUSANDS = ((1_000_000, "M"), (1_000, "k"))
_LONG_COUNT = 10_000
_CENT = 0.01


def seconds(value: float | None) -> str:
    """A duration: ``0.04 s``, ``8.4 s``, ``2 m 05 s``; a dash when it is not known."""
    if value is None:
        return NOTHING
    if round(value, 1) >= _MINUTE:
        minutes, rest = divmod(round(value), int(_MINUTE))
        return f"{minutes} m {rest:02d} s"
    return f"{value:.2f} s" if value < 0.1 else f"{value:.1f} s"  # noqa: PLR2004  # where one decimal says nothing


def count(value: int) -> str:
    """A count: ``512``, ``9,312``, ``12.3k``, ``1.2M``."""
    if value < _LONG_COUNT:
        return f"{value:,}"
    size, letter = next((size, letter) for size, letter in _THOUSANDS if value >= size)
    return f"{value / size:.1f}{letter}"


def tokens(usage: Usage) -> str:
    """What went in and what came out: ``1,204→96``; a tilde when no provider counted; a dash for nothing."""
    if not usage.input_tokens and not usage.output_tokens:
        return NOTHING
    return f"{'~' if usage.estimated else ''}{count(usage.input_tokens)}→{count(usage.output_tokens)}"


def money(usd: float | None) -> str:
    """US dollars; ``unknown`` when some call's price is."""
    if usd is None:
        return "unknown"
    if usd == 0:
        return "$0"
    return f"${usd:.2f}" if usd >= _CENT else f"${usd:.2g}"


def percent(share: float) -> str:
    """A share between 0 and 1: ``41%``; what is there, but less than one percent, ``<1%``."""
    return "<1%" if 0 < share < 0.005 else f"{share:.0%}"  # noqa: PLR2004  # rounds to nothing


def moment(unix: float) -> str:
    """A point in time, local: ``2026-11-22 19:41:07``."""
    return datetime.fromtimestamp(unix).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def short_model(name: str) -> str:
    """A model's own name, without the providers in front of it."""
    return name.rsplit("/", 1)[-1]


def harmless(text: str) -> str:
    """Text that a model or a stranger wrote, without the control characters that could drive the terminal."""
    return _CONTROL.sub("", text)


def title(step: StepView) -> str:
    """A step's name. Of an attempt that lost the race against a copy of itself, what it was."""
    return "slower copy" if step.kind == "attempt" and step.name.endswith(".lost") else harmless(step.name)


def state(name: str) -> Text:
    """A state as its sign and its word."""
    return Text(f"{GLYPHS[name]} {name}", style=name)


def stopped_because(reason: str) -> str:
    """Why something was stopped, in words."""
    return _STOPPED.get(reason, f"stopped: {reason}" if reason else "stopped")


def without(dropped: Sequence[str]) -> str:
    """What was left out of a request, by name."""
    return harmless(f"left out of the request: {', '.join(dropped)}")


def remark(step: StepView) -> str:
    """Why a step did not end well; empty when there is nothing to say."""
    if step.failure is not None:
        return harmless(f"{step.failure.code}: {step.failure.message}")
    return stopped_because(step.reason) if step.status == "cancelled" else ""
