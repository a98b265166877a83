"""Pointing all models of a workflow at one provider, for people who have one key and want to see a panel at work.

Pure: the environment is `cluster.settings`' business, which knows the variables that are set; `available` says which
providers these open. The default models are ordinary choices of autumn 2026: one strong model to answer and to merge,
and a panel as diverse as the provider allows.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import cycle
from typing import Any

from workflows.errors import UsageError
from workflows.spec import FusionToolSpec, ModelSpec, ToolSpec, WorkflowSpec


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider that a workflow can be bound to.

    Attributes:
        name: what people type.
        variable: the environment variable that opens it: a key, or Ollama's address.
        main: the model that answers and merges; LiteLLM's name, or the server's own when `base_url` is given.
        panel: models for the branches, in order: a versatile one, the strongest, another or a cheap one; then again.
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
            "openrouter/google/gemini-3.1-pro-preview",
            "openrouter/openai/gpt-5.5",
            "openrouter/deepseek/deepseek-v3.2",
        ),
    ),
    Provider(
        "anthropic",
        "ANTHROPIC_API_KEY",
        "anthropic/claude-opus-4-8",
        ("anthropic/claude-sonnet-4-6", "anthropic/claude-opus-4-8", "anthropic/claude-haiku-4-5"),
    ),
    Provider(
        "openai",
        "OPENAI_API_KEY",
        "openai/gpt-5.5",
        ("openai/gpt-5.4", "openai/gpt-5.5", "openai/gpt-5.4-mini"),
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
_NO_EXAMPLES: Mapping[str, Any] = {"examples": ()}
_NO_BOUNDS: Mapping[str, Any] = {"examples": (), "max_tokens": None}
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
    model goes: few-shot examples, tight bounds, the synthesis' prompt, and the forced trigger.

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
    models = {
        alias: _bound(spec.models[alias], model, address)
        for alias, model in _assignment(spec, chosen).items()
    }
    from_the_demo = spec.main.model in embedded
    main = spec.main.model_copy(update=_NO_EXAMPLES) if from_the_demo else spec.main
    tools = {key: _tool(tool, embedded, forced=from_the_demo) for key, tool in spec.tools.items()}
    return spec.model_copy(update={"models": models, "main": main, "tools": tools})


def _assignment(spec: WorkflowSpec, chosen: Provider) -> dict[str, str]:
    """A model for every alias: the branches' aliases share the panel, all others get the main one."""
    in_branches = dict.fromkeys(b.model for tool in spec.panels.values() for b in tool.branches)
    in_branches.pop(spec.main.model, None)
    panel = dict(zip(in_branches, cycle(chosen.panel), strict=False))
    return {alias: panel.get(alias, chosen.main) for alias in spec.models}


def _bound(old: ModelSpec, model: str, base_url: str) -> ModelSpec:
    return ModelSpec(
        provider="openai_compatible" if base_url else None,
        model=model,
        base_url=base_url or None,
        max_tokens=None if old.kind == "embedded" else old.max_tokens,
        fallbacks=old.fallbacks,
    )


def _tool(tool: ToolSpec, embedded: frozenset[str], *, forced: bool) -> ToolSpec:
    """The tool without what was written for the embedded model; `forced`: its trigger was, too."""
    if not isinstance(tool, FusionToolSpec):
        return tool
    branches = tuple(
        branch.model_copy(update=_NO_BOUNDS) if branch.model in embedded else branch
        for branch in tool.branches
    )
    synthesis = tool.synthesis
    if synthesis.model in embedded:
        synthesis = synthesis.model_copy(update={**_NO_BOUNDS, "prompt": None})
    trigger = "auto" if forced and tool.trigger == "always" else tool.trigger
    return tool.model_copy(update={"trigger": trigger, "branches": branches, "synthesis": synthesis})
