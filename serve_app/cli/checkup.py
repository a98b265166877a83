"""What `stellarator doctor` looks at besides the machine: the server, the journal, the models, the weights."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from typing import Any
from urllib.parse import urlsplit

from actors.journal import checkup
from actors.models.embedded.weights import SMOLLM2, weights_missing
from actors.models.factory import ModelFactory
from cluster import machine, session
from cluster.errors import SetupError
from cluster.findings import Check, Finding
from cluster.settings import Settings, TelemetrySettings, secret
from serve_app.auth import key_file
from serve_app.cli.status import OTHER_KEY, health_of
from serve_app.cli.weights import needs_weights
from serve_app.cli.workflows import usable_providers
from workflows.binding import providers
from workflows.errors import JournalUnavailable, SetupInvalid, StellaratorError
from workflows.keys import missing_keys
from workflows.messages import ChatRequest, Message, Sampling, Text
from workflows.spec import ModelSpec, WorkflowSpec

PROBE_S = 30.0
MIB = 1024 * 1024


def checks(
    settings: Settings, specs: Sequence[WorkflowSpec], *, probe: bool
) -> tuple[tuple[str, Check], ...]:
    """Every check, in the order in which they are told."""
    running = session.running(settings)
    return (
        ("Machine", machine.versions),
        ("Disk", lambda: machine.disks(settings)),
        ("Memory", machine.memory),
        ("Open files", machine.open_files),
        ("Ports", lambda: _ports(settings, running)),
        ("Server", lambda: _server(settings, running)),
        ("Ray", lambda: _ray(settings, running)),
        ("Journal", lambda: _journal(settings)),
        ("Weights", lambda: _weights(settings, specs)),
        ("Models", lambda: _models(specs, probe=probe)),
        ("Collector", lambda: machine.collector(TelemetrySettings.from_env())),
    )


def _ports(settings: Settings, running: session.Running | None) -> Iterator[Finding]:
    ours = frozenset({_port_of(running.base_url)} if running else set())
    yield machine.port("HTTP port", settings.host, settings.port, ours, "--port or STELLARATOR_PORT")
    if settings.metrics_port:
        held = frozenset({settings.metrics_port} if running else set())
        number, variable = settings.metrics_port, "STELLARATOR_METRICS_PORT"
        yield machine.port("Metrics port", "127.0.0.1", number, held, variable)


def _server(settings: Settings, running: session.Running | None) -> Iterator[Finding]:
    if running is None:
        yield Finding("Server", "off", f"none runs with the state folder {settings.home}")
        return
    file = key_file(settings)
    key = settings.api_key or (file.read_text("utf-8").strip() if file.is_file() else "")
    health = health_of(running.base_url, key)
    if health.word == "ok":
        yield Finding("Server", "ok", f"{running.base_url}/v1 serves {', '.join(health.models)}")
    else:
        remedy = "Start it again: `stellarator down`, then `stellarator up`."
        if health.word == OTHER_KEY:
            remedy = "Set STELLARATOR_API_KEY to the key that it was started with."
        yield Finding("Server", "fail", f"{running.base_url} {health.word}", remedy)


def _ray(settings: Settings, running: session.Running | None) -> Iterator[Finding]:
    address = running.address if running else settings.ray_address
    if address is None:
        yield Finding("Ray", "off", "no cluster: STELLARATOR_RAY_ADDRESS is not set and no server runs here")
        return
    # By name: Ray takes seconds to import, and most check-ups do not need it.
    there: Any = importlib.import_module("serve_app.attendance")
    try:
        yield from there.attendance(settings, address)
    except SetupError as error:
        yield Finding("Ray", "fail", str(error), "Start the cluster, or mend STELLARATOR_RAY_ADDRESS.")


def _journal(settings: Settings) -> Iterator[Finding]:
    try:
        seen = checkup.look(settings.database_url)
    except (SetupInvalid, JournalUnavailable) as error:
        yield Finding("Journal", "fail", str(error), "Mend STELLARATOR_DATABASE_URL, or start the database.")
        return
    if seen.found > seen.known:
        said = f"{seen.where} has schema {seen.found}, this version knows {seen.known}"
        remedy = "Upgrade Stellarator, or set STELLARATOR_DATABASE_URL to another journal."
        yield Finding("Journal", "fail", said, remedy)
    elif not seen.writable:
        remedy = "Give this user the right to write it, or set STELLARATOR_DATABASE_URL."
        yield Finding("Journal", "fail", f"{seen.where} cannot be written", remedy)
    elif not seen.found:
        yield Finding("Journal", "ok", f"{seen.where} holds no journal yet; the first run makes it")
    else:
        size = (seen.size_bytes or 0) / MIB
        older = "" if seen.found == seen.known else ", brought up to date by the next start"
        yield Finding("Journal", "ok", f"{seen.where}, schema {seen.found}{older}, {size:.1f} MB")
    if seen.clock_ahead is not None:
        yield _clock(seen.clock_ahead)


def _clock(ahead: float) -> Finding:
    if abs(ahead) < 1.0:
        return Finding("Clock", "ok", "the database's clock agrees with ours")
    said = f"the database's clock is {ahead:+.1f} s from ours"
    return Finding("Clock", "warn", said, "Run a time service (chrony, systemd-timesyncd) on both machines.")


def _weights(settings: Settings, specs: Sequence[WorkflowSpec]) -> Iterator[Finding]:
    if not weights_missing(settings.home, settings.embedded_weights):
        yield Finding("Demo model", "ok", "its weights are here")
    else:
        said = f"its weights are not here; the first start fetches them ({SMOLLM2.size / MIB:.0f} MB)"
        yield Finding("Demo model", "warn" if needs_weights(specs) else "off", said)


def _models(specs: Sequence[WorkflowSpec], *, probe: bool) -> Iterator[Finding]:
    named = [provider.variable for provider in usable_providers()]
    if named:
        yield Finding("Keys", "ok", f"set: {', '.join(named)}")
    else:
        names = ", ".join(each.variable for each in providers())
        yield Finding("Keys", "off", f"no provider's key is set ({names})")
    for spec in specs:
        for key in missing_keys(spec, lambda name: secret(name) is not None):
            said = f"{spec.name}: {key.variable} is not set; {', '.join(key.aliases)} cannot be called"
            yield Finding("Keys", "fail", said, f"export {key.variable}=...")
        for alias, model in spec.models.items():
            yield from _model(f"{spec.name}: {alias}", model, probe=probe)


def _model(subject: str, model: ModelSpec, *, probe: bool) -> Iterator[Finding]:
    address = urlsplit(model.base_url or "")
    if address.hostname:
        number = address.port or (443 if address.scheme == "https" else 80)
        place = f"{address.hostname}:{number}"
        if trouble := machine.unreachable(address.hostname, number):
            yield Finding(
                "Model", "fail", f"{subject}: {place}: {trouble}", "Start that server, or mend `base_url`."
            )
            return
        yield Finding("Model", "ok", f"{subject}: {place} takes connections")
    if probe and model.kind != "embedded":
        yield asyncio.run(_probed(subject, model))


async def _probed(subject: str, model: ModelSpec) -> Finding:
    """A real call, of a few tokens."""
    models = ModelFactory(secrets=secret, embedded_url=_nowhere)
    request = ChatRequest((Message("user", (Text("Say ok."),)),), sampling=Sampling(max_tokens=16))
    try:
        async with asyncio.timeout(PROBE_S), aclosing(models.model(model).stream(request)) as answer:
            async for _ in answer:
                pass
    except (StellaratorError, TimeoutError) as error:
        said = str(error) or f"no answer within {PROBE_S:.0f} s"
        return Finding(
            "Model", "fail", f"{subject}: {said}", "Check the key, the model's name and the network."
        )
    else:
        return Finding("Model", "ok", f"{subject}: {model.model} answers")
    finally:
        await models.aclose()


async def _nowhere() -> str:
    raise AssertionError("the embedded model is not probed")


def _port_of(url: str) -> int:
    return urlsplit(url).port or 80
