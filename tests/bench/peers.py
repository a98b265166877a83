"""Other gateways to compare with, each in an environment of its own outside the repository.

They are installed on first use by the machine's own package managers into a scratch folder, which a later run finds
again, and started on loopback in front of the same scripted upstream. Without a network they are missing, which the
benchmark says and goes on.
"""

from __future__ import annotations

import getpass
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

import httpx
from ruamel.yaml import YAML

from cluster.settings import uv_program
from tests.bench.group import Group
from tests.bench.stand import Server, free_port, process

READY_S = 120.0
INSTALL_S = 300.0
# With @hono/node-server 1.14.2 and later every streamed answer fails: https://github.com/Portkey-AI/gateway/issues/1389
_PORTKEY = {
    "dependencies": {"@portkey-ai/gateway": "1.15.2"},
    "overrides": {"@hono/node-server": "1.13.8"},
}
_ON_LOOPBACK = """data:text/javascript,
import net from 'node:net'; const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, ...more) {
  return listen.call(this, port, '127.0.0.1', ...more.filter(given => typeof given === 'function')); };"""
"""Portkey's gateway binds every interface and has no option for it."""
_SILENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "true",
}


@dataclass(frozen=True, slots=True)
class Peer:
    """A running peer, and the headers that it wants."""

    server: Server
    headers: Mapping[str, str] = field(default_factory=dict)


class PeerMissing(Exception):
    """A peer cannot be installed or started here."""


def environments() -> Path:
    """The folder of the peers' environments and of what their package managers keep; nobody else may write it."""
    folder = Path(tempfile.gettempdir()) / f"stellarator-peers-{getpass.getuser()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PeerMissing(f"{folder} belongs to somebody else")
    return folder


@contextmanager
def litellm(upstream: Server, models: Sequence[str]) -> Iterator[Peer]:
    """LiteLLM's proxy, of the version that we use ourselves: one worker, a key, no database."""
    home = environments() / "litellm"
    program = home / "bin" / "litellm"
    if not program.exists():
        uv = _found(uv_program(), "uv")
        _install([uv, "venv", "--clear", "--quiet", "--python", sys.executable, str(home)])
        into = ["--quiet", "--cache-dir", str(home / "cache"), "--python", str(home / "bin" / "python")]
        _install([uv, "pip", "install", *into, f"litellm[proxy]=={version('litellm')}"])
    port, key = free_port(), f"sk-{secrets.token_hex(16)}"
    behind = {"api_base": upstream.base_url, "api_key": "unused"}
    listed = [
        {"model_name": name, "litellm_params": {"model": f"openai/{name}", **behind}} for name in models
    ]
    config = home / "config.yaml"
    YAML(typ="safe").dump({"model_list": listed}, config)
    command = [str(program), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    environment = {**_SILENT, "LITELLM_MASTER_KEY": key}
    with _started(command, port, "/health/liveliness", environment, home) as group:
        yield Peer(Server(f"http://127.0.0.1:{port}/v1", key, group))


@contextmanager
def portkey(upstream: Server, _models: Sequence[str]) -> Iterator[Peer]:
    """Portkey's gateway on Node, which checks no key of its own and passes any model's name on."""
    home = environments() / "portkey"
    program = home / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    node = _found(shutil.which("node"), "node")
    if not program.exists():
        home.mkdir(exist_ok=True)
        npm = _found(shutil.which("npm"), "npm")
        (home / "package.json").write_text(json.dumps(_PORTKEY))
        into = ["--cache", str(home / "cache"), "--prefix", str(home)]
        _install([npm, "install", "--loglevel=error", "--no-audit", "--no-fund", *into])
    port = free_port()
    headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": upstream.base_url}
    command = [node, "--import", _ON_LOOPBACK, str(program), f"--port={port}", "--headless"]
    with _started(command, port, "/", {}, home) as group:
        yield Peer(Server(f"http://127.0.0.1:{port}/v1", "unused", group), headers)


PEERS: Mapping[str, Callable[[Server, Sequence[str]], AbstractContextManager[Peer]]] = MappingProxyType(
    {"litellm": litellm, "portkey": portkey}
)


def _found(program: str | None, name: str) -> str:
    if program is None:
        raise PeerMissing(f"there is no `{name}` on this machine")
    return program


def _install(command: Sequence[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_S)
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout).strip().splitlines() or ["no reason given"]
        raise PeerMissing(f"`{Path(command[0]).name}` cannot install it: {said[-1]}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerMissing(f"`{Path(command[0]).name}` cannot install it: {error}") from error


@contextmanager
def _started(
    command: Sequence[str], port: int, health: str, environment: Mapping[str, str], home: Path
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
            raise PeerMissing(f"it does not start; see {home / 'peer.log'}")
        yield Group(running.pid)
