"""The analysis: its schema, its reading from a model's text, and names for people."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from workflows.analysis import (
    Analysis,
    Contradiction,
    PartialPoint,
    Stance,
    UniqueInsight,
    named,
    prose,
    schema,
)
from workflows.analysis_parsing import Unparsed, parse, repair_request
from workflows.candidates import Shuffle

LETTERS = ("A", "B", "C")
FULL = Analysis(
    consensus=("Roll back first.",),
    contradictions=(Contradiction("Database", (Stance("A", "keep it"), Stance("B", "replace it"))),),
    partial_coverage=(PartialPoint("Costs", ("A", "C")),),
    unique_insights=(UniqueInsight("C", "The index is missing."),),
    blind_spots=("Nobody asked the users.",),
    advice="Roll back, then measure.",
    confidence=0.8,
    used_candidates=("A", "C"),
)

said = st.text(st.sampled_from("abcdefg hijk.,"), min_size=3, max_size=30).map(
    lambda t: f"Say {t.strip(' ,.')} now"
)
who = st.sampled_from(LETTERS)
analyses = st.builds(
    Analysis,
    consensus=st.lists(said, min_size=1, max_size=3).map(tuple),
    contradictions=st.lists(
        st.builds(Contradiction, said, st.lists(st.builds(Stance, who, said), max_size=3).map(tuple)),
        max_size=2,
    ).map(tuple),
    partial_coverage=st.lists(
        st.builds(PartialPoint, said, st.lists(who, unique=True, max_size=3).map(tuple)), max_size=2
    ).map(tuple),
    unique_insights=st.lists(st.builds(UniqueInsight, who, said), max_size=2).map(tuple),
    blind_spots=st.lists(said, max_size=2).map(tuple),
    advice=said,
    confidence=st.floats(min_value=0, max_value=1),
    used_candidates=st.lists(who, unique=True, max_size=3).map(tuple),
)


def written(analysis: Analysis) -> dict[str, Any]:
    """What a model that obeys the schema writes."""
    told = analysis.to_json()
    del told["notes"]
    return json.loads(json.dumps(told))  # type: ignore[no-any-return]


def read(text: str | dict[str, Any]) -> Analysis:
    found = parse(text if isinstance(text, str) else json.dumps(text), LETTERS)
    assert isinstance(found, Analysis), found
    return found


@given(analyses)
def test_what_obeys_the_schema_is_read_without_notes(analysis: Analysis) -> None:
    told = written(analysis)
    Draft202012Validator(schema(LETTERS)).validate(told)
    assert read(told) == analysis


def test_the_schema_is_strict() -> None:
    """OpenAI's strict mode: every object closed, everything required, no bounds on numbers."""

    def objects(node: Any) -> list[dict[str, Any]]:
        inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        own = [node] if isinstance(node, dict) and node.get("type") == "object" else []
        return own + [found for value in inner for found in objects(value)]

    for node in objects(schema()):
        assert node["additionalProperties"] is False
        assert node["required"] == list(node["properties"])
    assert "minimum" not in json.dumps(schema())
    Draft202012Validator.check_schema(schema(LETTERS))
    assert set(schema()["properties"]) == set(written(FULL))


@pytest.mark.parametrize(
    "around",
    [
        "@",
        "Here is my analysis:\n\n```json\n@\n```\nLet me know!",
        '<think>What would {"consensus": ["draft"]} be?</think>@',
        '{"analysis": @}',
        '{"status": "ok", "result": @}',
    ],
)
def test_it_is_found_wherever_it_stands(around: str) -> None:
    assert read(around.replace("@", json.dumps(written(FULL)))) == FULL


def test_it_is_found_when_encoded_twice() -> None:
    assert read(json.dumps(json.dumps(written(FULL)))) == FULL
    assert read({"output": json.dumps(written(FULL))}) == FULL


def test_the_fullest_object_wins() -> None:
    assert read('{"consensus": ["one"]} Better: ' + json.dumps(written(FULL))) == FULL


def test_objects_may_come_as_strings() -> None:
    told = written(FULL)
    told["contradictions"] = [json.dumps(item) for item in told["contradictions"]]
    told["unique_insights"] = json.dumps(told["unique_insights"])
    assert read(told) == FULL


def test_prose_may_come_for_objects() -> None:
    found = read(
        {
            "consensus": "Roll back first.",
            "contradictions": ["They disagree on the database."],
            "unique_insights": ["Candidate B: the index is missing", "Somebody saw the cache."],
            "partial_coverage": "A - costs",
            "advice": ["Roll back.", "Measure."],
        }
    )
    assert found.consensus == ("Roll back first.",)
    assert found.contradictions == (Contradiction("They disagree on the database."),)
    assert found.unique_insights == (
        UniqueInsight("B", "the index is missing"),
        UniqueInsight("", "Somebody saw the cache."),
    )
    assert found.partial_coverage == (PartialPoint("costs", ("A",)),)
    assert found.advice == "Roll back.\nMeasure."


def test_single_objects_may_come_for_lists() -> None:
    told = written(FULL)
    for key in ("contradictions", "partial_coverage", "unique_insights"):
        told[key] = told[key][0]
    told["consensus"], told["blind_spots"] = told["consensus"][0], told["blind_spots"][0]
    assert read(told) == FULL


def test_maps_may_come_for_lists_of_objects() -> None:
    found = read(
        {
            "advice": "Go.",
            "contradictions": {"Database": {"A": "keep it", "B": "replace it"}},
            "unique_insights": {"A": ["one", "two"], "Candidate B": "three"},
            "partial_coverage": {"Costs": ["A", "C"]},
            "used_candidates": {"A": True, "B": False},
        }
    )
    assert found.contradictions == FULL.contradictions
    assert [(u.candidate, u.insight) for u in found.unique_insights] == [
        ("A", "one"),
        ("A", "two"),
        ("B", "three"),
    ]
    assert found.partial_coverage == FULL.partial_coverage
    assert found.used_candidates == ("A",)


def test_stances_may_be_shared_or_keyed() -> None:
    found = read(
        {
            "contradictions": [
                {"issue": "Database", "positions": [{"candidates": ["A", "C"], "position": "keep it"}]},
                {"topic": "Queue", "B": "use one", "C": "do without"},
            ]
        }
    )
    assert found.contradictions[0].stances == (Stance("A", "keep it"), Stance("C", "keep it"))
    assert found.contradictions[1].stances == (Stance("B", "use one"), Stance("C", "do without"))


@pytest.mark.parametrize(
    ("key", "field"),
    [
        ("Points of Agreement", "consensus"),
        ("blindSpots", "blind_spots"),
        ("BLIND-SPOTS", "blind_spots"),
        ("commonGround", "consensus"),
    ],
)
def test_keys_have_synonyms(key: str, field: str) -> None:
    assert getattr(read({key: ["x is so"], "recommendation": "Go."}), field) == ("x is so",)
    assert read({key: ["x is so"], "recommendation": "Go."}).advice == "Go."


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (0.8, 0.8), (1, 1.0), (0, 0.0), ("0.8", 0.8), ("80%", 0.8), (80, 0.8), ("80 percent", 0.8), ("8/10", 0.8),
        (8, 0.8), ("8 out of 10", 0.8), ("high", 0.85), ("Very high.", 0.95), ("medium-high", 0.7),
        ("fairly low, given the evidence", 0.2), ({"score": 0.8, "why": "x"}, 0.8), ("0,8", 0.8),
    ],
)  # fmt: skip
def test_confidence_is_understood(told: Any, expected: float) -> None:
    assert read({"advice": "Go.", "confidence": told}).confidence == pytest.approx(expected)


@pytest.mark.parametrize("told", ["as sure as eggs", -3, 500, "120%", True])
def test_a_confidence_that_means_nothing_is_none(told: Any) -> None:
    assert read({"advice": "Go.", "confidence": told}).confidence is None


def test_a_confidence_that_is_no_number_is_none() -> None:
    assert read('{"advice": "Go.", "confidence": NaN}').confidence is None


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("A", ("A",)), ("Candidate A", ("A",)), ("response b", ("B",)), ("candidate_c", ("C",)), ("[A]", ("A",)),
        ("A and B", ("A", "B")), ("A, C", ("A", "C")), (["A", "a", "Answer A"], ("A",)), ("Candidates A & B", ("A", "B")),
        ("all", LETTERS), ("All candidates", LETTERS), ("", ()), ([], ()),
    ],
)  # fmt: skip
def test_letters_are_normalised(told: Any, expected: tuple[str, ...]) -> None:
    found = read({"advice": "Go.", "used_candidates": told})
    assert found.used_candidates == expected
    assert not any("unknown" in note for note in found.notes)


def test_unknown_letters_are_dropped_and_noted() -> None:
    found = read({"unique_insights": [{"candidate": "Z", "insight": "Kept."}], "used_candidates": ["A", "Q"]})
    assert found.unique_insights == (UniqueInsight("", "Kept."),)
    assert found.used_candidates == ("A",)
    assert [note for note in found.notes if "unknown candidate" in note] == [
        "unknown candidate dropped: Z",
        "unknown candidate dropped: Q",
    ]


def test_what_was_left_out_is_noted() -> None:
    assert "confidence" in read({"advice": "Go."}).notes[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I cannot do that.",
        "{}",
        '{"foo": 1}',
        '{"consensus": [], "advice": ""}',
        '{"confidence": 0.9}',
        '{"used_candidates": ["A"]}',
        '<think>{"advice": "Go."}</think>',
        '{"consensus": ["..."], "advice": "..."}',
    ],
)
def test_a_text_without_an_analysis_is_unparsed(text: str) -> None:
    found = parse(text, LETTERS)
    assert isinstance(found, Unparsed)
    assert found.problems


@given(st.text(max_size=300))
def test_any_text_is_survived(text: str) -> None:
    assert isinstance(parse(text, LETTERS), Analysis | Unparsed)


@given(analyses, st.data())
def test_a_cut_analysis_is_survived(analysis: Analysis, data: st.DataObject) -> None:
    text = json.dumps(written(analysis))
    assert isinstance(
        parse(text[: data.draw(st.integers(min_value=0, max_value=len(text)))], LETTERS), Analysis | Unparsed
    )


def test_an_analysis_that_was_cut_keeps_what_it_had() -> None:
    text = json.dumps(written(FULL))
    found = read(text[: text.index("replace it") + 4])
    assert found.consensus == FULL.consensus
    assert found.contradictions[0].stances[0] == Stance("A", "keep it")


def test_the_repair_asks_for_the_same_content_in_form() -> None:
    asked = repair_request("<think>secret</think>My view: roll back.", ("no JSON object",))
    assert "My view: roll back." in asked
    assert "no JSON object" in asked
    assert "secret" not in asked
    assert json.dumps(schema()) in asked


def test_people_see_names() -> None:
    shuffle = Shuffle(1, ("broad", "risks", "diverse"), (2, 0, 1))  # A diverse, B broad, C risks
    spoken = replace(
        FULL, advice="Candidate A and Responses B and C agree; plan A is fine, Candidate Z is not."
    )
    seen = named(spoken, shuffle)
    assert seen.contradictions[0].stances == (Stance("diverse", "keep it"), Stance("broad", "replace it"))
    assert seen.partial_coverage[0].candidates == ("diverse", "risks")
    assert seen.unique_insights[0].candidate == "risks"
    assert seen.used_candidates == ("diverse", "risks")
    assert seen.advice == "diverse and broad and risks agree; plan A is fine, Candidate Z is not."


def test_prose_has_every_statement_and_no_letter() -> None:
    lines = prose(FULL).splitlines()
    assert lines == [
        "Roll back first.",
        "Database",
        "keep it",
        "replace it",
        "Costs",
        "The index is missing.",
        "Nobody asked the users.",
        "Roll back, then measure.",
    ]
