from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workflows.workflow_texts import GOOD, edited, line_of
from workflows.errors import Problem
from workflows.lint import check, lint
from workflows.loading import parse


def only(text: str) -> Problem:
    (problem,) = check(text, "w.yaml")
    return problem


SCHEMA = "description: Reviews a problem.\n    input_schema: "


def with_schema(schema: str) -> str:
    return edited(("description: Reviews a problem.", f"{SCHEMA}{schema}"), (" and {{ background }}", ""))


def test_a_good_file_has_no_problems() -> None:
    assert check(GOOD) == ()


def test_a_file_that_cannot_be_read_has_the_loaders_problems() -> None:
    assert [p.rule for p in check("a: [")] == ["yaml"]
    assert [p.rule for p in check(edited(("mode:", "mood:")))] == ["unknown-key"]


@pytest.mark.parametrize(
    ("changes", "where", "rule", "said"),
    [
        ((("task }} and", "tsk }} and"),), "tools.review.branches.0.prompt", "unknown-variable", "did you mean `task`"),
        ((("{{ task }} and", "{{ zzz }} and"),), "tools.review.branches.0.prompt", "unknown-variable", "known here"),
        ((("Doubt {{ task }}", "Doubt {{ task"),), "tools.review.branches.1.prompt", "template-syntax", "line 1"),
        ((("Doubt {{ task }}", "Doubt {{ task | up }}"),), "tools.review.branches.1.prompt", "template-syntax", "no filter"),
        ((("Doubt {{ task }}", "Doubt it"),), "tools.review.branches.1.prompt", "task-not-mentioned", "{{ task }}"),
        ((("Doubt {{ task }}", "Doubt {{ tool }}"),), "tools.review.branches.1.prompt", "task-not-mentioned", "{{ task }}"),
        ((("synthesis: {model: main}", "synthesis: {model: main, prompt: 'Merge {{ task }}'}"),), "tools.review.synthesis.prompt", "evidence-not-mentioned", "{{ evidence }}"),
        ((("synthesis: {model: main}", 'synthesis: {model: main, prompt: "{{ evidense }}"}'),), "tools.review.synthesis.prompt", "unknown-variable", "`evidence`"),
        ((("  one: {", "  three: {model: x}\n  one: {"),), "models.three", "unused-model", "nothing uses"),
        ((("tools: [review]", "tools: [review, review]"),), "main.tools", "duplicate-tool", "2 times"),
        ((("quorum: 2", "quorum: 3"),), "tools.review.collect.quorum", "quorum-too-large", "at most 2"),
        ((("UPSTREAM_KEY", "UPSTREAM_KEY, headers: {Authorization: abc}"),), "models.two.headers.Authorization", "secret-literal", "api_key_env"),
        ((("UPSTREAM_KEY", "UPSTREAM_KEY, headers: {X-Org: sk-abcdefghij0123456789}"),), "models.two.headers.X-Org", "secret-literal", "secret"),
        ((("UPSTREAM_KEY", "UPSTREAM_KEY, extra: {a: [{api_key: abc}]}"),), "models.two.extra.a.0.api_key", "secret-literal", "secret"),
        ((("http://127.0.0.1:9100/v1", "http://me:pw@127.0.0.1/v1"),), "models.two.base_url", "secret-literal", "secret"),
        ((("http://127.0.0.1:9100/v1", "http://127.0.0.1/v1?api_key=x"),), "models.two.base_url", "secret-literal", "secret"),
    ],
)  # fmt: skip
def test_every_rule_finds_its_mistake_with_place_and_line(
    changes: tuple[tuple[str, str], ...], where: str, rule: str, said: str
) -> None:
    text = edited(*changes)
    problem = only(text)
    assert (problem.where, problem.rule, problem.severity, problem.file) == (where, rule, "error", "w.yaml")
    assert said in problem.message
    assert problem.line == line_of(text, changes[0][1].strip().splitlines()[0])


@pytest.mark.parametrize(
    ("change", "where", "rule"),
    [
        (("timeout: 1m", "timeout: 151s"), "tools.review.collect.timeout", "timeout-over-deadline"),
        (
            ("name: risks,", "name: risks, timeout: 3m,"),
            "tools.review.branches.1.timeout",
            "timeout-over-deadline",
        ),
        (
            ("  model: main\n", '  model: main\n  system: "Do {{ task }}"\n'),
            "main.system",
            "template-in-plain-text",
        ),
    ],
)
def test_what_is_unwise_but_works_is_a_warning(change: tuple[str, str], where: str, rule: str) -> None:
    problem = only(edited(change))
    assert (problem.where, problem.rule, problem.severity) == (where, rule, "warning")
    assert str(problem).startswith(f"w.yaml:{problem.line}: warning: {where}: ")


def test_a_tool_that_is_not_mounted_is_told_where_it_is_defined() -> None:
    text = edited(("tools: [review]", "tools: []"))
    problem = only(text)
    assert (problem.where, problem.rule) == ("tools.review", "unreachable-tool")
    assert problem.line == line_of(text, "  review:")


def test_a_deadline_alone_may_be_shorter_than_the_usual_timeout() -> None:
    assert check(edited(("timeout: 1m, deadline: 150", "deadline: 30s"))) == ()


def test_a_panel_of_one_is_a_warning_and_the_usual_quorum_is_no_mistake() -> None:
    text = edited(
        ('      - {name: risks, model: two, prompt: "Doubt {{ task }}"}\n', ""),
        ("quorum: 2, ", ""),
        ("{model: main}\n", "{model: two}\n"),
    )
    assert [(p.rule, p.severity) for p in check(text)] == [("single-branch", "warning")]


def test_an_alias_used_only_as_a_fallback_is_used_unless_its_users_are_not() -> None:
    spare = edited(
        ("{model: openai/gpt-5.5}", "{model: openai/gpt-5.5, fallbacks: [spare]}\n  spare: {model: x}")
    )
    assert check(spare) == ()
    alone = edited(("  one: {", "  three: {model: x, fallbacks: [four]}\n  four: {model: y}\n  one: {"))
    assert [(p.where, p.rule) for p in check(alone)] == [
        ("models.three", "unused-model"),
        ("models.four", "unused-model"),
    ]


def test_every_alias_on_a_circle_of_fallbacks_is_told_and_no_other() -> None:
    text = edited(
        ("{model: openai/gpt-5.5}", "{model: openai/gpt-5.5, fallbacks: [one]}"),
        ("temperature: 0.4", "fallbacks: [two]"),
        ("api_key_env", "fallbacks: [one], api_key_env"),
    )
    assert [(p.where, p.rule) for p in check(text)] == [
        ("models.one.fallbacks", "fallback-cycle"),
        ("models.two.fallbacks", "fallback-cycle"),
    ]


@pytest.mark.parametrize(
    ("schema", "where", "said"),
    [
        ("{type: text, properties: {task: {}}}", ".type", "not valid JSON Schema"),
        ("{type: object, properties: {task: {pattern: '('}}}", ".properties.task.pattern", "not valid"),
        ("{properties: {task: {}}}", "", "must have `type: object`"),
        ("{type: object, properties: {task: {}}, required: [x]}", ".required", "`x` is required but not"),
        (
            "{type: object, properties: {task: {}, tool: {}}}",
            ".properties.tool",
            "have a variable of this name",
        ),
        (
            "{type: object, properties: {task: {$ref: 'https://x/y'}}}",
            ".properties.task.$ref",
            "must point to a part of this schema",
        ),
        (
            "{type: object, properties: {task: {$ref: '#/$defs/no'}}}",
            ".properties.task.$ref",
            "must point to a part of this schema",
        ),
    ],
)
def test_an_input_schema_must_be_one_that_providers_and_prompts_can_use(
    schema: str, where: str, said: str
) -> None:
    problem = only(with_schema(schema))
    assert (problem.where, problem.rule) == (f"tools.review.input_schema{where}", "input-schema")
    assert said in problem.message
    assert problem.line == line_of(GOOD, "description: Reviews") + 1


@pytest.mark.parametrize("pointer", ["#", "#/$defs/t", "#/$defs/a~1b%20c", "#/allOf/0"])
def test_references_inside_a_schema_are_fine(pointer: str) -> None:
    definitions = "$defs: {t: {type: string}, a/b c: true}, allOf: [{minProperties: 1}]"
    schema = f"{{type: object, properties: {{task: {{$ref: '{pointer}'}}}}, {definitions}}}"
    assert check(with_schema(schema)) == ()


def test_a_forced_tool_must_take_the_users_message_as_text() -> None:
    schema = (
        "{type: object, properties: {task: {type: string}, count: {type: integer}}, required: [task, count]}"
    )
    forced = with_schema(schema).replace("mode: fusion", "mode: fusion\n    trigger: always")
    assert [(p.where, p.rule) for p in check(forced)] == [
        ("tools.review.input_schema.properties.count", "always-needs-text")
    ]
    assert check(with_schema(schema)) == ()


def test_no_finding_repeats_a_secret() -> None:
    secret = "sk-abcdefghij0123456789"
    text = edited(("UPSTREAM_KEY", f"UPSTREAM_KEY, headers: {{X: {secret}}}, extra: {{y: {secret}}}"))
    told = "\n".join(map(str, check(text)))
    assert "secret-literal" in told
    assert secret not in told


@pytest.mark.parametrize("name", ["max_tokens", "X-Title", "tokenizer", "keyboard", "author"])
def test_harmless_names_are_no_secrets(name: str) -> None:
    assert check(edited(("UPSTREAM_KEY", f"UPSTREAM_KEY, headers: {{{name}: 'me'}}"))) == ()


def test_a_workflow_without_a_file_is_linted_without_lines() -> None:
    spec = parse(edited(("quorum: 2", "quorum: 3")))
    assert [(p.line, p.rule) for p in lint(spec)] == [(0, "quorum-too-large")]


def test_all_findings_come_in_the_order_of_lines() -> None:
    text = edited(("quorum: 2", "quorum: 3"), ("Doubt {{ task }}", "Doubt"), ("tools: [review]", "tools: []"))
    lines = [p.line for p in check(text)]
    assert lines == sorted(lines)
    assert len(lines) == 3


@given(st.text(max_size=40), st.sampled_from(["{{ task }}", "Doubt", "review", "gpt-5.5", "9100", "0.4"]))
def test_checking_never_raises(junk: str, part: str) -> None:
    check(GOOD.replace(part, junk))
