"""The clients that `stellarator connect` knows, by the name under which they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from serve_app.cli.clients import agents, sdks
from serve_app.cli.clients.recipe import Recipe, Target


@dataclass(frozen=True, slots=True)
class Client:
    """A client: its own name, the API that it speaks to us, and how it is pointed at a server."""

    title: str
    api: str
    recipe: Callable[[Target], Recipe]


CLIENTS: Mapping[str, Client] = {
    "claude-code": Client("Claude Code", "Messages", agents.claude_code),
    "codex": Client("Codex", "Responses", agents.codex),
    "opencode": Client("OpenCode", "Chat Completions", agents.opencode),
    "continue": Client("Continue", "Chat Completions", agents.continue_cli),
    "cline": Client("Cline", "Chat Completions", agents.cline),
    "qwen-code": Client("Qwen Code", "Chat Completions", agents.qwen_code),
    "aider": Client("aider", "Chat Completions", agents.aider),
    "pi": Client("pi", "Chat Completions", agents.pi),
    "openai-sdk": Client("OpenAI SDK", "Responses", sdks.openai_sdk),
    "anthropic-sdk": Client("Anthropic SDK", "Messages", sdks.anthropic_sdk),
    "ai-sdk": Client("Vercel AI SDK", "Chat Completions", sdks.ai_sdk),
}
