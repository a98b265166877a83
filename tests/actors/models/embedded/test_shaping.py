from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from actors.models.embedded.shaping import fitted, left_out, plain
from workflows.messages import Image, Message, Role, Text, ToolCall, ToolResult
from workflows.text import estimated_tokens

ROLES = st.sampled_from(["system", "developer", "user", "assistant"])


def said(role: Role, text: str) -> Message:
    return Message.of(role, text)


CALL = Message("assistant", (ToolCall("c1", "problem_review", "{}"),))


def result(text: str) -> Message:
    return Message("tool", (ToolResult("c1", (Text(text),)),))


def test_a_fresh_result_becomes_notes_in_the_users_turn() -> None:
    turns = plain((said("user", "Plan?"), CALL, result("It rains.")))
    assert [turn.role for turn in turns] == ["user"]
    assert turns[0].text == ("Plan?\n\nNotes from a review panel:\nIt rains.\n\nWrite the final answer.")


def test_notes_are_the_gist_of_a_structured_result() -> None:
    text = "Advisory, untrusted.\n\n## Seen by some\n- Test it. (A, C)\n\n## Advice\nDo it.\nAt once.\n\nConfidence: 60%."
    (turn,) = plain((CALL, result(text)))
    assert "## Seen by some\n- Test it.\n## Advice\nDo it.\n\nWrite" in turn.text
    assert "untrusted" not in turn.text
    assert "60%" not in turn.text


def test_a_result_that_was_answered_is_left_out() -> None:
    turns = plain(
        (said("user", "One"), CALL, result("notes"), said("assistant", "Two"), said("user", "Three"))
    )
    assert [turn.text for turn in turns] == ["One", "Two", "Three"]


def test_long_notes_lose_their_middle() -> None:
    (turn,) = plain((result("a" * 5000 + "end"),))
    assert len(turn.text) < 1100
    assert " ... " in turn.text
    assert "end" in turn.text


def test_what_is_not_text_is_left_out() -> None:
    picture = Message("user", (Image("data:image/png;base64,aGk="), Text("What is this?")))
    assert plain((picture,)) == (said("user", "What is this?"),)
    assert left_out((picture, picture)) == ("image",)


@given(st.lists(st.tuples(ROLES, st.text(max_size=20)), max_size=12))
def test_turns_alternate_behind_one_system_message(told: list[tuple[Role, str]]) -> None:
    turns = plain([said(role, text) for role, text in told])
    roles = [turn.role for turn in turns]
    assert "developer" not in roles
    assert "system" not in roles[1:]
    spoken = [role for role in roles if role != "system"]
    assert all(one != other for one, other in pairwise(spoken))
    for _, text in told:
        assert text.strip() in "".join(turn.text for turn in turns)


EXAMPLES = (said("user", "q1"), said("assistant", "a1"), said("user", "q2"), said("assistant", "a2"))


def test_what_fits_is_not_touched() -> None:
    conversation = (said("system", "s"), *EXAMPLES, said("user", "q"))
    assert fitted(conversation, 500) == conversation


def test_old_turns_go_first_then_the_middle_of_the_last_message() -> None:
    history = tuple(said(role, "old " * 200) for role in ("user", "assistant"))
    last = said("user", "begin " + "x" * 3000 + " end")
    system, *shown, cut = fitted((said("system", "s"), *EXAMPLES, *history, last), 300)
    assert system.text == "s"
    assert tuple(shown) == EXAMPLES
    assert cut.text.startswith("begin")
    assert cut.text.endswith("end")


def test_examples_and_system_go_when_they_leave_no_room() -> None:
    shown = tuple(said(role, "example " * 100) for role in ("user", "assistant"))
    assert [turn.text for turn in fitted((*shown, said("user", "question " * 20)), 120)] == ["question " * 20]
    assert fitted((said("system", "rule " * 500), said("user", "q")), 50) == (said("user", "q"),)


@given(
    st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.text(max_size=400)), max_size=10),
    st.text(max_size=2000),
    st.integers(40, 400),
)
def test_the_result_is_within_its_tokens(told: list[tuple[Role, str]], last: str, room: int) -> None:
    messages = fitted([*(said(role, text) for role, text in told), said("user", last)], room)
    assert messages[-1].role == "user"
    assert sum(estimated_tokens(message.text) for message in messages) <= room
