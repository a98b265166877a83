"""Processes that die in the middle of a panel. What was paid is not paid again; what was lost costs a retry."""

from __future__ import annotations

import signal
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psutil
import pytest

from tests.conftest import Product
from tests.integration.panels import ANSWER
from tests.integration.test_panels import ask, eventually, steps

pytestmark = pytest.mark.ray


def processes(product: Product, title: str) -> list[psutil.Process]:
    """The workers of this product's Ray, and of no other on this machine, whose actor class is `title`."""
    home = str(product.settings.home)
    found = []
    for process in psutil.process_iter():
        try:
            titled = "".join(process.cmdline()[:1]).startswith(f"ray::{title}")
            if titled and process.environ().get("STELLARATOR_HOME") == home:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
            continue
    return found


def in_the_middle_of_a_panel(product: Product, pool: ThreadPoolExecutor) -> Future[Any]:
    """Ask, and return when all branches are under way at the upstream."""
    already = len(product.upstream.seen)
    asked = pool.submit(ask, product, "thoughtful-three")
    eventually(lambda: sum(s.model == "thoughtful" for s in product.upstream.seen[already:]) == 3)
    return asked


def test_a_killed_coordinator_joins_its_calls_again_and_nothing_is_paid_twice(product: Product) -> None:
    already = len(product.upstream.seen)
    with ThreadPoolExecutor(1) as pool:
        asked = in_the_middle_of_a_panel(product, pool)
        (coordinator,) = processes(product, "Coordinator")
        coordinator.send_signal(signal.SIGKILL)
        answer, shown = asked.result(60)
    assert answer == ANSWER
    assert shown["panel"] == "ran"
    seen = [s.model for s in product.upstream.seen[already:]]
    assert seen.count("thoughtful") == 3
    assert seen.count("judge") == 1


def callers(process: psutil.Process) -> set[str]:
    """Its ends of its connections, as the upstream names them."""
    return {f"{c.laddr.ip}:{c.laddr.port}" for c in process.net_connections("tcp") if c.laddr}


def lane_at_work(product: Product, model: str) -> psutil.Process:
    """The lane that makes the calls of this model that are under way."""
    ends = {s.caller for s in product.upstream.seen if s.model == model and not s.ended}
    (busy,) = [lane for lane in processes(product, "Lane") if callers(lane) & ends]
    return busy


def test_a_killed_lanes_calls_go_on_in_one_that_was_there_before(product: Product) -> None:
    already = len(product.upstream.seen)

    def made() -> list[str]:
        return [s.caller for s in product.upstream.seen[already:] if s.model == "thoughtful"]

    with ThreadPoolExecutor(1) as pool:
        asked = in_the_middle_of_a_panel(product, pool)
        lanes = processes(product, "Lane")
        busy = lane_at_work(product, "thoughtful")
        busy.send_signal(signal.SIGKILL)
        eventually(lambda: len(made()) == 6)
        others = [callers(lane) for lane in lanes if lane != busy]
        answer, shown = asked.result(60)
    assert set(made()[3:]) <= set().union(*others)
    assert answer == ANSWER
    assert shown["panel"] == "ran"
    named = steps(shown)
    assert {named[branch]["status"] for branch in ("broad", "risks", "diverse")} == {"ok"}
    lost = [step for step in shown["steps"] if step["kind"] == "attempt"]
    assert [step["error"]["code"] for step in lost] == ["lane_lost"] * 3


def test_a_busy_model_is_tried_again_and_the_failed_attempt_is_in_the_run(product: Product) -> None:
    answer, shown = ask(product, "first-busy")
    assert answer == ANSWER
    assert shown["panel"] == "ran"
    (attempt,) = [step for step in shown["steps"] if step["kind"] == "attempt"]
    assert attempt["error"]["code"] == "upstream_busy"
    branch = next(step for step in shown["steps"] if step["step_id"] == attempt["parent_id"])
    assert branch["status"] == "ok"


def test_a_refused_model_is_replaced_by_its_fallback(product: Product) -> None:
    answer, shown = ask(product, "refused-first")
    assert answer == ANSWER
    assert shown["panel"] == "ran"
    named = steps(shown)
    assert named["broad"]["model"] == "fast"
    assert {step["error"]["code"] for step in shown["steps"] if step["kind"] == "attempt"} == {
        "upstream_refused"
    }


def test_a_slow_branch_is_hedged_and_the_first_answer_wins(product: Product) -> None:
    answer, shown = ask(product, "hedged")
    assert answer == ANSWER
    named = steps(shown)
    assert named["broad"]["model"] == "fast"
    lost = [step for step in shown["steps"] if step["kind"] == "attempt"]
    assert {(step["status"], step["reason"]) for step in lost} == {("cancelled", "hedged")}


def test_a_main_llm_that_is_down_is_replaced_by_its_fallback(product: Product) -> None:
    answer, _ = ask(product, "main-down")
    assert answer == ANSWER


def test_a_main_llm_that_says_nothing_is_replaced_by_its_fallback(product: Product) -> None:
    already = len(product.upstream.seen)
    answer, shown = ask(product, "main-silent")
    assert answer == ANSWER
    attempts = [step["error"]["code"] for step in shown["steps"] if step["kind"] == "attempt"]
    assert set(attempts) == {"upstream_timeout"}
    hanging = [s for s in product.upstream.seen[already:] if s.model == "hanging"]
    eventually(lambda: all(s.outcome == "aborted" for s in hanging))
