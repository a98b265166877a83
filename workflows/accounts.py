"""Which calls are counted together: those of one account at a provider.

An account is an address (or the provider that LiteLLM calls), the name of the variable that holds its key, and, unless its
limits say ``per: account``, the model: providers count each model for itself. So whoever calls the same model with the
same key shares its limits, in whatever workflow and process. Where several declare different limits for one account, the
strictest of them hold; a model without `limits` is not counted at all, also not where others of its account are.

The key itself is never part of an account's name, and neither is what an address may say before its host.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from workflows.failure import Problem
from workflows.quota import RateLimits
from workflows.spec import ModelLimitsSpec, ModelSpec, Place, WorkflowSpec
from workflows.tariff import LISTED_HOSTS
from workflows.yaml_text import dotted

RULE = "limits-differ"
"""The name of the rule that models of one account have the same limits."""


def account(model: ModelSpec) -> str:
    """The account that a model's calls are counted for, for example ``openai OPENAI_API_KEY gpt-5.5``."""
    one_for_all = model.limits is not None and model.limits.per == "account"
    return _upstream(model) if one_for_all else f"{_upstream(model)} {_bare(model)}"


def declared(workflows: Iterable[WorkflowSpec]) -> dict[str, RateLimits]:
    """The strictest limits of every account that these workflows declare any for."""
    strictest: dict[str, RateLimits] = {}
    for model in (model for workflow in workflows for model in workflow.models.values()):
        if model.limits is not None:
            name, limits = account(model), model.limits.policy()
            strictest[name] = strictest[name].strictest(limits) if name in strictest else limits
    return strictest


def disagreements(workflow: WorkflowSpec, others: Iterable[WorkflowSpec]) -> Iterator[tuple[Place, str]]:
    """Where models of a workflow and of others, or of itself, have one account and not the same limits.

    Yields the place in `workflow` and a sentence; one for each of its models and each other workflow at most.
    """
    for alias, model in workflow.models.items():
        for other in others:
            rivals = [(name, rival) for name, rival in other.models.items() if _may_share(model, rival)]
            own = other is workflow
            told = (
                _disagreement(
                    model.limits, rival.limits, f"`{name}` of {'this workflow' if own else f'`{other.name}`'}"
                )
                for name, rival in rivals
                if not (own and rival.limits is None)  # said where they are missing
            )
            if sentence := next(filter(None, told), ""):
                yield ("models", alias), sentence


def conflicts(workflow: WorkflowSpec, others: Iterable[WorkflowSpec]) -> Iterator[Problem]:
    """The same as warnings about `workflow`."""
    for place, sentence in disagreements(workflow, others):
        yield Problem(dotted(place), sentence, rule=RULE, severity="warning")


def _may_share(model: ModelSpec, rival: ModelSpec) -> bool:
    """Whether two models are counted together, or would be if their limits said the same."""
    wide = any(each.limits is not None and each.limits.per == "account" for each in (model, rival))
    return _upstream(model) == _upstream(rival) and (wide or _bare(model) == _bare(rival))


def _disagreement(ours: ModelLimitsSpec | None, theirs: ModelLimitsSpec | None, whose: str) -> str:
    """What is to be said about the limits of two models; nothing when all is well."""
    if ours == theirs:
        return ""
    if ours is None:
        return (
            f"has no `limits`, so its calls are not counted with those of {whose}, which is the same account"
        )
    if theirs is None:
        return f"its `limits` do not count the calls of {whose}, which is the same account and has none"
    if ours.per != theirs.per:
        return f"its `limits` count per {ours.per}, those of {whose} per {theirs.per}: not together"
    if ours.policy() != theirs.policy():
        return f"its `limits` differ from those of {whose}, which is the same account: the strictest of both hold"
    return ""


def _upstream(model: ModelSpec) -> str:
    """Where the calls go, and with which key."""
    authority, slash, path = (model.base_url or "").partition("://")[2].partition("/")
    address = authority.rpartition("@")[2].lower()
    provider = LISTED_HOSTS.get(address, "") if address else _provider(model)
    where = provider or f"{address}{slash}{path}".rstrip("/")
    usual = f"{provider.upper()}_API_KEY" if model.kind == "litellm" else ""
    return f"{where} {model.api_key_env or usual or '-'}"


def _provider(model: ModelSpec) -> str:
    """LiteLLM's name for whoever serves the model, or what else makes its answers."""
    if model.kind != "litellm":
        return model.kind
    before, slash, _ = model.model.partition("/")
    return before if slash else model.kind


def _bare(model: ModelSpec) -> str:
    """The provider's own name of the model."""
    if model.kind != "litellm":
        return model.model or model.kind
    return model.model.partition("/")[2] or model.model
