"""What the journal is to keep, in the words of people and as values. Knows nothing about databases."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from workflows.errors import UsageError

_AGES = {"h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_SIZES = {"kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_WORD = re.compile(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What to keep. None is no limit.

    Attributes:
        older_than: seconds; runs that began longer ago go.
        max_size: bytes that all runs' events and contents may take, compressed as they are stored.
    """

    older_than: float | None = None
    max_size: int | None = None


@dataclass(slots=True)
class Plan:
    """What is to go.

    Attributes:
        runs: ids, oldest last.
        kept: how many runs stay.
        freed: bytes that go.
        size: bytes that stay.
        garbage: contents by hash that no run that stays refers to.
        read_to: the journal's highest place when the plan was made.
    """

    runs: list[str] = field(default_factory=list)
    kept: int = 0
    freed: int = 0
    size: int = 0
    garbage: set[str] = field(default_factory=set)
    read_to: int = 0


def parse_age(text: str) -> float:
    """``36h``, ``30d`` or ``2w`` in seconds; raises `UsageError`."""
    return _measured(text, _AGES, "an age such as 36h, 30d or 2w")


def parse_size(text: str) -> int:
    """``500MB`` or ``2GB`` in bytes; raises `UsageError`."""
    return int(_measured(text, _SIZES, "a size such as 500MB or 2GB"))


def parse(text: str) -> Retention:
    """``30d 2GB``: an age, a size, both or nothing; raises `UsageError`."""
    words = text.split()
    ages = [word for word in words if not word.lower().endswith("b")]
    sizes = [word for word in words if word.lower().endswith("b")]
    return Retention(
        older_than=min(map(parse_age, ages), default=None), max_size=min(map(parse_size, sizes), default=None)
    )


def _measured(text: str, units: Mapping[str, float], wanted: str) -> float:
    matched = _WORD.fullmatch(text.strip())
    factor = units.get(matched[2].lower()) if matched else None
    if matched is None or factor is None:
        raise UsageError(f"`{text}` is not {wanted}.")
    return float(matched[1]) * factor
