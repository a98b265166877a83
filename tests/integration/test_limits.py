"""Limits of a provider's account hold over all processes, and what they leave no room for is refused early."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from itertools import chain
from time import monotonic

import httpx
import pytest

from actors.models.scripted.server import Seen
from tests.conftest import Product
from tests.integration.limits import HOLD, METERED, PER_MINUTE, RATIONED, SCARCE, TOGETHER
from tests.integration.panels import ANSWER
from tests.integration.test_doors import DOORS, ENDS, asked
from tests.integration.test_panels import ask, eventually, steps

pytestmark = pytest.mark.ray


def at_once(seen: list[Seen]) -> int:
    """The most calls that were under way at one time."""
    changes = sorted(chain.from_iterable(((call.started, 1), (call.ended, -1)) for call in seen))
    now = most = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


@contextmanager
def held(product: Product, http: httpx.Client) -> Iterator[None]:
    """The scarce model's only place is taken."""
    body = {"model": "scarce-alone", "stream": True, "messages": [{"role": "user", "content": HOLD}]}

    def is_taken() -> bool:
        return any(call.model == SCARCE and not call.ended for call in product.upstream.seen)

    eventually(lambda: not is_taken(), 60.0)
    with ExitStack() as streams:
        for _ in range(20):  # the first may come before the place is given back by whoever held it last
            streams.enter_context(http.stream("POST", "/v1/chat/completions", json=body))
            with suppress(AssertionError):
                eventually(is_taken, 5.0)
                break
        assert is_taken()
        yield


def test_branches_on_lanes_and_main_llms_in_the_gateway_share_one_limit_and_all_get_their_turn(
    product: Product,
) -> None:
    already = len(product.upstream.seen)
    models = ["rationed-three", "rationed-alone"] * 3
    with ThreadPoolExecutor(len(models)) as pool:
        answers = list(pool.map(lambda model: ask(product, model), models))
    assert [answer for answer, _ in answers] == [ANSWER, "In my turn."] * 3
    assert [shown["panel"] for _, shown in answers[::2]] == ["ran"] * 3
    seen = [call for call in product.upstream.seen[already:] if call.model == RATIONED]
    assert len(seen) == 3 * 3 + 3
    assert at_once(seen) <= TOGETHER


def test_no_minute_has_more_calls_than_it_may_have_whoever_makes_them(product: Product) -> None:
    began = monotonic()
    with product.http() as http, ThreadPoolExecutor(6) as pool:
        bodies = [
            asked("/v1/chat/completions", model, stream=False)
            for model in ["metered-alone", "metered-three"] * 3
        ]
        answers = list(pool.map(lambda body: http.post("/v1/chat/completions", json=body), bodies))
    made = sum(call.model == METERED for call in product.upstream.seen)
    minutes = 1 + int(monotonic() - began) // 60
    assert 1 <= made <= PER_MINUTE * minutes
    assert {answer.status_code for answer in answers} <= {200, 429}
    assert all(answer.headers["retry-after"] for answer in answers if not answer.is_success)


@pytest.mark.parametrize("path", DOORS)
def test_a_main_llm_without_room_within_its_limits_is_a_429_that_says_when_to_come_back(
    product: Product, path: str
) -> None:
    with product.http() as http, held(product, http):
        for stream in (False, True):
            response = http.post(path, json=asked(path, "scarce-alone", stream=stream))
            if stream and response.is_success:  # a machine that was too busy for a status in time
                assert not any(end in response.text for end in ENDS)
                continue
            assert response.status_code == 429
            assert int(response.headers["retry-after"]) >= 1
            assert "under way" in response.json()["error"]["message"]


def test_a_branch_without_room_within_its_limits_goes_to_its_fallback(product: Product) -> None:
    with product.http() as http, held(product, http):
        answer, shown = ask(product, "scarce-first")
    assert answer == ANSWER
    assert shown["panel"] == "ran"
    assert steps(shown)["broad"]["model"] == "fast"
    refused = [step["error"]["code"] for step in shown["steps"] if step["kind"] == "attempt"]
    assert refused == ["rate_limited"]
