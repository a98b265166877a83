"""What a request says and its run does without: the names of fields, for the run's record.

Wire types keep unknown fields, so that whatever a translation does not read can be told. Only names are told,
never values, and no name that does not look like a field's: a client's text may stand where a name belongs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from serve_app.protocols.lenient import Lenient

MOST = 40
"""Names that are told at most."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_SAYS_NOTHING = frozenset(
    {"annotations", "caller", "citations", "id", "index", "logprobs", "phase", "status"}
)
"""Fields within a conversation with which servers decorate their answers and which clients send back."""


def dropped(body: Lenient, *, carried: Collection[str] = (), also: Iterable[str] = ()) -> tuple[str, ...]:
    """The fields of a request that are left out of its run, as paths without places: ``messages.content.cache_control``.

    Args:
        body: the request.
        carried: unknown fields of the body itself that travel on.
        also: known fields that do not.

    """
    own = (name for name in _asked(body) if name not in carried)
    names = dict.fromkeys([*also, *own, *_within(body, "")])
    return tuple(sorted(names))[:MOST]


def _within(value: object, path: str) -> Iterator[str]:
    """Unknown fields below `value`, whose own are its owner's business."""
    match value:
        case Lenient():
            for name in type(value).model_fields:
                yield from _below(getattr(value, name), f"{path}{name}.")
        case _:
            return


def _below(value: object, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _below(item, path)
    elif isinstance(value, Lenient) and not value.is_opaque:
        yield from (f"{path}{name}" for name in _asked(value) if name not in _SAYS_NOTHING)
        yield from _within(value, path)


def _asked(value: Lenient) -> Iterator[str]:
    """Unknown fields that ask for something: nothing is asked for by null, false, or nothing at all."""
    for name, wanted in (value.model_extra or {}).items():
        if wanted and _NAME.fullmatch(name):
            yield name


def typed(kind: str, tool_type: str) -> str:
    """The name of something that is left out for its type, such as a hosted tool: ``tools.web_search``."""
    return f"{kind}.{tool_type}" if _NAME.fullmatch(tool_type) else kind
