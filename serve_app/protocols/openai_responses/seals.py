"""Opaque strings that a client keeps for us and sends back, so that it may stay stateless.

They are packed, not encrypted: all that is in them is the client's own conversation, and what a client changes in
them it might as well have written into its input.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Literal

from workflows.messages import Reasoning

Kind = Literal["summary", "thinking", "proof"]

_MARKS: dict[Kind, str] = {
    "summary": "stellarator-s1.",
    "thinking": "stellarator-t1.",
    "proof": "stellarator-p1.",
}
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


def sealed_thought(text: str, signature: str) -> str:
    """What a model thought, with the provider's proof of it where there is one."""
    return sealed("proof", f"{signature}\n{text}") if signature else sealed("thinking", text)


def unsealed_thought(seal: str) -> Reasoning | None:
    """The thought again; None when the string is another server's. Raises `ValueError` as `unsealed` does."""
    proof = unsealed("proof", seal)
    if proof is not None:
        signature, _, text = proof.partition("\n")
        return Reasoning(text, signature)
    text_only = unsealed("thinking", seal)
    return None if text_only is None else Reasoning(text_only)
