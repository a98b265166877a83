"""One real server for all integration tests: Ray, Serve, journal, lanes; only the models are scripted."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import hypothesis
import pytest
from openai import OpenAI

from actors.models.scripted.server import RunningUpstream, running
from cluster.settings import Settings, environment
from serve_app.server import Running, serving
from tests.integration.panels import published, rules
from tests.otlp import HttpReceiver, Receiver
from tests.postgres import Postgres, running_postgres

KEY = "sk-stellarator-for-tests"
SOON = {"OTEL_METRIC_EXPORT_INTERVAL": "500", "RAY_metrics_report_interval_ms": "1000"}
"""Metrics leave their process at once, not after a minute."""

# Machines are noisy: how long an example takes says nothing.
hypothesis.settings.register_profile("noisy-machine", deadline=None)
hypothesis.settings.load_profile("noisy-machine")


@dataclass(frozen=True)
class Product:
    """The running product as a client sees it, and the upstream behind it."""

    server: Running
    upstream: RunningUpstream
    settings: Settings
    collector: Receiver
    clients: ExitStack

    @property
    def root(self) -> str:
        return self.server.base_url.removesuffix("/v1")

    def openai(self) -> OpenAI:
        """The official SDK's client; closed with the product, when nobody closes it before."""
        client = OpenAI(base_url=self.server.base_url, api_key=self.server.api_key, max_retries=0)
        return self.clients.enter_context(client)

    def http(self) -> httpx.Client:
        return httpx.Client(
            base_url=self.root, headers={"authorization": f"Bearer {self.server.api_key}"}, timeout=60
        )


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--chaos-long", action="store_true", help="hundreds of requests instead of dozens")
    parser.addoption("--chaos-seed", type=int, default=7, help="what is killed when")
    parser.addoption("--chaos-json", action="store_true", help="print the figures as JSON")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the running product come last, so that no Ray idles beside all the others."""
    items.sort(key=lambda item: "product" in getattr(item, "fixturenames", ()))


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL for whoever only needs databases; who lets it fail starts one of their own."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def product() -> Iterator[Product]:
    home = Path(tempfile.mkdtemp(prefix="st-"))
    settings = Settings.from_env(
        {
            "STELLARATOR_HOME": str(home),
            "STELLARATOR_API_KEY": KEY,
            "STELLARATOR_PORT": str(free_port()),
            "STELLARATOR_METRICS_PORT": str(free_port()),
            "STELLARATOR_JAEGER_URL": "http://jaeger.test/",
        }
    )
    try:
        with (
            running(rules()) as upstream,
            HttpReceiver() as collector,  # not gRPC: Ray forks, and gRPC threads do not survive it
            environment(collector.environment | SOON),
            serving(settings, published(upstream.base_url), on_stage=lambda _: None) as server,
            ExitStack() as clients,
        ):
            yield Product(server, upstream, settings, collector, clients)
    finally:
        shutil.rmtree(home, ignore_errors=True)
