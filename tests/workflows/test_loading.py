from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tests.workflows.workflow_texts import GOOD, edited, line_of
from workflows.errors import Problem, UsageError, WorkflowInvalid
from workflows.lint import check
from workflows.loading import content_hash, dump, load, parse
from workflows.spec import WorkflowSpec
from workflows.yaml_text import MAX_CHARACTERS


def problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(WorkflowInvalid) as caught:
        parse(text, "w.yaml")
    return caught.value.problems


def only_problem(text: str) -> Problem:
    (problem,) = problems(text)
    return problem


def test_a_good_file_is_read() -> None:
    spec = parse(GOOD)
    assert spec.models["two"].kind == "openai_compatible"
    assert spec.panels["review"].collect.policy(2).grace == 0.5
    assert spec.panels["review"].collect.timeout == 60.0
    assert list(spec.mounted) == ["review"]


def test_json_is_a_workflow_file_too() -> None:
    assert parse(json.dumps(YAML(typ="safe", pure=True).load(GOOD))) == parse(GOOD)


@pytest.mark.parametrize(
    ("change", "where", "near"),
    [
        (("synthesis: {", "syntesis: {"), "tools.review.syntesis", "synthesis"),
        (("temperature", "temprature"), "models.one.temprature", "temperature"),
        (("grace", "grase"), "tools.review.collect.grase", "grace"),
        (("name: risks, ", "promt: x, name: risks, "), "tools.review.branches.1.promt", "prompt"),
    ],
)
def test_an_unknown_key_is_refused_and_the_nearest_named(
    change: tuple[str, str], where: str, near: str
) -> None:
    text = edited(change)
    problem = only_problem(text)
    assert (problem.file, problem.where, problem.rule) == ("w.yaml", where, "unknown-key")
    assert problem.line == line_of(text, change[1].split(":")[0])
    assert f"did you mean `{near}`?" in problem.message


def test_an_unknown_key_like_no_other_gets_the_list_of_known_ones() -> None:
    problem = only_problem(edited(("  tools: [review]", "  tools: [review]\n  zzz: 1")))
    assert "`model`, `system`, `examples`, `tools`" in problem.message


@pytest.mark.parametrize(
    ("change", "where", "sentence"),
    [
        (("version: 1", 'version: "1"'), "version", "must be 1"),
        (("version: 1\n", ""), "version", "this key is needed"),
        (("name: small-review", "name: Small Review"), "name", "must be a name of lower-case"),
        (("temperature: 0.4", "temperature: hot"), "models.one.temperature", "must be a number"),
        (("temperature: 0.4", "temperature: 3"), "models.one.temperature", "must be at most 2"),
        (("temperature: 0.4", "max_tokens: true"), "models.one.max_tokens", "must be a whole number"),
        (("temperature: 0.4", 'max_tokens: "4"'), "models.one.max_tokens", "must be a whole number"),
        (("temperature: 0.4", "script: 3"), "models.one.script", "must be text or a list"),
        (("temperature: 0.4", "fallbacks: main"), "models.one.fallbacks", "must be a list"),
        (("http://", "ftp://"), "models.two.base_url", "must begin with http:// or https://"),
        (("UPSTREAM_KEY", "sk-123"), "models.two.api_key_env", "the name of an environment variable"),
        (("mode: fusion", "mode: panel"), "tools.review.mode", "must be `fusion`"),
        (("grace: 500ms", "grace: soon"), "tools.review.collect.grace", "is not a duration"),
        (("grace: 500ms", "grace: -1"), "tools.review.collect.grace", "must be at least 0"),
        (("Reviews a problem.", '""'), "tools.review.description", "must not be empty"),
        (("main: {model: openai/gpt-5.5}", "main: x"), "models.main", "must be an object"),
        (("{model: openai/gpt-5.5}", "{provider: embedded}"), "models.main", "`model` is needed"),
        (("review]", "review, 3]"), "main.tools.1", "must be text"),
        (("  review:", "  bad name:"), "tools.bad name", "must be a name of at most 64 letters"),
    ],
)
def test_every_mistake_has_its_place_line_and_a_plain_sentence(
    change: tuple[str, str], where: str, sentence: str
) -> None:
    text = edited(change)
    problem = next(p for p in problems(text) if p.where == where)
    assert sentence in problem.message
    assert problem.line == (line_of(text, change[1].strip()) if change[1] else 1)


def test_all_mistakes_are_told_at_once_in_the_order_of_lines() -> None:
    text = edited(
        ("temperature: 0.4", "temprature: 1"), ("quorum: 2", "quorum: 0"), ("mode: fusion", "mode: x")
    )
    found = problems(text)
    assert [p.where for p in found] == [
        "models.one.temprature",
        "tools.review.mode",
        "tools.review.collect.quorum",
    ]


@pytest.mark.parametrize(
    ("change", "where", "name", "near"),
    [
        (("risks, model: two", "risks, model: twoo"), "tools.review.branches.1.model", "twoo", "two"),
        (
            ("synthesis: {model: main}", "synthesis: {model: man}"),
            "tools.review.synthesis.model",
            "man",
            "main",
        ),
        (("  model: main\n", "  model: mainn\n"), "main.model", "mainn", "main"),
        (("tools: [review]", "tools: [revue]"), "main.tools.0", "revue", "review"),
        (("temperature: 0.4", "fallbacks: [main, tow]"), "models.one.fallbacks.1", "tow", "two"),
    ],
)
def test_an_undefined_name_is_refused_where_it_stands(
    change: tuple[str, str], where: str, name: str, near: str
) -> None:
    text = edited(change)
    problem = only_problem(text)
    assert (problem.where, problem.rule, problem.line) == (
        where,
        "undefined-name",
        line_of(text, change[1].strip()),
    )
    assert f"`{name}` is not defined" in problem.message
    assert f"did you mean `{near}`?" in problem.message


def test_branch_names_differ_and_leave_synthesis_its_name() -> None:
    twice = only_problem(edited(("name: risks", "name: broad")))
    taken = only_problem(edited(("name: risks", "name: synthesis")))
    assert (twice.where, taken.where) == ("tools.review.branches.1.name",) * 2
    assert twice.rule == "branch-name"


@pytest.mark.parametrize("secret", ["sk-verysecret0123456789", "hunter2"])
def test_no_message_repeats_a_value(secret: str) -> None:
    for place in ("temperature: 0.4", "model: my-model", "api_key_env: UPSTREAM_KEY", "mode: fusion"):
        key = place.split(":")[0]
        for value in (f"[{secret}]", f"'{secret} {secret}'", f"{{x: {secret}}}"):
            text = edited((place, f"{key}: {value}"))
            assert secret not in "\n".join(map(str, check(text)))


def test_messages_are_free_of_pydantic() -> None:
    text = edited(
        ("version: 1", "version: []"), ("temperature: 0.4", "extra: 3"), ("tools: [review]", "tools: {}")
    )
    told = "\n".join(map(str, problems(text)))
    for jargon in ("pydantic", "Input should", "validation", "type=", "instance of", "[key]", "Spec"):
        assert jargon not in told


@given(st.text(max_size=60), st.sampled_from(GOOD.splitlines()))
def test_any_edit_of_a_file_is_read_or_refused(junk: str, line: str) -> None:
    check(GOOD.replace(line, f"{line}{junk}"))  # which turns WorkflowInvalid into problems, and nothing else


def test_a_file_is_loaded_and_its_name_is_in_the_problems(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("\ufeff" + GOOD, encoding="utf-8")
    bad.write_text(edited(("mode:", "mood:")), encoding="utf-8")
    assert load(good) == parse(GOOD)
    with pytest.raises(WorkflowInvalid, match=r"bad\.yaml:12: "):
        load(str(bad))


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"x: " + b"y" * (5 * MAX_CHARACTERS)])
def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "w.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"w\.yaml"):
        load(path)


NAMES = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,4})?", fullmatch=True)
# Lone surrogates are no text, and YAML has no way to say them.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
SECONDS = st.floats(min_value=0, allow_nan=False, allow_infinity=False)


@st.composite
def workflows(draw: st.DrawFn) -> WorkflowSpec:  # long: the shape of a whole file
    aliases = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    alias = st.sampled_from(aliases)
    model: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {"model": TEXTS},
        optional={
            "temperature": st.floats(0, 2),
            "max_tokens": st.integers(1),
            "headers": st.dictionaries(TEXTS, TEXTS, max_size=2),
            "extra": st.dictionaries(TEXTS, JSON, max_size=2),
            "fallbacks": st.lists(alias, max_size=2),
        },
    )
    examples = st.lists(st.fixed_dictionaries({"user": TEXTS, "assistant": TEXTS}), max_size=2)
    branch: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {"name": NAMES, "model": alias, "prompt": TEXTS},
        optional={"system": TEXTS, "examples": examples, "timeout": SECONDS},
    )
    tool: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {
            "mode": st.just("fusion"),
            "description": TEXTS,
            "branches": st.lists(
                branch.filter(lambda b: b["name"] not in {"synthesis", "repair"}),
                min_size=1,
                max_size=4,
                unique_by=lambda b: b["name"],
            ),
            "synthesis": st.fixed_dictionaries({"model": alias}, optional={"prompt": TEXTS}),
        },
        optional={"input_schema": st.dictionaries(TEXTS, JSON, max_size=2)},
    )
    tools = draw(st.dictionaries(NAMES, tool, max_size=2))
    return WorkflowSpec.model_validate(
        {
            "version": 1,
            "name": draw(NAMES),
            "description": draw(TEXTS),
            "models": {name: draw(model) for name in aliases},
            "main": {"model": aliases[0], "tools": list(tools), "examples": draw(examples)},
            "tools": tools,
        }
    )


@given(workflows())
def test_what_is_dumped_is_read_back_as_it_was(spec: WorkflowSpec) -> None:
    again = parse(dump(spec))
    assert again == spec
    assert content_hash(again) == content_hash(spec)


def test_a_dump_leaves_defaults_out_and_keeps_blocks_readable() -> None:
    text = dump(parse(edited(('"Doubt {{ task }}"', '"Doubt:\\n{{ task }}\\n"'))))
    assert "prompt: |\n          Doubt:\n          {{ task }}\n" in text
    for default in ("temperature: null", "fallbacks", "trigger", "limits", "input_schema"):
        assert default not in text


def test_the_hash_ignores_comments_order_and_written_defaults() -> None:
    plain = content_hash(parse(GOOD))
    assert content_hash(parse("# hello\n" + GOOD)) == plain
    assert content_hash(parse(edited(("mode: fusion", "trigger: auto\n    mode: fusion")))) == plain
    assert content_hash(parse(edited(("timeout: 1m, deadline: 150", "deadline: 150s, timeout: 60")))) == plain


@pytest.mark.parametrize("change", [("Doubt", "doubt"), ("0.4", "0.5"), ("quorum: 2", "quorum: 1")])
def test_the_hash_changes_with_what_the_workflow_says(change: tuple[str, str]) -> None:
    assert content_hash(parse(edited(change))) != content_hash(parse(GOOD))
