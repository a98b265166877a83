"""Limits of a provider's account hold over all processes, and what they leave no room for is refused early."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import pytest

from actors.models.scripted.server import Seen
from tests.conftest import Product
from tests.integration.limits import METERED, RATIONED, SCARCE, TOGETHER
from tests.integration.panels import ANSWER
from tests.integration.test_doors import DOORS, ENDS, asked
from tests.integration.test_panels import ask, steps

pytestmark = pytest.mark.ray


def at_once(seen: list[Seen]) -> int:
    """The most calls that were under way at one time."""
    changes = sorted(chain.from_iterable(((call.started, 1), (call.ended, -1)) for call in seen))
    now = most = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


def test_branches_on_lanes_and_main_llms_in_the_gateway_share_one_limit_and_all_get_their_turn(
    product: Product,
) -> None:
    ask(product, "rationed-alone")  # whatever is started with the first call is there
    already = len(product.upstream.seen)
    models = ["rationed-three", "rationed-alone"] * 3
    with ThreadPoolExecutor(len(models)) as pool:
        answers = list(pool.map(lambda model: ask(product, model), models))
    assert [answer for answer, _ in answers] == [ANSWER, "In my turn."] * 3
    assert [shown["panel"] for _, shown in answers[::2]] == ["ran"] * 3
    seen = [call for call in product.upstream.seen[already:] if call.model == RATIONED]
    assert len(seen) == 3 * 3 + 3
    assert at_once(seen) == TOGETHER


@pytest.mark.parametrize(("model", "path"), list(zip(METERED, DOORS, strict=True)))
def test_a_main_llm_without_room_within_its_limits_is_a_429_that_says_when_to_come_back(
    product: Product, model: str, path: str
) -> None:
    with product.http() as http:
        assert http.post(path, json=asked(path, model, stream=False)).is_success
        refused = [http.post(path, json=asked(path, model, stream=stream)) for stream in (False, True)]
    for response in refused:
        if response.is_success:  # streamed, on a machine that was too busy for a status in time
            assert not any(end in response.text for end in ENDS)
            continue
        assert response.status_code == 429
        assert 1 <= int(response.headers["retry-after"]) <= 60
        assert "requests a minute" in response.json()["error"]["message"]
    assert refused[0].status_code == 429
    assert sum(call.model == model for call in product.upstream.seen) == 1


def test_a_branch_without_room_within_its_limits_goes_to_its_fallback(product: Product) -> None:
    for model in (SCARCE, "fast"):
        answer, shown = ask(product, "scarce-first")
        assert answer == ANSWER
        assert shown["panel"] == "ran"
        assert steps(shown)["broad"]["model"] == model
    refused = [step["error"]["code"] for step in shown["steps"] if step["kind"] == "attempt"]
    assert refused == ["rate_limited"]
    assert sum(call.model == SCARCE for call in product.upstream.seen) == 1
