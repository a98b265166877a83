"""A panel's figures, as Prometheus scrapes them from Ray's node and as a collector gets them over OTLP.

Nobody else calls the virtual model ``measured``, so its counters tell of this module's one run alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from cluster.instruments import INSTRUMENTS
from tests.conftest import Product
from tests.integration.panels import ANSWER
from tests.otlp import ReceivedPoint

pytestmark = pytest.mark.ray

MODEL = "measured"
PATIENCE_S = 90.0


@pytest.fixture(scope="module")
def measured(product: Product) -> Product:
    """The product after one run: two branches answered, the third was stopped."""
    answer = product.openai().chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Review this plan"}]
    )
    assert answer.choices[0].message.content == ANSWER
    nobody = {"model": "nobody", "messages": [{"role": "user", "content": "Hello"}]}
    with product.http() as http:
        assert http.post("/v1/chat/completions", json=nobody).status_code == 404
    return product


class Scrape:
    """What Prometheus reads from the node: samples by name and labels."""

    def __init__(self, text: str) -> None:
        self.samples = [s for family in text_string_to_metric_families(text) for s in family.samples]

    def sum(self, name: str, **labels: str) -> float:
        """The sum over all series, as PromQL's ``sum`` makes it."""
        wanted = labels.items()
        found = [s.value for s in self.samples if s.name == name and wanted <= s.labels.items()]
        return sum(found)

    def labels(self, name: str) -> set[str]:
        return {key for s in self.samples if s.name == name for key in s.labels}


def scrape_until(product: Product, enough: Callable[[Scrape], Any]) -> Scrape:
    url = f"http://127.0.0.1:{product.settings.metrics_port}/metrics"
    deadline = time.monotonic() + PATIENCE_S
    while True:
        scrape = Scrape(httpx.get(url).raise_for_status().text)
        if enough(scrape):
            return scrape
        assert time.monotonic() < deadline, sorted({s.name for s in scrape.samples if "stellar" in s.name})
        time.sleep(0.2)


def test_prometheus_reads_a_panels_figures_from_rays_node(measured: Product) -> None:
    runs, branches = "ray_stellarator_runs_total", "ray_stellarator_branch_duration_seconds_count"

    def told(s: Scrape) -> bool:
        return bool(
            s.sum(runs, virtual_model=MODEL)
            and s.sum(branches, virtual_model=MODEL) == 3
            and s.sum("ray_stellarator_panels_total", virtual_model=MODEL)
            and s.sum("ray_stellarator_requests_refused_total", status="404")
            and s.sum("ray_stellarator_tokens_total", virtual_model=MODEL, kind="synthesis")
        )

    scrape = scrape_until(measured, told)

    assert scrape.sum(runs, virtual_model=MODEL, status="ok", panel="degraded", protocol="openai_chat") == 1
    assert scrape.sum("ray_stellarator_panels_total", virtual_model=MODEL, tool="problem_review") == 1
    assert scrape.sum(branches, virtual_model=MODEL, model="fast", status="ok") == 2
    assert scrape.sum(branches, virtual_model=MODEL, model="hanging", status="cancelled") == 1
    stopped = "ray_stellarator_branches_cancelled_total"
    assert scrape.sum(stopped, virtual_model=MODEL, model="hanging", reason="straggler") == 1
    assert scrape.sum("ray_stellarator_panel_wait_seconds_count", virtual_model=MODEL, ended_by="quorum") == 1
    assert scrape.sum("ray_stellarator_cost_usd_total", virtual_model=MODEL, model="fast", kind="branch") > 0
    assert scrape.sum("ray_stellarator_tokens_total", virtual_model=MODEL, kind="synthesis", type="input") > 0
    calls = "ray_gen_ai_client_operation_duration_seconds_count"
    assert scrape.sum(calls, gen_ai_request_model="fast", server_address="127.0.0.1", error_type="") >= 2
    assert scrape.sum("ray_gen_ai_server_time_to_first_token_seconds_count", gen_ai_request_model=MODEL) == 1
    assert scrape.sum("ray_stellarator_requests_refused_total", status="404", protocol="openai_chat") >= 1
    assert scrape.sum("ray_stellarator_journal_commit_seconds_count", status="ok") > 0
    assert "process" in scrape.labels("ray_stellarator_calls_active")
    assert "process" in scrape.labels("ray_stellarator_runs_active")


def test_a_collector_gets_the_same_figures_over_otlp(measured: Product) -> None:
    def of_model(points: tuple[ReceivedPoint, ...], name: str, **attributes: str) -> list[ReceivedPoint]:
        wanted = ({"virtual_model": MODEL} | attributes).items()
        return [p for p in points if p.name == name and wanted <= p.attributes.items()]

    points = measured.collector.wait_for_points(
        lambda points: bool(
            of_model(points, "stellarator.runs")
            and sum(p.count for p in of_model(points, "stellarator.branch.duration")) == 3
        )
    )

    (run,) = of_model(points, "stellarator.runs", status="ok")
    assert (run.value, run.cumulative, run.unit) == (1.0, True, "{run}")
    assert run.resource["stellarator.role"] == "gateway"
    (stopped,) = of_model(points, "stellarator.branch.duration", status="cancelled")
    assert stopped.resource["stellarator.role"] == "coordinator"
    assert stopped.count == sum(stopped.buckets) == 1
    assert stopped.resource["service.instance.id"] != run.resource["service.instance.id"]
    (duration,) = of_model(points, "stellarator.run.duration")
    assert stopped.value < duration.value < 60
    known = {each.name: each for each in INSTRUMENTS}
    for point in points:
        assert point.unit == known[point.name].unit
        assert set(point.attributes) <= set(known[point.name].attributes), point.name
        if point.count:
            assert point.bounds == known[point.name].buckets
