"""Server-sent events out of bytes, incrementally and cheaply.

Format: WHATWG HTML, "Server-sent events", reduced to what model servers send: ``data:`` lines, events ended by a
blank line, comments, LF or CRLF. Chunks may be cut anywhere, also inside a character.
"""

from __future__ import annotations

from collections.abc import Iterator

MAX_EVENT_BYTES = 32 * 1024 * 1024
"""Room for an image in an answer."""


class EventTooLong(Exception):
    """One event is longer than any answer: the server does not speak this format."""


class Decoder:
    """Yields the data of each event."""

    def __init__(self) -> None:
        self._rest: list[
            bytes
        ] = []  # pieces of the last line, joined once: joining each time would be quadratic
        self._rest_size = 0
        self._data: list[bytes] = []
        self._data_size = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the data of every event that this chunk completes.

        Raises:
            EventTooLong: what was sent as one event is longer than `MAX_EVENT_BYTES`.
        """
        self._rest_size += len(chunk)
        if self._rest_size + self._data_size > MAX_EVENT_BYTES and b"\n" not in chunk:
            raise EventTooLong
        self._rest.append(chunk)
        if b"\n" not in chunk:
            return
        *lines, rest = b"".join(self._rest).split(b"\n")
        self._rest, self._rest_size = [rest], len(rest)
        for ended in lines:
            line = ended.removesuffix(b"\r")
            if line.startswith(b"data:"):
                self._keep(line[5:].removeprefix(b" "))
            elif not line and self._data:
                yield b"\n".join(self._data)
                self._data, self._data_size = [], 0

    def end(self) -> Iterator[bytes]:
        """Yield the data of an event that the server did not end properly."""
        yield from self.feed(b"\n\n")

    def _keep(self, data: bytes) -> None:
        self._data.append(data)
        self._data_size += len(data)
        if self._data_size > MAX_EVENT_BYTES:
            raise EventTooLong
