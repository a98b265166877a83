"""Span names and attributes, as small pure functions: OpenTelemetry's GenAI names, and our own.

The GenAI conventions are in the middle of a rename. Where the released line (1.37 to 1.41, which Jaeger,
Phoenix, Langfuse and MLflow read) and the coming one differ, both spellings are set. Money has no standard name.

    POST /v1/chat/completions                  SERVER
      invoke_workflow fusion-review            INTERNAL
        chat anthropic/claude-opus-4.8         CLIENT     the main LLM decides
        execute_tool problem_review            INTERNAL   events: quorum reached, straggler cancelled, ...
          chat gemini/gemini-3-flash           CLIENT     one per attempt of a branch: retries, fallbacks, hedges
          chat openai/gpt-5.5                  CLIENT     the synthesis
        chat anthropic/claude-opus-4.8         CLIENT     the answer
        credit problem_review.1                INTERNAL   after the answer: what each branch contributed

Every function leaves out what it is not told (None). No attribute carries content except those of `content`,
which is to be called only when `telemetry.captures_content()`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias
from urllib.parse import urlsplit

Value: TypeAlias = str | bool | int | float | Sequence[str]
Attributes: TypeAlias = dict[str, Value]

HTTP_ERROR = 500
"""From this status on it is the server's fault."""

QUORUM_REACHED = "stellarator.quorum.reached"
STRAGGLER_CANCELLED = "stellarator.straggler.cancelled"
CALL_FAILED = "stellarator.call.failed"
GATE_DECIDED = "stellarator.gate.decided"
SYNTHESIS_REPAIR = "stellarator.synthesis.repair"
PANEL_DEGRADED = "stellarator.panel.degraded"
CANCELLED = "stellarator.cancelled"
FIRST_TOKEN = "stellarator.first_token"  # noqa: S105  # a token of a model

_PROVIDERS = {
    "anthropic": "anthropic",
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "cohere": "cohere",
    "cohere_chat": "cohere",
    "deepseek": "deepseek",
    "gemini": "gcp.gemini",
    "groq": "groq",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "openai": "openai",
    "perplexity": "perplexity",
    "vertex_ai": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}


def workflow_span(workflow: str) -> str:
    """The name of a run's span."""
    return f"invoke_workflow {workflow}"


def chat_span(model: str) -> str:
    """The name of a model call's span."""
    return f"chat {model}"


def credit_span(step_id: str) -> str:
    """The name of the span under which it was worked out what a panel's branches contributed."""
    return f"credit {step_id}"


def tool_span(tool: str) -> str:
    """The name of a mounted tool's span."""
    return f"execute_tool {tool}"


def provider_name(model: str) -> str:
    """The well-known name of the provider in a LiteLLM model name; its prefix when there is none.

    ``gemini/gemini-3-flash`` is ``gcp.gemini``; ``ollama/llama3`` is ``ollama``; ``my-model`` is ``openai``,
    because a bare name is called over OpenAI's protocol.
    """
    prefix, slash, _ = model.partition("/")
    return _PROVIDERS.get(prefix, prefix) if slash else "openai"


def server(method: str, route: str) -> Attributes:
    """Of an HTTP request."""
    return {"http.request.method": method, "http.route": route, "url.path": route}


def server_response(status: int) -> Attributes:
    """Of an HTTP response; a server's error is named by its status."""
    failed = {"error.type": str(status)} if status >= HTTP_ERROR else {}
    return {"http.response.status_code": status, **failed}


def workflow(
    name: str, run_id: str, *, protocol: str | None = None, stream: bool | None = None
) -> Attributes:
    """Of a run. `protocol` is the client's wire format."""
    return _present(
        {
            "gen_ai.operation.name": "invoke_workflow",
            "gen_ai.workflow.name": name,
            "gen_ai.agent.name": name,  # the coming spelling
            "gen_ai.request.stream": stream,
            "stellarator.run.id": run_id,
            "stellarator.protocol": protocol,
        }
    )


def chat_request(
    model: str,
    *,
    base_url: str = "",
    workflow_name: str | None = None,
    agent_name: str | None = None,
    temperature: float | None = None,
    top_p: float | None = None,
    max_tokens: int | None = None,
    seed: int | None = None,
    stop: Sequence[str] = (),
    reasoning_effort: str | None = None,
    output_type: str | None = None,
    stream: bool | None = None,
) -> Attributes:
    """Of a model call, known when it starts. `output_type` is the format that was asked for, for example ``json``."""
    return _upstream(model, base_url) | _present(
        {
            "gen_ai.workflow.name": workflow_name or None,
            "gen_ai.agent.name": agent_name or workflow_name or None,
            "gen_ai.request.temperature": temperature,
            "gen_ai.request.top_p": top_p,
            "gen_ai.request.max_tokens": max_tokens,
            "gen_ai.request.seed": seed,
            "gen_ai.request.stop_sequences": tuple(stop) or None,
            "gen_ai.request.reasoning.level": reasoning_effort,
            "gen_ai.request.stream": stream,
            "gen_ai.output.type": output_type,
        }
    )


@lru_cache(maxsize=256)
def _upstream(model: str, base_url: str) -> Attributes:
    """Of every call of a model."""
    server = urlsplit(base_url)
    return _present(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": provider_name(model),
            "gen_ai.request.model": model,
            "server.address": server.hostname,
            "server.port": server.port,
        }
    )


def chat_response(
    *,
    model: str | None = None,
    response_id: str | None = None,
    finish_reason: str | None = None,
    first_chunk_seconds: float | None = None,
    cost_usd: float | None = None,
) -> Attributes:
    """Of a model call, known when it ended; its tokens are `usage`."""
    return _present(
        {
            "gen_ai.response.model": model or None,
            "gen_ai.response.id": response_id or None,
            "gen_ai.response.finish_reasons": (finish_reason,) if finish_reason else None,
            "gen_ai.response.time_to_first_chunk": first_chunk_seconds,
            "stellarator.cost.usd": cost_usd,
        }
    )


def usage(
    *,
    input_tokens: int,
    output_tokens: int,
    cached_input_tokens: int = 0,
    cache_write_tokens: int = 0,
    reasoning_tokens: int = 0,
    estimated: bool = False,
) -> Attributes:
    """Token counts, of a call or of a whole run; `input_tokens` includes those read from a cache."""
    return _present(
        {
            "gen_ai.usage.input_tokens": input_tokens,
            "gen_ai.usage.output_tokens": output_tokens,
            "gen_ai.usage.cache_read.input_tokens": cached_input_tokens or None,
            "gen_ai.usage.cache_creation.input_tokens": cache_write_tokens or None,
            "gen_ai.usage.cache_write.input_tokens": cache_write_tokens or None,  # the coming spelling
            "gen_ai.usage.reasoning.output_tokens": reasoning_tokens or None,
            "stellarator.usage.estimated": estimated or None,
        }
    )


def tool(
    name: str, call_id: str, *, description: str | None = None, workflow_name: str | None = None
) -> Attributes:
    """Of a mounted tool's call."""
    return _present(
        {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": name,
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": call_id,
            "gen_ai.tool.description": description or None,
            "gen_ai.workflow.name": workflow_name,
            "gen_ai.agent.name": workflow_name,
        }
    )


def call(name: str, kind: str, *, attempts: int | None = None) -> Attributes:
    """Our own, of events: which call of a tool it is about, and how often that was tried."""
    return _present(
        {
            "stellarator.branch" if kind == "branch" else "stellarator.step.name": name,
            "stellarator.attempts": attempts,
        }
    )


def attempt(number: int, *, hedge: bool = False, queued_seconds: float | None = None) -> Attributes:
    """Our own: which try of a step this is, 1 for the first; `queued_seconds` from its order to its start."""
    return _present(
        {
            "stellarator.attempt.number": number,
            "stellarator.attempt.hedge": hedge or None,
            "stellarator.queued.seconds": queued_seconds,
        }
    )


def queued(seconds: float) -> Attributes:
    """Our own: for how long an attempt waited before it was made."""
    return {"stellarator.queued.seconds": seconds}


def contribution(branch: str, *, synthesis: float | None, answer: float, unique: float) -> Attributes:
    """Our own: a branch's share of the synthesis and of the answer, and how much only it said; 0 to 1."""
    return _present(
        {
            f"stellarator.contribution.{branch}.synthesis": synthesis,
            f"stellarator.contribution.{branch}.answer": answer,
            f"stellarator.contribution.{branch}.unique": unique,
        }
    )


def step(
    step_id: str, kind: str, *, run_id: str | None = None, name: str | None = None, alias: str | None = None
) -> Attributes:
    """Our own: which step of a run this span is. `alias` is the workflow's name for the model."""
    return _present(
        {
            "stellarator.run.id": run_id,
            "stellarator.step.id": step_id,
            "stellarator.step.kind": kind,
            "stellarator.branch" if kind == "branch" else "stellarator.step.name": name,
            "stellarator.model.alias": alias,
        }
    )


def panel(
    status: str,
    *,
    started: int,
    answered: int,
    failed: int,
    cancelled: int,
    attempts: int | None = None,
    ended_by: str | None = None,
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    cost_usd: float | None = None,
) -> Attributes:
    """Our own: what became of a panel. ``started = answered + failed + cancelled``.

    `attempts` are the model calls that were ordered for it: retries, fallbacks, hedges and the synthesis included.
    Its tokens do not have the standard's names: whoever adds those up over all spans counts model calls only.
    """
    return _present(
        {
            "stellarator.panel.status": status,
            "stellarator.panel.started": started,
            "stellarator.panel.answered": answered,
            "stellarator.panel.failed": failed,
            "stellarator.panel.cancelled": cancelled,
            "stellarator.panel.attempts": attempts,
            "stellarator.panel.ended_by": ended_by,
            "stellarator.panel.input_tokens": input_tokens,
            "stellarator.panel.output_tokens": output_tokens,
            "stellarator.cost.usd": cost_usd,
        }
    )


def error(code: str) -> Attributes:
    """Why a span failed: the stable code of one of our errors, for example ``upstream_busy``."""
    return {"error.type": code}


def content(
    *,
    input_messages: Iterable[Mapping[str, Any]] = (),
    output_messages: Iterable[Mapping[str, Any]] = (),
    system: str | None = None,
    arguments: str | None = None,
    result: str | None = None,
) -> Attributes:
    """Prompts and answers, opt-in. A message is ``{"role": ..., "parts": [{"type": "text", "content": ...}]}``.

    `arguments` and `result` are a tool's.
    """
    given, got = list(input_messages), list(output_messages)
    instructions = [{"type": "text", "content": system}] if system else None
    return _present(
        {
            "gen_ai.input.messages": _json(given) if given else None,
            "gen_ai.output.messages": _json(got) if got else None,
            "gen_ai.system_instructions": _json(instructions) if instructions else None,
            "gen_ai.tool.call.arguments": arguments,
            "gen_ai.tool.call.result": result,
        }
    )


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def _present(attributes: Mapping[str, Value | None]) -> Attributes:
    return {name: value for name, value in attributes.items() if value is not None}
