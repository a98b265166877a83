"""What the client sees of the main LLM's turns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.workflows.flows import completion
from workflows.messages import (
    Delta,
    Message,
    Reasoning,
    ReasoningDelta,
    StreamItem,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
)
from workflows.relay import Relay
from workflows.think_splitter import ThinkSplitter

END = completion("")


def seen(relay: Relay, *items: StreamItem) -> list[Delta]:
    return [delta for item in items for delta in relay.feed(item)]


def test_text_is_passed_on_as_it_comes() -> None:
    relay = Relay("run_1", frozenset())
    assert seen(relay, TextDelta("Hel"), TextDelta("lo"), END) == [TextDelta("Hel"), TextDelta("lo")]
    assert relay.message == Message.of("assistant", "Hello")


def test_texts_of_different_turns_are_set_apart() -> None:
    relay = Relay("run_1", frozenset())
    seen(relay, TextDelta("Let me ask."), END, TextDelta("They agree."), END)
    assert relay.message.text == "Let me ask.\n\nThey agree."


def test_calls_of_mounted_tools_are_held_back_and_client_calls_renumbered() -> None:
    relay = Relay("run_1", frozenset({"review"}))
    deltas = seen(
        relay,
        ToolCallDelta(0, "c1", "review", "{"),
        ToolCallDelta(1, "c2", "read_file", '{"a"'),
        ToolCallDelta(0, arguments="}"),
        ToolCallDelta(1, arguments=": 1}"),
        END,
    )
    first = ToolCallDelta(0, "call_1_1", "read_file", '{"a"')
    assert deltas == [first, ToolCallDelta(0, arguments=": 1}")]
    assert relay.message.parts == (ToolCall("call_1_1", "read_file", '{"a": 1}'),)
    assert relay.given == {"call_1_1": "c2"}


def test_a_client_that_takes_one_call_at_a_time_gets_one_whatever_the_model_does() -> None:
    relay = Relay("run_1", frozenset({"review"}), parallel=False)
    calls = [ToolCallDelta(n, f"c{n}", name, "{}") for n, name in enumerate(("review", "read", "write"))]
    assert seen(relay, *calls, END) == [ToolCallDelta(0, "call_1_1", "read", "{}")]
    assert relay.given == {"call_1_1": "c1"}


def test_thinking_in_the_text_is_moved_to_the_reasoning() -> None:
    relay = Relay("run_1", frozenset())
    seen(
        relay, TextDelta("<thi"), TextDelta("nk>hm, "), TextDelta("well</th"), TextDelta("ink>\n\nYes."), END
    )
    assert relay.message.parts == (Reasoning("hm, well"), Text("Yes."))


def test_a_tag_in_the_middle_of_an_answer_is_text() -> None:
    relay = Relay("run_1", frozenset())
    seen(relay, TextDelta("Write <think> to open."), END)
    assert relay.message.text == "Write <think> to open."


@given(
    st.text(alphabet="ab\n <", max_size=20),
    st.text(alphabet="xy<>/k\n", max_size=20).filter(lambda t: "</think>" not in t),
    st.data(),
)
def test_however_a_stream_is_cut_the_same_comes_out(thought: str, said: str, data: st.DataObject) -> None:
    whole = f"<think>{thought}</think>{said}"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]

    def split(parts: list[str]) -> tuple[str, str]:
        splitter = ThinkSplitter()
        out = [d for part in parts for d in splitter.feed(part)] + list(splitter.end())
        return (
            "".join(d.text for d in out if isinstance(d, ReasoningDelta)),
            "".join(d.text for d in out if isinstance(d, TextDelta)),
        )

    assert split(pieces) == split([whole]) == (thought, said.lstrip("\n"))
