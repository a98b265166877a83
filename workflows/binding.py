"""Pointing all models of a workflow at one provider, for people who have one key and want to see a panel at work.

Pure: the environment is `cluster.settings`' business, which knows the variables that are set; `available` says which
providers these open. The default models are ordinary choices of autumn 2026: one strong model to answer and to merge,
and a panel as diverse as the provider allows.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import cycle

from workflows.errors import UsageError
from workflows.spec import BranchSpec, FusionToolSpec, MainSpec, ModelSpec, SynthesisSpec, WorkflowSpec


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider that a workflow can be bound to.

    Attributes:
        name: what people type.
        variable: the environment variable that opens it: a key, or Ollama's address.
        main: the model that answers and merges; LiteLLM's name, or the server's own when `base_url` is given.
        panel: models for the branches, in order; when there are more branches, they are used again.
        base_url: of a server that is called without LiteLLM; empty for the others.
    """

    name: str
    variable: str
    main: str
    panel: tuple[str, ...]
    base_url: str = ""


_PROVIDERS = (
    Provider(
        "openrouter",
        "OPENROUTER_API_KEY",
        "openrouter/anthropic/claude-opus-4.8",
        (
            "openrouter/google/gemini-3-flash-preview",
            "openrouter/openai/gpt-5.5",
            "openrouter/deepseek/deepseek-v3.2",
        ),
    ),
    Provider(
        "anthropic",
        "ANTHROPIC_API_KEY",
        "anthropic/claude-opus-4-8",
        ("anthropic/claude-haiku-4-5", "anthropic/claude-opus-4-8", "anthropic/claude-sonnet-4-6"),
    ),
    Provider(
        "openai",
        "OPENAI_API_KEY",
        "openai/gpt-5.5",
        ("openai/gpt-5.4-mini", "openai/gpt-5.5", "openai/gpt-5.4"),
    ),
    Provider(
        "gemini",
        "GEMINI_API_KEY",
        "gemini/gemini-3.1-pro-preview",
        ("gemini/gemini-3.5-flash", "gemini/gemini-3.1-pro-preview", "gemini/gemini-3.1-flash-lite"),
    ),
    # Ollama has the models that were pulled; these are the ones to pull.
    Provider(
        "ollama",
        "OLLAMA_HOST",
        "qwen3:8b",
        ("llama3.1:8b", "qwen3:8b", "gemma3:4b"),
        "http://127.0.0.1:11434/v1",
    ),
)
_HOST = re.compile(r"(?:(?P<scheme>https?)://)?(?P<host>\[[^\]]*\]|[^:/]*)(?::(?P<port>\d+))?(?P<path>/.*)?")


def providers() -> tuple[Provider, ...]:
    """Every provider that a workflow can be bound to, the most versatile first."""
    return _PROVIDERS


def available(variables: Collection[str]) -> tuple[Provider, ...]:
    """The providers that the environment variables of these names open."""
    return tuple(provider for provider in _PROVIDERS if provider.variable in variables)


def provider(name: str) -> Provider:
    """The provider of that name.

    Raises:
        UsageError: there is none; the message names the nearest.

    """
    known = {provider.name: provider for provider in _PROVIDERS}
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        raise UsageError(f"There is no provider `{name}`.{hint} Available: {', '.join(known)}.")
    return known[name]


def ollama_address(host: str) -> str:
    """The address of Ollama's Chat Completions from the value of OLLAMA_HOST, in any form that Ollama takes.

    ``0.0.0.0`` is where a server listens, not where it can be reached, so it means this machine.
    """
    match = _HOST.fullmatch(host.strip())
    if match is None:
        raise UsageError("OLLAMA_HOST is not an address; write for example 127.0.0.1:11434.")
    name = "127.0.0.1" if match["host"] in {"", "0.0.0.0"} else match["host"]  # noqa: S104  # recognised, not bound
    usual_port = {"http": "80", "https": "443"}.get(match["scheme"] or "", "11434")
    path = (match["path"] or "").rstrip("/").removesuffix("/v1")
    return f"{match['scheme'] or 'http'}://{name}:{match['port'] or usual_port}{path}/v1"


def bind(spec: WorkflowSpec, name: str, base_url: str = "") -> WorkflowSpec:
    """The workflow with every alias pointing at one provider's models.

    The main LLM and the synthesis get the provider's best model, the branches' aliases its panel in turn; sampling
    that was tuned to another model is left out, bounds and fallbacks stay. What was written for the embedded demo
    model goes: few-shot examples, tight bounds, and the forced trigger.

    Args:
        spec: any workflow.
        name: of the provider.
        base_url: instead of the provider's own (for Ollama).

    Raises:
        UsageError: there is no such provider.

    """
    chosen = provider(name)
    embedded = frozenset(alias for alias, model in spec.models.items() if model.kind == "embedded")
    address = base_url or chosen.base_url
    models = {alias: _bound(spec.models[alias], model, address) for alias, model in _assignment(spec, chosen)}
    tools = {key: _tool(tool, embedded, spec.main) for key, tool in spec.tools.items()}
    return spec.model_copy(
        update={
            "models": {alias: models[alias] for alias in spec.models},
            "main": _without_examples(spec.main) if spec.main.model in embedded else spec.main,
            "tools": tools,
        }
    )


def _assignment(spec: WorkflowSpec, chosen: Provider) -> Iterator[tuple[str, str]]:
    """Every alias with its new model: branches' aliases share the panel, all others get the main one."""
    panel = cycle(chosen.panel)
    in_branches = dict.fromkeys(b.model for tool in spec.tools.values() for b in tool.branches)
    for alias in spec.models.keys() - in_branches.keys() | {spec.main.model}:
        yield alias, chosen.main
    for alias in in_branches:
        if alias != spec.main.model:
            yield alias, next(panel)


def _bound(old: ModelSpec, model: str, base_url: str) -> ModelSpec:
    return ModelSpec(
        provider="openai_compatible" if base_url else None,
        model=model,
        base_url=base_url or None,
        max_tokens=None if old.kind == "embedded" else old.max_tokens,
        fallbacks=old.fallbacks,
    )


def _tool(tool: FusionToolSpec, embedded: frozenset[str], main: MainSpec) -> FusionToolSpec:
    forced_for_the_demo = main.model in embedded and tool.trigger == "always"
    return tool.model_copy(
        update={
            "trigger": "auto" if forced_for_the_demo else tool.trigger,
            "branches": tuple(_unbounded(b) if b.model in embedded else b for b in tool.branches),
            "synthesis": _unbounded(tool.synthesis) if tool.synthesis.model in embedded else tool.synthesis,
        }
    )


def _without_examples(main: MainSpec) -> MainSpec:
    return main.model_copy(update={"examples": ()})


def _unbounded(step: BranchSpec | SynthesisSpec) -> BranchSpec | SynthesisSpec:
    return step.model_copy(update={"examples": (), "max_tokens": None})
