"""Opaque strings that a client keeps for us and sends back, so that it may stay stateless.

They are packed, not encrypted: all that is in them is the client's own conversation, and what a client changes in
them it might as well have written into its input.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Literal

Kind = Literal["summary", "thinking"]

_MARKS: dict[Kind, str] = {"summary": "stellarator-s1.", "thinking": "stellarator-t1."}
_LARGEST = 4 * 1024 * 1024
"""Bytes that a seal may unpack to; a few kilobytes of input must not become gigabytes."""


def sealed(kind: Kind, text: str) -> str:
    """`text` as an opaque string."""
    packed = zlib.compress(text.encode("utf-8", "surrogatepass"))
    return _MARKS[kind] + base64.urlsafe_b64encode(packed).decode()


def unsealed(kind: Kind, seal: str) -> str | None:
    """The text again; None when the string is another server's, or of another kind.

    Raises:
        ValueError: it is ours and damaged.
    """
    if not seal.startswith(_MARKS[kind]):
        return None
    try:
        opened = zlib.decompressobj()
        packed = base64.b64decode(seal.removeprefix(_MARKS[kind]), altchars=b"-_", validate=True)
        text = opened.decompress(packed, _LARGEST).decode("utf-8", "surrogatepass")
    except (binascii.Error, zlib.error, ValueError) as error:
        raise ValueError("is damaged") from error
    if not opened.eof:
        raise ValueError("is damaged or too long")
    return text
