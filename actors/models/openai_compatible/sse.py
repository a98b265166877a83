"""Server-sent events out of bytes, incrementally and cheaply.

Format: WHATWG HTML, "Server-sent events", reduced to what model servers send: ``data:`` lines, events ended by a
blank line, comments. Chunks may be cut anywhere, also inside a character.
"""

from __future__ import annotations

from collections.abc import Iterator

MAX_EVENT_BYTES = 16 * 1024 * 1024


class EventTooLong(Exception):
    """One event is longer than any answer: the server does not speak this format."""


class Decoder:
    """Yields the data of each event."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the data of every event that this chunk completes."""
        lines = (self._rest + chunk).replace(b"\r\n", b"\n").split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > MAX_EVENT_BYTES:
            raise EventTooLong
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
            elif not line and self._data:
                yield b"\n".join(self._data)
                self._data = []

    def end(self) -> Iterator[bytes]:
        """Yield the data of an event that the server did not end properly."""
        yield from self.feed(b"\n\n")
