"""Whose calls are counted together, and what is said when they cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from tests.workflows.workflow_texts import edited
from workflows.accounts import account, declared, disagreements
from workflows.lint import check
from workflows.loading import parse
from workflows.quota import RateLimits
from workflows.spec import ModelLimitsSpec, ModelSpec, WorkflowSpec

HERE = "http://127.0.0.1:9100/v1"
OPENAI = "https://api.openai.com/v1"


def model(name: str = "m", base_url: str | None = HERE, **fields: Any) -> ModelSpec:
    return ModelSpec.model_validate({"model": name, "base_url": base_url, **fields})


def workflow(name: str, **models: ModelSpec) -> WorkflowSpec:
    return WorkflowSpec.model_validate(
        {"version": 1, "name": name, "models": models, "main": {"model": next(iter(models))}}
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (model(), model(temperature=0.3)),
        (model(), model(base_url="http://127.0.0.1:9100/v1/")),
        (model(), model(base_url="http://user:word@127.0.0.1:9100/v1")),
        (model("a", limits={"rpm": 1, "per": "account"}), model("b", limits={"rpm": 1, "per": "account"})),
        (model("openai/gpt-5.5", None), model("gpt-5.5", OPENAI, api_key_env="OPENAI_API_KEY")),
    ],
)
def test_the_same_model_behind_the_same_address_with_the_same_key_is_one_account(
    one: ModelSpec, other: ModelSpec
) -> None:
    assert account(one) == account(other)


@pytest.mark.parametrize(
    "other",
    [
        model("n"),
        model(base_url="http://127.0.0.1:9101/v1"),
        model(base_url="http://127.0.0.1:9100/other"),
        model(api_key_env="OTHER_KEY"),
        model("openai/m", None),
    ],
)
def test_another_model_address_or_key_is_another_account(other: ModelSpec) -> None:
    assert account(model()) != account(other)


def test_no_password_of_an_address_is_in_an_accounts_name() -> None:
    assert "word" not in account(model(base_url="http://user:word@127.0.0.1:9100/v1"))


def test_of_several_declarations_the_strictest_counts() -> None:
    one = workflow("one", main=model(limits={"rpm": 60, "max_parallel_requests": 8}), free=model("free"))
    other = workflow("other", main=model(limits={"rpm": 90, "tpm": 1000}))
    assert declared([one, other]) == {account(model()): RateLimits(8, 60, 1000)}


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        ({"rpm": 60}, {"rpm": 90}, "the strictest of both hold"),
        ({"rpm": 60}, None, "has none"),
        (None, {"rpm": 60}, "not counted"),
        ({"rpm": 60}, {"rpm": 60, "per": "account"}, "not together"),
        ({"rpm": 60}, {"rpm": 60}, ""),
        ({"rpm": 60}, {"rpm": 60, "max_wait": 3}, ""),
        (None, None, ""),
    ],
)
def test_workflows_that_do_not_say_the_same_about_one_account_are_told_so(
    ours: dict[str, Any] | None, theirs: dict[str, Any] | None, said: str
) -> None:
    one, other = workflow("one", main=model(limits=ours)), workflow("other", talk=model(limits=theirs))
    found = list(disagreements(one, [other]))
    assert [place for place, _ in found] == [("models", "main")] * bool(said)
    assert all(said in sentence and "`talk` of `other`" in sentence for _, sentence in found)


def test_of_other_accounts_nothing_is_said() -> None:
    limited = workflow("one", main=model(limits={"rpm": 1}))
    assert not list(disagreements(limited, [workflow("other", main=model("n"))]))


def test_lint_says_once_that_a_model_of_the_same_account_is_not_counted() -> None:
    text = edited(
        ("api_key_env: UPSTREAM_KEY}", "api_key_env: UPSTREAM_KEY, limits: {rpm: 60}}"),
        (
            "  one: {model: gemini/gemini-3.5-flash, temperature: 0.4}",
            f"  one: {{model: my-model, base_url: '{HERE}', api_key_env: UPSTREAM_KEY}}",
        ),
    )
    assert [(p.where, p.rule, p.severity) for p in check(text)] == [
        ("models.one", "limits-differ", "warning")
    ]


def test_limits_are_read_from_the_file() -> None:
    written = "limits: {max_parallel_requests: 20, rpm: 500, tpm: 200000, max_wait: 5s, per: account}"
    text = edited(("api_key_env: UPSTREAM_KEY}", f"api_key_env: UPSTREAM_KEY, {written}}}"))
    assert check(text) == ()
    assert parse(text).models["two"].limits == ModelLimitsSpec(
        max_parallel_requests=20, rpm=500, tpm=200000, max_wait=5.0, per="account"
    )


@pytest.mark.parametrize("written", ["{}", "{rpm: 0}", "{rpms: 5}", "{max_wait: 3s}", "{per: key, rpm: 3}"])
def test_limits_that_limit_nothing_are_refused(written: str) -> None:
    text = edited(("api_key_env: UPSTREAM_KEY}", f"api_key_env: UPSTREAM_KEY, limits: {written}}}"))
    assert [p.severity for p in check(text)] == ["error"]
