"""Runs that outlive their request: in the background and under a key, resumed after their keeper's death."""

from __future__ import annotations

import secrets
import signal
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from tests.conftest import Product
from tests.integration.panels import ANSWER
from tests.integration.test_faults import processes
from tests.integration.test_panels import PROMPT, eventually, run
from tests.integration.traces import wait_for_trace
from tests.otlp import ReceivedSpan

pytestmark = pytest.mark.ray

THOUGHTFUL = "thoughtful-three"


def calls(product: Product, model: str, since: int = 0) -> int:
    """How often the upstream was asked for that model."""
    return sum(seen.model == model for seen in product.upstream.seen[since:])


def run_of(response_id: str) -> str:
    return response_id.replace("resp_", "run_")


def ended(product: Product, response_id: str) -> Any:
    """The response when it is over."""
    with product.openai() as client:
        return eventually(
            lambda: (
                (r := client.responses.retrieve(response_id)).status not in {"queued", "in_progress"} and r
            ),
            60,
        )


def test_a_response_in_the_background_is_queued_at_once_and_answered_later(product: Product) -> None:
    with product.openai() as client:
        began = client.responses.create(model="slow-three", input=PROMPT, background=True)
        assert (began.status, began.background, began.output) == ("queued", True, [])
        assert client.responses.retrieve(began.id).status in {"queued", "in_progress"}
    assert ended(product, began.id).output_text == ANSWER
    assert run(product, run_of(began.id))["panel"] == "ran"


def test_a_broken_stream_goes_on_behind_the_last_event_and_can_be_read_from_the_start(
    product: Product,
) -> None:
    with product.openai() as client:
        stream = client.responses.create(model="slow-three", input=PROMPT, background=True, stream=True)
        begun = [next(stream) for _ in range(3)]
        stream.close()
        assert [event.type for event in begun] == [
            "response.created",
            "response.queued",
            "response.in_progress",
        ]
        id_ = begun[0].response.id  # type: ignore[union-attr]  # it is a created event
        rest = list(client.responses.retrieve(id_, stream=True, starting_after=begun[-1].sequence_number))
        whole = list(client.responses.retrieve(id_, stream=True))
    assert [event.sequence_number for event in (*begun, *rest)] == list(range(len(begun) + len(rest)))
    assert rest[-1].type == "response.completed"
    assert rest[-1].response.output_text == ANSWER
    assert [event.model_dump() for event in whole] == [event.model_dump() for event in (*begun, *rest)]


def test_cancelling_stops_every_upstream_call_within_a_moment_and_twice_is_once(product: Product) -> None:
    already = len(product.upstream.seen)
    with product.openai() as client:
        began = client.responses.create(model="all-hanging", input=PROMPT, background=True)
        eventually(lambda: calls(product, "hanging", already) == 3)
        asked = time.time()
        assert client.responses.cancel(began.id).status == "cancelled"
        assert client.responses.cancel(began.id).status == "cancelled"
        assert client.responses.retrieve(began.id).status == "cancelled"
    hanging = [seen for seen in product.upstream.seen[already:] if seen.model == "hanging"]
    eventually(lambda: all(seen.outcome == "aborted" for seen in hanging))
    assert max(seen.ended for seen in hanging) - asked < 5


def test_deleting_a_response_that_is_under_way_stops_it(product: Product) -> None:
    already = len(product.upstream.seen)
    with product.openai() as client:
        began = client.responses.create(model="all-hanging", input=PROMPT, background=True)
        eventually(lambda: calls(product, "hanging", already) == 3)
        client.responses.delete(began.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(began.id)
    assert run(product, run_of(began.id))["status"] == "cancelled"


def test_only_what_runs_in_the_background_can_be_cancelled(product: Product) -> None:
    with product.openai() as client:
        given = client.responses.create(model="plain", input="Hello")
        with pytest.raises(openai.BadRequestError, match="background"):
            client.responses.cancel(given.id)
        with pytest.raises(openai.BadRequestError, match="store"):
            client.responses.create(model="plain", input="Hello", background=True, store=False)


@pytest.mark.parametrize("role", ["Keeper", "Coordinator"])
def test_a_run_outlives_the_process_that_drives_it_and_nothing_is_paid_twice(
    product: Product, role: str
) -> None:
    already, trace_id = len(product.upstream.seen), secrets.token_hex(16)
    traced = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
    with product.openai() as client:
        began = client.responses.create(model=THOUGHTFUL, input=PROMPT, background=True, extra_headers=traced)
        eventually(lambda: calls(product, "thoughtful", already) == 3)
        (process,) = processes(product, role)
        process.send_signal(signal.SIGKILL)
        # A reader that has heard nothing of the answer stays and hears it.
        heard = list(client.responses.retrieve(began.id, stream=True))
    assert heard[-1].type == "response.completed"
    assert ended(product, began.id).output_text == ANSWER
    assert calls(product, "thoughtful", already) == 3
    assert calls(product, "judge", already) == 1
    shown = run(product, run_of(began.id))
    assert shown["panel"] == "ran"
    assert shown["trace_id"] == trace_id
    whole = life_that_ended(product, run_of(began.id))
    if role == "Keeper":
        assert [linked for linked, _ in whole.links] == [trace_id]
        assert whole.trace_id != trace_id
    else:
        assert (whole.trace_id, whole.links) == (trace_id, ())
    # Nothing hangs in the air: the life that was lost is told by the next one.
    first = wait_for_trace(product.collector, trace_id, lambda trace: bool(trace.named("execute_tool")))
    assert first.run.attributes.get("error.type") == ("process_lost" if role == "Keeper" else None)


def life_that_ended(product: Product, run_id: str) -> ReceivedSpan:
    """The span of the life of a run that came to its end."""

    def found(spans: Iterable[ReceivedSpan]) -> list[ReceivedSpan]:
        lives = [span for span in spans if span.name.startswith("invoke_workflow")]
        return [
            span
            for span in lives
            if span.attributes["stellarator.run.id"] == run_id and "error.type" not in span.attributes
        ]

    (span,) = found(product.collector.wait_for(lambda spans: bool(found(spans))))
    return span


def test_a_finished_panel_is_not_convened_again_when_its_run_is_gone_on_with(product: Product) -> None:
    already = len(product.upstream.seen)
    with product.openai() as client:
        began = client.responses.create(model="dreamy-answer", input=PROMPT, background=True)
        eventually(lambda: calls(product, "judge", already) == 1)
        eventually(lambda: calls(product, "dreamy", already) == 2)
        (process,) = processes(product, "Keeper")
        process.send_signal(signal.SIGKILL)
    assert ended(product, began.id).output_text == ANSWER
    assert calls(product, "fast", already) == 3
    assert calls(product, "judge", already) == 1
    # Of its two turns the first was over; the second was under way and has been asked for once more.
    assert calls(product, "dreamy", already) == 3
    shown = run(product, run_of(began.id))
    assert [step["reason"] for step in shown["steps"] if step["kind"] == "attempt"] == ["unknown"]


ASKED = [{"role": "user", "content": PROMPT}]
DOORS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"model": THOUGHTFUL, "messages": ASKED}),
    "responses": ("/v1/responses", {"model": THOUGHTFUL, "input": PROMPT}),
    "messages": ("/v1/messages", {"model": THOUGHTFUL, "max_tokens": 500, "messages": ASKED}),
}


@pytest.mark.parametrize("door", DOORS)
def test_a_key_is_answered_once_however_often_it_is_sent(product: Product, door: str) -> None:
    path, body = DOORS[door]
    key = {"idempotency-key": f"once-{door}-{time.time()}"}
    already = len(product.upstream.seen)
    with product.http() as http, ThreadPoolExecutor(2) as pool:
        first, joined = pool.map(lambda _: http.post(path, json=body, headers=key), range(2))
        later = http.post(path, json=body, headers=key)
        streamed = http.post(path, json={**body, "stream": True}, headers=key)
        other = http.post(path, json={**body, "temperature": 0.9}, headers=key)
    assert ANSWER in first.text
    told = [response.json() for response in (first, joined, later)]
    assert len({response.headers["x-stellarator-run-id"] for response in (first, joined, later)}) == 1
    assert ANSWER in joined.text
    assert ANSWER in later.text
    assert ANSWER[-3:] in streamed.text
    assert "idempotent-replayed" not in first.headers
    assert later.headers["idempotent-replayed"] == streamed.headers["idempotent-replayed"] == "true"
    assert told[0]["usage"] == told[1]["usage"] == told[2]["usage"]
    assert other.status_code == 422
    assert "Idempotency-Key" in other.json()["error"]["message"]
    assert calls(product, "thoughtful", already) == 3
    assert calls(product, "judge", already) == 1


def test_a_client_that_leaves_does_not_end_a_run_with_a_key(product: Product) -> None:
    path, body = DOORS["chat"]
    key = {"idempotency-key": f"left-{time.time()}"}
    already = len(product.upstream.seen)
    with product.http() as http:
        with http.stream("POST", path, json={**body, "stream": True}, headers=key) as response:
            run_id = response.headers["x-stellarator-run-id"]
            eventually(lambda: calls(product, "thoughtful", already) == 3)
        assert ANSWER in http.post(path, json=body, headers=key).text
    assert run(product, run_id)["status"] == "ok"
    assert calls(product, "thoughtful", already) == 3


def test_a_request_that_repeats_a_cancelled_one_goes_on_with_it(product: Product) -> None:
    """The client gives up in the middle of the panel and tries again: what had answered is not asked again."""
    body = {**DOORS["chat"][1], "model": "fast-and-thoughtful", "stream": True}
    already = len(product.upstream.seen)
    with product.http() as http:
        with http.stream("POST", "/v1/chat/completions", json=body) as response:
            first = response.headers["x-stellarator-run-id"]
            eventually(lambda: calls(product, "thoughtful", already) == 1)
            eventually(lambda: [s["status"] for s in run(product, first)["steps"]].count("ok") >= 3)
        eventually(lambda: run(product, first)["status"] == "cancelled")
        again = http.post("/v1/chat/completions", json={**body, "stream": False})
        anew = http.post("/v1/chat/completions", json={**body, "stream": False})
    assert ANSWER in again.text
    assert again.headers["x-stellarator-run-id"] == first
    assert run(product, first)["status"] == "ok"
    # After the answer the same request is a wish for another one.
    assert anew.headers["x-stellarator-run-id"] != first
    assert calls(product, "fast", already) == 2 + 2
    assert calls(product, "thoughtful", already) == 2 + 1
