"""What a check found: good, doubtful or wrong, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

State = Literal["ok", "warn", "fail", "off"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a check-up.

    Attributes:
        subject: what was looked at, one or two words.
        state: ``ok``; ``warn``: works, but not for long or not well; ``fail``: has to be mended; ``off``: not there,
            and need not be.
        said: what was found, one sentence; no secret.
        remedy: what to do, one sentence; empty when nothing has to be done.
    """

    subject: str
    state: State
    said: str
    remedy: str = ""


Check: TypeAlias = Callable[[], Iterable[Finding]]


def carried_out(checks: Iterable[tuple[str, Check]]) -> Iterator[Finding]:
    """Carry the checks out, one after the other; one that breaks is a finding of its own and stops no other."""
    for subject, check in checks:
        try:
            yield from check()
        except Exception as error:  # noqa: BLE001  # a check-up must not fail because something is wrong
            said = f"could not be looked at ({type(error).__name__})"
            yield Finding(
                subject, "fail", said, "Run it again with --debug, and report it if that does not tell."
            )
