from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.models.openai_compatible import sse

payloads = st.lists(st.text(min_size=1, max_size=40).map(lambda text: json.dumps(text).encode()), max_size=8)


@given(payloads, st.data(), st.sampled_from([b"\n", b"\r\n"]), st.booleans())
def test_events_come_out_whole_however_the_bytes_are_cut(
    sent: list[bytes], data: st.DataObject, newline: bytes, spaced: bool
) -> None:
    head = b"data: " if spaced else b"data:"
    wire = b"".join(b": keep-alive" + newline + head + each + newline + newline for each in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=12)))
    decoder = sse.Decoder()
    heard = [
        event for start, end in pairwise([0, *cuts, len(wire)]) for event in decoder.feed(wire[start:end])
    ]
    assert heard == sent


def test_lines_of_one_event_are_joined_and_other_fields_are_skipped() -> None:
    wire = b"event: x\nid: 7\ndata: one\ndata: two\n\n"
    assert list(sse.Decoder().feed(wire)) == [b"one\ntwo"]


def test_an_event_without_its_blank_line_is_given_at_the_end() -> None:
    decoder = sse.Decoder()
    assert list(decoder.feed(b'data: {"a": 1}')) == []
    assert list(decoder.end()) == [b'{"a": 1}']


@pytest.mark.parametrize("line", [b"data: " + b"x" * 100, b"data: x\n" * 60])
def test_an_event_that_never_ends_is_refused(line: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 50)
    decoder = sse.Decoder()
    with pytest.raises(sse.EventTooLong):
        list(decoder.feed(line))


def test_events_that_are_short_one_by_one_may_be_many() -> None:
    decoder = sse.Decoder()
    events = 3 * sse.MAX_EVENT_BYTES // 1_000_000
    heard = sum(len(list(decoder.feed(b"data: " + b"x" * 1_000_000 + b"\n\n"))) for _ in range(events))
    assert heard == events
