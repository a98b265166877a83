"""Panels on real Ray, over real HTTP, with a scripted upstream in place of models."""

from __future__ import annotations

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.conftest import Product
from tests.integration.panels import ALONE, ANSWER

pytestmark = pytest.mark.ray

PROMPT = "Review this plan, please"


def ask(product: Product, model: str, prompt: str = PROMPT) -> tuple[str, dict[str, Any]]:
    """Ask as the official SDK does; return the answer and the run as the API shows it."""
    raw = product.openai().chat.completions.with_raw_response.create(
        model=model, messages=[{"role": "user", "content": prompt}]
    )
    answer = raw.parse().choices[0].message.content or ""
    return answer, run(product, raw.headers["x-stellarator-run-id"])


def run(product: Product, run_id: str) -> dict[str, Any]:
    with product.http() as http:
        shown: dict[str, Any] = http.get(f"/api/runs/{run_id}").raise_for_status().json()
        return shown


def steps(shown: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {step["name"]: step for step in shown["steps"]}


def eventually(condition: Any, seconds: float = 60.0) -> Any:
    """Wait for something that happens by itself; fail when it does not."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def test_a_panel_answers_and_every_step_of_it_is_in_the_run(product: Product) -> None:
    answer, shown = ask(product, "slow-three")
    assert answer == ANSWER
    assert shown["status"] == "ok"
    assert shown["panel"] == "ran"
    named = steps(shown)
    assert set(named) >= {"main", "problem_review", "broad", "risks", "diverse", "synthesis", "answer"}
    assert all(step["seconds"] >= 0 and step["input_tokens"] > 0 for step in named.values())
    assert named["problem_review"]["input_tokens"] == sum(
        named[name]["input_tokens"] for name in ("broad", "risks", "diverse", "synthesis")
    )


def test_branches_overlap(product: Product) -> None:
    """All three were under way at the same time, and the panel took about as long as one of them."""
    already = len(product.upstream.seen)
    ask(product, "slow-three")
    seen = [s for s in product.upstream.seen[already:] if s.model == "slow"]
    assert len(seen) == 3
    assert max(s.started for s in seen) < min(s.ended for s in seen)
    total = max(s.ended for s in seen) - min(s.started for s in seen)
    assert total < sum(s.ended - s.started for s in seen) / 2


def test_one_failing_branch_leaves_an_answer_from_two(product: Product) -> None:
    answer, shown = ask(product, "one-broken")
    assert answer == ANSWER
    assert shown["panel"] == "degraded"
    broken = steps(shown)["risks"]
    assert broken["status"] == "failed"
    assert "sk-secret" not in str(shown)


def test_a_straggler_is_stopped_after_the_grace_and_its_socket_closed(product: Product) -> None:
    already = len(product.upstream.seen)
    answer, shown = ask(product, "one-hanging")
    assert answer == ANSWER
    straggler = steps(shown)["diverse"]
    assert straggler["status"] == "cancelled"
    assert straggler["reason"] == "straggler"
    hanging = next(s for s in product.upstream.seen[already:] if s.model == "hanging")
    eventually(lambda: hanging.outcome == "aborted")


def test_a_hanging_panel_ends_at_its_deadline_with_the_survivor(product: Product) -> None:
    already = len(product.upstream.seen)
    answer, shown = ask(product, "past-deadline")
    assert answer == ANSWER
    assert shown["panel"] == "degraded"
    assert steps(shown)["broad"]["status"] == "ok"
    hanging = [s for s in product.upstream.seen[already:] if s.model == "hanging"]
    eventually(lambda: all(s.outcome == "aborted" for s in hanging))


def test_when_all_branches_fail_the_main_llm_answers_alone_and_the_run_says_why(product: Product) -> None:
    answer, shown = ask(product, "all-broken")
    assert answer == ALONE
    assert shown["panel"] == "failed"
    tool = steps(shown)["problem_review"]
    assert tool["status"] == "failed"
    assert set(tool["detail"]["left_out"].values()) == {"upstream_unavailable"}


def test_a_dedicated_model_answers_from_its_own_deployment(product: Product) -> None:
    answer, shown = ask(product, "dedicated-three")
    assert answer == ANSWER
    assert shown["panel"] == "ran"


def test_a_branch_with_resources_runs_as_a_ray_task_of_its_own(product: Product) -> None:
    answer, shown = ask(product, "own-process")
    assert answer == ANSWER, shown
    assert {steps(shown)[name]["status"] for name in ("broad", "risks")} == {"ok"}


def test_a_client_that_leaves_stops_every_upstream_call(product: Product) -> None:
    already = len(product.upstream.seen)
    body = {"model": "all-hanging", "stream": True, "messages": [{"role": "user", "content": PROMPT}]}
    with product.http() as http, http.stream("POST", "/v1/chat/completions", json=body) as response:
        run_id = response.headers["x-stellarator-run-id"]
        eventually(lambda: sum(s.model == "hanging" for s in product.upstream.seen[already:]) == 3)
    left = time.time()
    hanging = [s for s in product.upstream.seen[already:] if s.model == "hanging"]
    eventually(lambda: all(s.outcome == "aborted" for s in hanging))
    assert max(s.ended for s in hanging) - left < 10
    shown = eventually(lambda: (r := run(product, run_id))["status"] == "cancelled" and r)
    assert {step["status"] for step in shown["steps"]} <= {"cancelled", "ok"}


def test_a_client_that_leaves_in_the_middle_of_an_answer_stops_the_main_llm(product: Product) -> None:
    already = len(product.upstream.seen)
    body = {"model": "endless", "stream": True, "messages": [{"role": "user", "content": "go"}]}
    with product.http() as http, http.stream("POST", "/v1/chat/completions", json=body) as response:
        next(line for line in response.iter_lines() if "word" in line)
    endless = next(s for s in product.upstream.seen[already:] if s.model == "endless")
    eventually(lambda: endless.outcome == "aborted")


def test_the_openai_sdk_streams_an_answer(product: Product) -> None:
    stream = product.openai().chat.completions.create(
        model="slow-three",
        messages=[{"role": "user", "content": PROMPT}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == ANSWER
    assert chunks[-1].usage is not None


def test_a_pass_through_model_makes_one_call(product: Product) -> None:
    already = len(product.upstream.seen)
    answer, shown = ask(product, "plain", "Hello")
    assert answer == "Hello from one model."
    assert shown["panel"] == "skipped"
    assert len(product.upstream.seen) == already + 1


def test_everything_is_in_the_journal_on_disk(product: Product) -> None:
    _, shown = ask(product, "one-broken")
    path = product.settings.database_url.removeprefix("sqlite:///")
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        kinds = [
            kind for (kind,) in db.execute("select kind from events where run_id = ?", [shown["run_id"]])
        ]
    assert kinds.count("run_started") == kinds.count("run_finished") == 1
    assert kinds.count("step_started") == kinds.count("step_finished") + kinds.count("step_failed")


def test_many_runs_at_once_keep_apart(product: Product) -> None:
    with product.http() as http:
        body = {"model": "slow-three", "messages": [{"role": "user", "content": PROMPT}]}
        already = len(product.upstream.seen)
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: http.post("/v1/chat/completions", json=body), range(16)))
    assert all(a.json()["choices"][0]["message"]["content"] == ANSWER for a in answers)
    assert len({a.headers["x-stellarator-run-id"] for a in answers}) == 16
    assert sum(s.model == "slow" for s in product.upstream.seen[already:]) == 48


def test_after_the_answer_the_run_says_what_each_branch_contributed(product: Product) -> None:
    _, shown = ask(product, "slow-three")
    credited = eventually(
        lambda: (r := run(product, shown["run_id"])) and steps(r)["problem_review"]["contribution"] and r
    )
    named = steps(credited)
    assert {named[name]["contribution"]["branch"] for name in ("broad", "risks")} == {"broad", "risks"}
    flags = {flag["name"] for flag in named["problem_review"]["contribution"]["flags"]}
    assert "branches_too_similar" in flags
