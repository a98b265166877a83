"""Fusion requests under load while parts of the product are killed at random, and the proof that all was kept."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from tests.chaos import proof
from tests.chaos.killer import Killer
from tests.chaos.load import ask_all, warm_up, wishes
from tests.chaos.stage import Stage, stage

pytestmark = [pytest.mark.ray, pytest.mark.chaos, pytest.mark.timeout(1800)]

QUIET_SECONDS = 90.0
"""How long everything that was under way may take to end after the last request."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much chaos there is: so many requests over so many seconds, and how often each kind of part is killed.

    `freezes` says for how many seconds the database stands still, each time.
    """

    requests: int
    seconds: float
    rounds: int
    freezes: tuple[float, ...]


SHORT = Extent(requests=36, seconds=30.0, rounds=1, freezes=(4.0,))
LONG = Extent(requests=300, seconds=240.0, rounds=6, freezes=(10.0, 4.0))
KILLING = 0.9
"""The share of the time in which there are kills: when requests are under way."""


@pytest.fixture
def product_apart() -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="st-") as folder, stage(Path(folder)) as made:
        yield made


def test_nothing_is_lost_and_nothing_is_paid_twice_whatever_is_killed(
    product_apart: Stage, pytestconfig: pytest.Config
) -> None:
    extent = LONG if pytestconfig.getoption("chaos_long") else SHORT
    seed = pytestconfig.getoption("chaos_seed")
    random = Random(seed)
    warm = asyncio.run(ask_all(product_apart.base_url, warm_up(), 0.5))
    assert {one.kind for one in warm} == {"answered"}, warm
    product_apart.upstream.seen.clear()
    before = proof.load_of(product_apart)
    killer = Killer(
        product_apart,
        random,
        rounds=extent.rounds,
        seconds=KILLING * extent.seconds,
        freezes=extent.freezes,
    )
    killer.start()
    asked = wishes(random, extent.requests)
    seen = asyncio.run(ask_all(product_apart.base_url, asked, extent.seconds))
    killer.join()
    product_apart.wait_for_nodes()
    _wait_until_quiet(product_apart)
    found = proof.figures(product_apart, seen, killer.kills, before)
    out = proof.as_json(found) if pytestconfig.getoption("chaos_json") else proof.as_table(found)
    sys.stdout.write(f"\nseed {seed}\n{out}\n")
    for one in seen:
        if one.kind != "answered":
            sys.stdout.write(f"{one}\n")
    assert proof.broken(found) == []


def _wait_until_quiet(product: Stage) -> None:
    """Return when no run and no call is under way any more, or they have had long enough to end."""
    end = time.monotonic() + QUIET_SECONDS
    while time.monotonic() < end and (
        proof.under_way(product.url) or any(not call.ended for call in product.upstream.seen)
    ):
        time.sleep(1.0)
