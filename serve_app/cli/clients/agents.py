"""Agents: each with the configuration that it was seen working with.

None of this makes Stellarator a client's default: it comes beside what the client is used for already, in a file of its
own where the client takes one, and the command that starts it names it.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from cluster.settings import program_folder
from serve_app.cli.clients.files import ConfigFile
from serve_app.cli.clients.recipe import Recipe, Target
from serve_app.cli.render.connection import KEY_VARIABLE

_NAME = "stellarator"
_TITLE = "Stellarator"


def claude_code(target: Target) -> Recipe:
    """A settings file of its own. The helper prints the key, so that the file need not hold it."""
    variables = {
        "ANTHROPIC_BASE_URL": target.root,
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": target.model,  # what it uses for small side requests
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    content: dict[str, Any] = {"model": target.model, "env": variables}
    if target.key.shown:
        variables["ANTHROPIC_AUTH_TOKEN"] = target.key.shown
    else:
        content["apiKeyHelper"] = shlex.join(target.key.command)
    folder = program_folder("CLAUDE_CONFIG_DIR", Path.home() / ".claude")
    file = _file(target, folder / f"{_NAME}.json", "json", content)
    start = ("claude", "--settings", str(file.path))
    return Recipe(
        file=file,
        start=start,
        ask=(*start, "-p"),
        notes=(
            "An ANTHROPIC_AUTH_TOKEN or ANTHROPIC_API_KEY in the environment goes before the file's key.",
        ),
    )


def codex(target: Target) -> Recipe:
    """A profile: `codex -p NAME` lays the file NAME.config.toml over the user's own."""
    provider: dict[str, Any] = {"name": _TITLE, "base_url": target.base_url, "wire_api": "responses"}
    if target.key.shown:
        provider["experimental_bearer_token"] = target.key.shown
    else:
        program, *arguments = target.key.command
        provider["auth"] = {"command": program, "args": arguments}
    content = {
        "model": target.model,
        "model_provider": _NAME,
        "model_providers": {_NAME: provider},
    }
    folder = program_folder("CODEX_HOME", Path.home() / ".codex")
    return Recipe(
        file=_file(target, folder / f"{_NAME}.config.toml", "toml", content),
        start=("codex", "-p", _NAME),
        ask=("codex", "exec", "-p", _NAME, "--skip-git-repo-check"),
    )


def opencode(target: Target) -> Recipe:
    """A provider in the user's own file; its models appear in the list beside the others."""
    key = f"{{file:{target.key.file}}}" if target.key.file else f"{{env:{KEY_VARIABLE}}}"
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": _TITLE,
        "options": {"baseURL": target.base_url, "apiKey": target.key.shown or key},
        "models": {model: {"name": model} for model in target.models},
    }
    content = {"$schema": "https://opencode.ai/config.json", "provider": {_NAME: provider}}
    folder = program_folder("XDG_CONFIG_HOME", Path.home() / ".config") / "opencode"
    model = f"{_NAME}/{target.model}"
    return Recipe(
        file=_file(target, folder / "opencode.json", "json", content),
        start=("opencode", "-m", model),
        ask=("opencode", "run", "-m", model),
    )


def continue_cli(target: Target) -> Recipe:
    """An assistant of its own. Continue reads secrets from the environment, files cannot be named."""
    secret = f"${{{{ secrets.{KEY_VARIABLE} }}}}"
    models = [
        {
            "name": model,
            "provider": "openai",
            "model": model,
            "apiBase": target.base_url,
            "apiKey": target.key.shown or secret,
            "roles": ["chat", "edit", "apply"],
            "capabilities": ["tool_use"],
        }
        for model in _chosen_first(target)
    ]
    content = {"name": _TITLE, "version": "1.0.0", "schema": "v1", "models": models}
    folder = program_folder("CONTINUE_GLOBAL_DIR", Path.home() / ".continue")
    file = _file(target, folder / f"{_NAME}.yaml", "yaml", content)
    return Recipe(
        file=file,
        environment={} if target.key.shown else {KEY_VARIABLE: target.key.in_shell},
        start=("cn", "--config", str(file.path)),
        ask=("cn", "--config", str(file.path), "-p"),
        notes=("In an editor, copy the entries under `models` into ~/.continue/config.yaml.",),
    )


def cline(target: Target) -> Recipe:
    """Cline keeps providers itself: one command tells it."""
    provider = "openai-compatible"
    told = f'cline auth -p {provider} -b {target.base_url} -m {target.model} -k "{target.key.in_shell}"'
    return Recipe(
        setup=(told,),
        start=("cline", "-P", provider, "-m", target.model, "-i"),
        ask=("cline", "-P", provider, "-m", target.model),
        notes=("Cline keeps the key in its own folder, ~/.cline.",),
    )


def qwen_code(target: Target) -> Recipe:
    """Qwen Code takes OpenAI's variables."""
    start = ("qwen", "--auth-type", "openai", "-m", target.model)
    return Recipe(environment=_openai_variables(target), start=start, ask=(*start, "-p"))


def aider(target: Target) -> Recipe:
    """LiteLLM's variables and prefix: aider calls models through it."""
    start = ("aider", "--model", f"openai/{target.model}", "--no-show-model-warnings")
    return Recipe(
        environment={"OPENAI_API_BASE": target.base_url, "OPENAI_API_KEY": target.key.in_shell},
        start=start,
        ask=(*start, "--yes-always", "--message"),
    )


def pi(target: Target) -> Recipe:
    """A provider in pi's list of models; a key that begins with ``!`` is a command that prints it."""
    provider = {
        "baseUrl": target.base_url,
        "api": "openai-completions",
        "apiKey": target.key.shown or f"!{shlex.join(target.key.command)}",
        "models": [{"id": model} for model in target.models],
    }
    folder = program_folder("PI_CODING_AGENT_DIR", Path.home() / ".pi" / "agent")
    start = ("pi", "--provider", _NAME, "--model", target.model)
    return Recipe(
        file=_file(target, folder / "models.json", "json", {"providers": {_NAME: provider}}),
        start=start,
        ask=(*start, "-p"),
    )


def _file(target: Target, path: Path, form: Any, content: dict[str, Any]) -> ConfigFile:
    return ConfigFile(path, form, content, holds_key=bool(target.key.shown))


def _chosen_first(target: Target) -> tuple[str, ...]:
    return (target.model, *(model for model in target.models if model != target.model))


def _openai_variables(target: Target) -> dict[str, str]:
    return {"OPENAI_BASE_URL": target.base_url, "OPENAI_API_KEY": target.key.in_shell}
