"""What differs between two workflows: which keys were added, taken out and changed.

Both are compared as their files would say it, without defaults. Entries of a list that have names (branches) are
compared by name, so that one that was put in front does not change all that follow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from workflows.loading import said
from workflows.spec import WorkflowSpec


@dataclass(frozen=True, slots=True)
class Change:
    """One key that differs.

    Attributes:
        where: the dotted path of the key, for example ``tools.review.branches.risks.prompt``.
        kind: what happened to it on the way from the first workflow to the second.
        before: its value in the first, as JSON; None when it was added.
        after: its value in the second, as JSON; None when it was removed.
    """

    where: str
    kind: Literal["added", "removed", "changed"]
    before: Any = None
    after: Any = None


def diff(before: WorkflowSpec, after: WorkflowSpec) -> tuple[Change, ...]:
    """Every key that differs, in the order of the second workflow's file; empty when they say the same."""
    return tuple(_changes("", said(before), said(after)))


def _changes(where: str, before: Any, after: Any) -> Iterator[Change]:
    if before == after:
        return
    old, new = _keyed(before), _keyed(after)
    if old is None or new is None:
        yield Change(where, "changed", before, after)
        return
    for key in [*new, *(key for key in old if key not in new)]:
        place = f"{where}.{key}" if where else key
        if key not in old:
            yield Change(place, "added", after=new[key])
        elif key not in new:
            yield Change(place, "removed", before=old[key])
        else:
            yield from _changes(place, old[key], new[key])
    if list(old) != list(new) and isinstance(after, list) and set(old) == set(new):
        yield Change(where, "changed", list(old), list(new))


def _keyed(value: Any) -> Mapping[str, Any] | None:
    """An object, or a list of things with names, as a mapping; None for anything else."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list) and value and all(isinstance(item, dict) and "name" in item for item in value):
        named = {str(item["name"]): item for item in value}
        return named if len(named) == len(value) else None
    return None
