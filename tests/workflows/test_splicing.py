"""Hidden turns come back where they were, whatever the client made of its own conversation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from workflows.messages import (
    ChatRequest,
    Completion,
    Message,
    Part,
    Reasoning,
    StreamItem,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolResult,
)
from workflows.relay import Relay
from workflows.splicing import NO_RESULT, HiddenTurns, given_id, runs_named, spliced

RUN = f"run_{7:032x}"
FIRST, SECOND = given_id(RUN, 1), given_id(RUN, 2)
PANEL = (
    Message("assistant", (Text("I ask the panel."), ToolCall("p1", "review", "{}"))),
    Message("tool", (ToolResult("p1", (Text("advice"),)),)),
)
BESIDE = Message("tool", (ToolResult("p2", (Text("more advice"),)),))
CALLS = (ToolCall("a", "read", "{}"), ToolCall("p2", "review", "{}"), ToolCall("b", "write", "{}"))
ANSWER = Message("assistant", (Reasoning("hm", "proof"), Text("I look."), *CALLS))
HIDDEN = HiddenTurns((*PANEL, ANSWER, BESIDE), {FIRST: "a", SECOND: "b"}, "I ask the panel.\n\nI look.")
SEEN = Message(
    "assistant",
    (Reasoning("hm"), Text(HIDDEN.said), ToolCall(FIRST, "read", "{}"), ToolCall(SECOND, "write", "{}")),
)
USER = Message.of("user", "Do it.")


def result(call_id: str, text: str = "done") -> Message:
    return Message("tool", (ToolResult(call_id, (Text(text),)),))


def back(*messages: Message) -> tuple[Message, ...]:
    return spliced(messages, {RUN: HIDDEN})


WHOLE = (USER, *PANEL, ANSWER, BESIDE, result("a"), result("b"))


@dataclass(frozen=True)
class Story:
    """A conversation as the main LLM had it, as its client knows it, and what lies between."""

    whole: tuple[Message, ...]
    seen: tuple[Message, ...]
    hidden: dict[str, HiddenTurns]


def relayed(run_id: str, answers: list[Message]) -> Relay:
    relay = Relay(run_id, frozenset({"review"}))
    for message in answers:
        deltas = [TextDelta(message.text)] if message.text else []
        calls = [ToolCallDelta(n, c.id, c.name, c.arguments) for n, c in enumerate(message.tool_calls)]
        items: tuple[StreamItem, ...] = (*deltas, *calls, Completion(message, "stop"))
        for item in items:
            list(relay.feed(item))
    return relay


words = st.text("ab \n", max_size=5)
turns = st.tuples(words, st.integers(0, 2), st.integers(0, 2))


@st.composite
def stories(draw: st.DrawFn) -> Story:
    whole: list[Message] = []
    seen: list[Message] = []
    hidden: dict[str, HiddenTurns] = {}
    for number in range(draw(st.integers(1, 4))):
        user = Message.of("user", f"{number}")
        own: list[Message] = []
        for text, mounted, _ in draw(st.lists(turns, max_size=3)):
            own += exchange(text, tuple(ToolCall(f"m{n}", "review", "{}") for n in range(mounted + 1)))
        text, mounted, more = draw(turns)
        theirs = [ToolCall(f"c{n}", "read", "{}") for n in range(more + 1)]
        calls = draw(st.permutations([*theirs, *(ToolCall(f"m{n}", "review", "{}") for n in range(mounted))]))
        own += exchange(text, tuple(calls))
        run_id = f"run_{number:032x}"
        relay = relayed(run_id, [message for message in own if message.role == "assistant"])
        results = [result(relay_id, f"{number}") for relay_id in relay.given]
        whole += [user, *own, *(result(relay.given[given], f"{number}") for given in relay.given)]
        seen += [user, relay.message, *results]
        hidden[run_id] = HiddenTurns(tuple(own), relay.given, relay.message.text)
    return Story(tuple(whole), tuple(seen), hidden)


def exchange(text: str, calls: tuple[ToolCall, ...]) -> Iterator[Message]:
    parts: tuple[Part, ...] = (Text(text),) if text else ()
    yield Message("assistant", (*parts, *calls))
    yield from (result(call.id) for call in calls if call.name == "review")


@given(stories())
def test_what_was_hidden_from_a_client_comes_back_when_it_does(story: Story) -> None:
    assert spliced(story.seen, story.hidden) == story.whole


@given(stories())
def test_an_unknown_past_leaves_the_conversation_as_the_client_sent_it(story: Story) -> None:
    assert spliced(story.seen, {}) == story.seen


@given(stories(), st.randoms())
def test_whatever_a_client_does_to_its_history_every_call_has_its_result_behind_it(
    story: Story, chance: object
) -> None:
    """Provided that the client does not also lose results of calls that we know nothing of."""
    messages = list(story.seen)
    chance.shuffle(messages)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    kept = messages[: chance.randint(0, len(messages))]  # type: ignore[attr-defined]
    told = spliced(kept, story.hidden)
    for index, message in enumerate(told):
        wanted = [call.id for call in message.tool_calls]
        behind = told[index + 1 : index + 1 + len(wanted)]
        got = [part.call_id for m in behind for part in m.parts if isinstance(part, ToolResult)]
        assert sorted(got) == sorted(wanted)


def test_the_runs_of_a_conversation_are_found_by_its_ids_and_foreign_ids_name_none() -> None:
    foreign = (Message("assistant", (ToolCall("call_0_abc", "read", "{}"),)), result("call_0_abc"))
    assert runs_named(ChatRequest((USER, *foreign, SEEN, result(FIRST)))) == (RUN,)
    assert runs_named(ChatRequest((USER, *foreign))) == ()
    assert spliced(foreign, {RUN: HIDDEN}) == foreign


def test_ids_keep_to_what_every_api_and_provider_takes() -> None:
    assert len(given_id(RUN, 99)) == 40
    assert runs_named(ChatRequest((result(given_id(RUN, 99)),))) == (RUN,)


def test_a_whole_conversation_comes_back() -> None:
    assert back(USER, SEEN, result(FIRST), result(SECOND)) == WHOLE


def test_results_may_come_in_any_order_and_between_parts_of_the_answer() -> None:
    """As Responses has it: call, output, call, output."""
    one = replace(SEEN, parts=SEEN.parts[:3])
    other = replace(SEEN, parts=SEEN.parts[3:])
    assert back(USER, one, result(FIRST), other, result(SECOND)) == WHOLE
    assert back(USER, SEEN, result(SECOND), result(FIRST)) == WHOLE


def test_an_answer_may_begin_in_messages_of_its_own() -> None:
    """As Responses has it when the model thinks between its turns."""
    texts = [Message("assistant", (Text(text), Reasoning("hm"))) for text in ("I ask", "the panel.")]
    rest = replace(SEEN, parts=(Text("\n\nI look."), *SEEN.parts[2:]))
    assert back(USER, *texts, rest, result(FIRST), result(SECOND)) == WHOLE
    other = Message.of("assistant", "Something else.")
    assert back(USER, other, SEEN, result(FIRST), result(SECOND)) == (USER, other, *WHOLE[1:])


def test_a_call_that_the_client_took_out_is_out() -> None:
    less = replace(SEEN, parts=SEEN.parts[:3])
    told = back(USER, less, result(FIRST))
    assert [call.id for message in told for call in message.tool_calls] == ["p1", "a", "p2"]
    assert told[-1] == result("a")


def test_a_result_that_did_not_come_is_said_to_be_missing() -> None:
    told = back(USER, SEEN, result(FIRST))
    assert told[-1] == Message("tool", (ToolResult("b", (Text(NO_RESULT),), is_error=True),))


def test_results_whose_call_was_compacted_away_bring_it_back() -> None:
    assert back(result(FIRST), result(SECOND)) == WHOLE[1:]


def test_text_that_the_client_changed_is_changed() -> None:
    edited = replace(SEEN, parts=(Text("[redacted]"), *SEEN.parts[2:]))
    told = back(USER, edited, result(FIRST), result(SECOND))
    assert [message.text for message in told if message.role == "assistant"] == ["", "[redacted]"]
    assert told[3].parts == (Reasoning("hm", "proof"), Text("[redacted]"), *CALLS)


def test_text_that_is_only_wrapped_otherwise_is_unchanged() -> None:
    trimmed = replace(SEEN, parts=(Text("I ask the panel. I look.\n"), *SEEN.parts[2:]))
    assert back(USER, trimmed, result(FIRST), result(SECOND)) == WHOLE


def test_a_conversation_that_repeats_itself_is_told_once() -> None:
    once = (SEEN, result(FIRST), result(SECOND))
    assert back(USER, *once, *once) == WHOLE


def test_what_stands_beside_results_stays() -> None:
    both = Message("user", (*result(FIRST).parts, *result(SECOND).parts, Text("Go on.")))
    assert back(USER, SEEN, both) == (*WHOLE, Message.of("user", "Go on."))
