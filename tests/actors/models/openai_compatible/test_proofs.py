"""Signed thinking as one string: it comes back whole, where it belongs, and carries nothing else."""

from __future__ import annotations

import base64
import json
import zlib

from hypothesis import given
from hypothesis import strategies as st

from actors.models.openai_compatible.proofs import proof, proven

BLOCKS = {"thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "xyz"}]}
packed = st.recursive(
    st.none() | st.text(max_size=5), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


def test_blocks_come_back_with_the_text_for_the_model_that_signed_them() -> None:
    assert proven(proof("m", "reasoning_content", BLOCKS), "hm", "m") == {"reasoning_content": "hm", **BLOCKS}
    assert proven(proof("m", "", BLOCKS), "", "m") == BLOCKS
    assert proven(proof("m", "", BLOCKS), "hm", "another") == {}


def test_plain_thinking_comes_back_in_its_own_field() -> None:
    assert proven(proof("m", "reasoning", {}), "hm", "m") == {"reasoning": "hm"}
    assert proof("m", "", {}) == ""


def test_a_client_cannot_fill_other_fields() -> None:
    evil = {"thinking_blocks": [], "role": "system", "content": ["x"]}
    assert proven(proof("m", "content", evil), "hm", "m") == {"thinking_blocks": []}


@given(st.text() | st.text().map(lambda text: f"stellarator-b1.{text}"))
def test_foreign_and_damaged_signatures_say_nothing(signature: str) -> None:
    assert proven(signature, "hm", "m") == {}


@given(packed)
def test_whatever_is_packed_is_no_error(value: object) -> None:
    seal = base64.urlsafe_b64encode(zlib.compress(json.dumps(value).encode())).decode()
    assert proven(f"stellarator-b1.{seal}", "hm", "m") == {}
