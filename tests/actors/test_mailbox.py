"""Outcomes on their way to whoever ordered the calls."""

from __future__ import annotations

import asyncio

from actors.mailbox import Mailbox
from actors.orders import Landed
from workflows.flow import Cancelled


def landed(step_id: str) -> Landed:
    return Landed("run_1", Cancelled(step_id, "client", 0.0))


def steps(mail: tuple[Landed, ...]) -> list[str]:
    return [each.outcome.step_id for each in mail]


async def test_a_waiting_reader_gets_the_first_outcome_at_once_and_does_not_wait_for_more() -> None:
    box = Mailbox()
    reading = asyncio.ensure_future(box.after(0, 60.0))
    await asyncio.sleep(0)
    box.put(landed("fast"))
    assert steps((await reading).landed) == ["fast"]


async def test_what_landed_together_travels_together() -> None:
    box = Mailbox()
    for step in "abc":
        box.put(landed(step))
    mail = await box.after(0, 60.0)
    assert (mail.place, steps(mail.landed)) == (0, ["a", "b", "c"])


async def test_an_answer_that_was_lost_is_given_again_until_the_reader_has_heard_it() -> None:
    box = Mailbox()
    box.put(landed("a"))
    await box.after(0, 60.0)
    box.put(landed("b"))
    assert steps((await box.after(0, 60.0)).landed) == ["a", "b"]
    assert steps((await box.after(1, 60.0)).landed) == ["b"]


async def test_who_has_heard_everything_waits_no_longer_than_it_wants() -> None:
    box = Mailbox()
    box.put(landed("a"))
    assert (await box.after(1, 0.01)).landed == ()


async def test_a_box_that_is_made_anew_counts_on_from_what_its_reader_has_heard() -> None:
    box = Mailbox(heard=7)
    box.put(landed("h"))
    mail = await box.after(7, 60.0)
    assert (mail.place, steps(mail.landed)) == (7, ["h"])
