"""A model's thinking in its provider's own form, signed, as one string that anybody may keep for us. Pure.

Providers whose models think between tool calls want what was thought back, as it came: plain text in a field of its own
name (DeepSeek, Kimi: ``reasoning_content``), or blocks with signatures (Anthropic and Gemini through LiteLLM's
``thinking_blocks`` and OpenRouter's ``reasoning_details``). The string is `Reasoning.signature`: the name of the field,
or all blocks packed. Clients of Messages and Responses hand it back with their thinking, so what comes out is not
trusted: it may fill these fields and no others, and only for the model that it came from.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

TEXT_FIELDS = ("reasoning_content", "reasoning")
BLOCK_FIELDS = ("reasoning_details", "thinking_blocks")

_MARK = "stellarator-b1."
_LARGEST = 4 * 1024 * 1024
"""Bytes that a proof may unpack to."""


def proof(model: str, text_field: str, blocks: Mapping[str, Sequence[Any]]) -> str:
    """What `proven` reads; empty when the server used neither field nor blocks."""
    if not blocks:
        return text_field
    told = json.dumps({"model": model, "text": text_field, "blocks": blocks}).encode()
    return _MARK + base64.urlsafe_b64encode(zlib.compress(told)).decode()


def is_proof(signature: str) -> bool:
    """Whether a signature was made here, and not by a provider's own API or another server."""
    return signature in TEXT_FIELDS or signature.startswith(_MARK)


def proven(signature: str, thinking: str, model: str) -> dict[str, Any]:
    """The fields of an assistant's message for `model` that say what it thought; none for foreign signatures."""
    if signature in TEXT_FIELDS:
        return {signature: thinking}
    told = _opened(signature)
    blocks = told.get("blocks")
    if told.get("model") != model or not isinstance(blocks, dict):
        return {}
    field = told.get("text")
    fields = {name: blocks[name] for name in BLOCK_FIELDS if isinstance(blocks.get(name), list)}
    return {field: thinking, **fields} if field in TEXT_FIELDS and thinking else fields


def _opened(signature: str) -> dict[str, Any]:
    if not signature.startswith(_MARK):
        return {}
    try:
        opened = zlib.decompressobj()
        packed = base64.b64decode(signature.removeprefix(_MARK), altchars=b"-_", validate=True)
        told = json.loads(opened.decompress(packed, _LARGEST))
    except (binascii.Error, zlib.error, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
