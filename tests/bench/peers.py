"""Other gateways to compare with, each in an environment of its own outside the repository.

They are installed on first use by the machine's own package managers, and started on loopback in front of the same
scripted upstream.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import platformdirs
from ruamel.yaml import YAML

from tests.bench.stand import Group, Server, free_port, process

READY_S = 240.0
_SILENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "true",
}


@dataclass(frozen=True, slots=True)
class Peer:
    """A running peer: where it answers, under which model name, and the headers that it wants."""

    server: Server
    model: str
    headers: Mapping[str, str] = field(default_factory=dict)


def environments() -> Path:
    """The folder of the peers' environments."""
    return Path(platformdirs.user_cache_dir("stellarator")) / "peers"


@contextmanager
def litellm(upstream: Server) -> Iterator[Peer]:
    """LiteLLM's proxy with one model, one worker, no database."""
    home = environments() / "litellm"
    program = home / "bin" / "litellm"
    if not program.exists():
        uv = shutil.which("uv") or "uv"
        subprocess.run([uv, "venv", "--clear", "--quiet", "--python", sys.executable, str(home)], check=True)
        install = [uv, "pip", "install", "--quiet", "--python", str(home / "bin" / "python")]
        subprocess.run([*install, "litellm[proxy]"], check=True)
    port = free_port()
    model = {"model": "openai/echo", "api_base": upstream.base_url, "api_key": "unused"}
    config = home / "config.yaml"
    YAML(typ="safe").dump({"model_list": [{"model_name": "echo", "litellm_params": model}]}, config)
    command = [str(program), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    with _started(command, port, "/health/liveliness", _SILENT, home) as group:
        yield Peer(Server(f"http://127.0.0.1:{port}/v1", "unused", group), "echo")


@contextmanager
def portkey(upstream: Server) -> Iterator[Peer]:
    """Portkey's gateway on Node."""
    home = environments() / "portkey"
    program = home / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    if not program.exists():
        home.mkdir(parents=True, exist_ok=True)
        npm = shutil.which("npm") or "npm"
        install = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(home)]
        subprocess.run([*install, "@portkey-ai/gateway"], check=True)
    port = free_port()
    command = [shutil.which("node") or "node", str(program), f"--port={port}", "--headless"]
    headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": upstream.base_url}
    with _started(command, port, "/", {}, home) as group:
        yield Peer(Server(f"http://127.0.0.1:{port}/v1", "unused", group), "echo", headers)


@contextmanager
def _started(
    command: list[str], port: int, health: str, environment: Mapping[str, str], home: Path
) -> Iterator[Group]:
    with (
        (home / "peer.log").open("wb") as log,
        process(command, environment, stdout=log, stderr=log) as running,
    ):
        until = time.monotonic() + READY_S
        while time.monotonic() < until and running.poll() is None:
            with suppress(httpx.TransportError):
                if httpx.get(f"http://127.0.0.1:{port}{health}").status_code < httpx.codes.BAD_REQUEST:
                    break
            time.sleep(0.2)
        else:
            raise RuntimeError(f"{command[0]} did not start; see {home / 'peer.log'}")
        yield Group(running.pid)
