from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.models.scripted.script import Script
from workflows.errors import WorkflowInvalid
from workflows.messages import ChatRequest, Message, ResponseFormat, Text, Tool, ToolResult

ASKED = ChatRequest(
    (Message.of("system", "You judge risks."), Message.of("user", "Review the plan")),
    (Tool("problem_review", "", {}),),
    response_format=ResponseFormat("json_object"),
)


def chosen(*rules: dict[str, Any], request: ChatRequest = ASKED, model: str = "critic") -> str | None:
    turn = Script.read(list(rules)).turn(request, model)
    return None if turn is None else turn.rule.text(request)


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        ({"contains": "plan"}, True),
        ({"contains": "risks"}, False),
        ({"anywhere": "risks"}, True),
        ({"system_contains": "risks"}, True),
        ({"system_contains": "plan"}, False),
        ({"model": "critic"}, True),
        ({"model": "broad"}, False),
        ({"has_tool": "problem_review"}, True),
        ({"has_tool": "other"}, False),
        ({"has_result": False}, True),
        ({"has_result": True}, False),
        ({"wants_json": True}, True),
        ({"wants_json": False}, False),
        ({"turn": 1}, True),
        ({"turn": 2}, False),
        ({"contains": "plan", "model": "broad"}, False),
        ({}, True),
    ],
)
def test_a_rule_applies_when_every_given_condition_holds(match: dict[str, Any], fits: bool) -> None:
    assert (chosen({"match": match, "answer": "this one"}) == "this one") is fits


def test_the_first_rule_that_fits_decides() -> None:
    assert chosen({"match": {"model": "x"}, "answer": "1"}, {"answer": "2"}, {"answer": "3"}) == "2"


def test_a_tools_result_is_heard_like_any_last_message() -> None:
    request = ChatRequest((*ASKED.messages, Message("tool", (ToolResult("a", (Text("the notes"),)),))))
    assert (
        chosen({"match": {"contains": "notes", "has_result": True}, "echo": True}, request=request)
        == "the notes"
    )


def test_a_rule_with_times_is_used_up_and_the_next_takes_over() -> None:
    script = Script.read([{"answer": "first", "times": 2}, {"answer": "later"}])
    said = [turn.rule.answer for _ in range(4) if (turn := script.turn(ASKED, "m"))]
    assert said == ["first", "first", "later", "later"]


def test_turns_are_counted_for_each_model_by_itself() -> None:
    script = Script.read([{"match": {"turn": 2}, "answer": "second"}, {"answer": "other"}])
    turns = [script.turn(ASKED, model) for model in ("a", "b", "a", "b", "a")]
    assert [turn.rule.answer for turn in turns if turn] == ["other", "other", "second", "second", "other"]


def test_a_heavy_tail_is_the_same_for_the_same_seed_and_never_below_its_minimum() -> None:
    def delays(seed: int) -> list[float]:
        tail = {"pareto": {"min": "100ms", "alpha": 1.2, "max": "5s"}, "seed": seed}
        script = Script.read([{"answer": "x", "delay": tail}])
        return [turn.delay for _ in range(200) if (turn := script.turn(ASKED, "m"))]

    assert delays(7) == delays(7) != delays(8)
    assert min(delays(7)) >= 0.1
    assert max(delays(7)) <= 5.0
    assert len(set(delays(7))) > 100


@given(st.text(max_size=60), st.integers(1, 20))
def test_the_pieces_of_an_answer_add_up_to_it(text: str, chunks: int) -> None:
    (turn,) = [Script.read([{"answer": text, "chunks": chunks}]).turn(ASKED, "m")]
    assert turn is not None
    pieces = turn.rule.pieces(ASKED)
    assert "".join(pieces) == text
    assert len(pieces) <= chunks


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        ({"answer": "x", "echo": True}, "exactly one"),
        ({}, "exactly one"),
        ({"anser": "x"}, "anser"),
        ({"answer": "x", "match": {"contain": "y"}}, "match.contain"),
        ({"fail": {"status": 200}}, "fail.status"),
        ({"answer": "x", "delay": "soon"}, "delay"),
    ],
)
def test_what_is_wrong_in_a_script_is_named(rule: dict[str, Any], named: str) -> None:
    with pytest.raises(WorkflowInvalid, match=named):
        Script.read([rule])
