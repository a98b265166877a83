"""Events to rows and back: large parts are set aside, to be stored once under their hash.

A client sends its whole conversation again with every request, and each turn of the main LLM repeats it, so a
conversation is set aside message by message: what was said before costs only its hash. Which parts stand where
is kept beside the body (`refs`), not marked inside it, so no text that a client sends can look like a reference.

Pure functions; this module knows nothing about databases.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import ValidationError

from workflows.errors import JournalUnavailable
from workflows.events import Event, event_adapter

LARGE = 1024
"""Parts of more bytes than this are set aside."""

# Speed before size: level 1 takes a third of the time of level 6 and a tenth more room.
_LEVEL = 1

_encode = json.JSONEncoder(separators=(",", ":")).encode

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Packed:
    """An event as it is stored.

    Attributes:
        body: JSON text without what was set aside.
        refs: JSON text [[path, hash], ...], in the order in which the parts were set aside; None without any.
        contents: the parts by hash, as uncompressed JSON text.
    """

    event: Event
    body: str
    refs: str | None
    contents: Mapping[str, bytes]


def pack(event: Event) -> Packed:
    """The event with its large parts set aside."""
    # Not pydantic's own JSON: it refuses half an emoji.
    body = _text(event_adapter.dump_python(event))
    if len(body) <= LARGE:
        return Packed(event, body, None, {})
    value = json.loads(body)
    refs: list[tuple[Path, str]] = []
    contents: dict[str, bytes] = {}
    for path in _parts(value):
        part = _text(_at(value, path)).encode()
        if len(part) > LARGE:
            digest = hashlib.sha256(part).hexdigest()
            contents[digest] = part
            refs.append((path, digest))
            _put(value, path, None)
    return Packed(event, _text(value), _text(refs) if refs else None, contents)


def references(refs: str | None) -> list[tuple[Path, str]]:
    """The stored references, as (path, hash)."""
    return [(tuple(path), digest) for path, digest in json.loads(refs)] if refs else []


def unpack(body: str, refs: str | None, contents: Mapping[str, bytes]) -> Event:
    """The event again. `contents` holds at least the parts that it refers to, uncompressed.

    Raises:
        JournalUnavailable: a part is missing, or a newer version wrote the event.
    """
    value = json.loads(body)
    try:
        # An outer part may itself have lost inner ones, so they come back in reverse.
        for path, digest in reversed(references(refs)):
            _put(value, path, json.loads(contents[digest]))
        return event_adapter.validate_python(value)
    except (KeyError, ValidationError) as error:
        raise JournalUnavailable(
            f"The event {value.get('id')} cannot be read by this version of Stellarator."
        ) from error


def compressed(content: bytes) -> bytes:
    """A content as it is stored."""
    return zlib.compress(content, _LEVEL)


def decompressed(data: bytes) -> bytes:
    """A stored content as it was."""
    return zlib.decompress(data)


def _parts(value: Mapping[str, Any]) -> Iterator[Path]:
    """The parts of an event that may be large, inner ones first."""
    request = value.get("request")
    if request:
        yield from (("request", "messages", index) for index in range(len(request["messages"])))
        yield ("request", "tools")
    if door := value.get("door"):
        yield from (("door", "items", index) for index in range(len(door.get("items", ()))))
        yield ("door",)
    if hidden := value.get("hidden"):
        yield from (("hidden", "turns", index) for index in range(len(hidden["turns"])))
    whole = ("request", "call", "completion", "result", "detail", "answer", "workflow")
    yield from ((name,) for name in whole if name in value)


def _text(value: object) -> str:
    """Compact JSON in ASCII: half an emoji and NUL, which no database takes as they are, come through escaped."""
    return _encode(value)


def _at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def _put(value: Any, path: Path, part: object) -> None:
    _at(value, path[:-1])[path[-1]] = part
