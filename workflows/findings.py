"""What a lint rule finds: a place in the workflow and one sentence. `workflows.lint` adds file and line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workflows.spec import Place


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, before its line is known."""

    place: Place
    message: str
    rule: str
    severity: Literal["error", "warning"] = "error"


def warning(place: Place, message: str, rule: str) -> Finding:
    """A finding that does not keep the workflow from being published."""
    return Finding(place, message, rule, "warning")
