"""Lint rules about limits, conditions and adaptive panels."""

from __future__ import annotations

import pytest

from tests.workflows.workflow_texts import edited
from workflows.lint import check

TOOL = "description: Reviews a problem."
SYNTHESIS = "synthesis: {model: main}"


def found(*changes: tuple[str, str], end: str = "") -> list[tuple[str, str, str]]:
    return [(p.where, p.rule, p.severity) for p in check(edited(*changes) + end, "w.yaml")]


def with_tool(line: str) -> tuple[str, str]:
    return TOOL, f"{TOOL}\n    {line}"


def test_good_limits_and_conditions_are_no_problem() -> None:
    assert (
        found(
            with_tool(
                "when: {min_length: {task: 40}, media: any, max_calls: 2, arguments: {required: [task]}}"
            ),
            ("api_key_env", "price: {input: 0, output: 0}, api_key_env"),
            (SYNTHESIS, "synthesis: {model: main, skip_when_agreement: 0.9, output: answer}"),
            end="limits: {max_cost_usd: 0.5, max_tokens: 90000, max_seconds: 2m, max_panels_per_run: 1}\n",
        )
        == []
    )


def test_a_bound_on_money_needs_prices_that_nobody_else_can_know() -> None:
    bound = "limits: {max_cost_usd: 0.5}\n"
    assert found(end=bound) == [("models.two", "price-unknown", "error")]
    assert found(("http://127.0.0.1:9100/v1", "https://api.openai.com/v1"), end=bound) == []
    assert found(end="limits: {max_tokens: 9000}\n") == []


@pytest.mark.parametrize(
    ("line", "where", "rule"),
    [
        ("when: {min_length: {tsk: 4}}", "when.min_length.tsk", "unknown-argument"),
        ("when: {arguments: {type: text}}", "when.arguments.type", "input-schema"),
        ("when: {arguments: {$ref: 'http://x'}}", "when.arguments.$ref", "input-schema"),
        ("when: {max_calls: 0}", "when.max_calls", "invalid"),
        ("when: {min_length: {task: 0}}", "when.min_length.task", "invalid"),
        ("when: {media: video}", "when.media", "invalid"),
        ("when: {mim_length: {task: 4}}", "when.mim_length", "unknown-key"),
        ("panel: {start: 1}", "panel.start", "invalid"),
    ],
)
def test_conditions_that_cannot_be_met_are_errors(line: str, where: str, rule: str) -> None:
    assert found(with_tool(line)) == [(f"tools.review.{where}", rule, "error")]


@pytest.mark.parametrize(
    ("changes", "where", "rule"),
    [
        ((with_tool("panel: {start: 2}"),), "panel.start", "start-without-effect"),
        (
            ((SYNTHESIS, "synthesis: {model: main, skip_when_agreement: 0.3}"),),
            "synthesis.skip_when_agreement",
            "agreement-too-low",
        ),
        (
            (
                with_tool("panel: {start: 2}"),
                ("collect: {quorum: 2", "collect: {quorum: 3"),
                (
                    "    collect: {quorum: 3",
                    '      - {name: c, model: one, prompt: "{{ task }}"}\n    collect: {quorum: 3',
                ),
            ),
            "panel.start",
            "start-below-quorum",
        ),
    ],
)
def test_what_has_no_effect_or_is_unwise_is_a_warning(
    changes: tuple[tuple[str, str], ...], where: str, rule: str
) -> None:
    assert found(*changes) == [(f"tools.review.{where}", rule, "warning")]


@pytest.mark.parametrize("key", ["max_cost_usd", "max_tokens", "max_panels_per_run"])
def test_a_limit_of_nothing_is_refused(key: str) -> None:
    assert found(end=f"limits: {{{key}: 0}}\n") == [(f"limits.{key}", "invalid", "error")]


def test_a_main_llm_that_may_hardly_think_is_a_warning() -> None:
    assert found(end="limits: {max_silence: 5s}\n") == [
        ("limits.max_silence", "silence-too-short", "warning")
    ]
    assert found(end="limits: {max_silence: 2m}\n") == []
    assert [severity for *_, severity in found(end="limits: {max_silence: 0}\n")] == ["error"]
