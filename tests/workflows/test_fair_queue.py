"""Turns go round, first the groups and then the flows of each."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from workflows.fair_queue import FairQueue

WAITING = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), min_size=1, max_size=60)


def queued(paths: list[tuple[str, str]]) -> FairQueue:
    queue = FairQueue()
    for number, path in enumerate(paths):
        queue.push(f"{path[0]}{path[1]}{number}", path, 1.0)
    return queue


def served(queue: FairQueue, turns: int) -> list[str]:
    names = []
    for _ in range(turns):
        name = queue.first()
        assert name is not None
        queue.serve(name)
        names.append(name)
    return names


@given(WAITING)
def test_everybody_gets_a_turn_and_those_of_one_flow_in_order(paths: list[tuple[str, str]]) -> None:
    queue = queued(paths)
    names = served(queue, len(paths))
    assert len(queue) == 0
    assert queue.first() is None
    for path in paths:
        own = [int(name[2:]) for name in names if name.startswith("".join(path))]
        assert own == sorted(own)


@given(WAITING)
def test_while_two_groups_wait_neither_gets_more_than_one_turn_ahead_of_the_other(
    paths: list[tuple[str, str]],
) -> None:
    queue, had, left = queued(paths), Counter[str](), Counter(group for group, _ in paths)
    for name in served(queue, len(paths)):
        had[name[0]] += 1
        left[name[0]] -= 1
        waiting = [group for group, number in left.items() if number]
        assert all(abs(had[one] - had[other]) <= 1 for one in waiting for other in waiting)


@given(WAITING, st.tuples(st.sampled_from("abcd"), st.sampled_from("wxyz")))
def test_so_many_are_ahead_as_it_says(paths: list[tuple[str, str]], path: tuple[str, str]) -> None:
    queue = queued(paths)
    ahead = queue.ahead(path)
    queue.push("mine", path, 1.0)
    assert abs(served(queue, len(paths) + 1).index("mine") - ahead) <= len(set(paths))


def test_one_who_always_comes_back_at_once_does_not_pass_one_who_waits() -> None:
    queue = FairQueue()
    for number in range(10):
        queue.push(f"long{number}", ("", "long"), 1.0)
    turns = []
    for number in range(10):
        queue.push(f"short{number}", ("", "short"), 1.0)
        turns += served(queue, 2)
    assert sum(name.startswith("long") for name in turns) >= 9


def test_clients_who_come_for_the_first_time_do_not_keep_the_others_waiting_for_good() -> None:
    queue = queued([("old", "x")] * 3)
    turns = []
    for number in range(20):
        queue.push(f"new{number}", (f"client{number}", "x"), 1.0)
        turns += served(queue, 1)
    assert sum(name.startswith("old") for name in turns) == 3


def test_the_dear_ones_get_fewer_turns() -> None:
    queue = FairQueue()
    for number in range(40):
        queue.push(f"dear{number}", ("dear", ""), 3.0)
        queue.push(f"cheap{number}", ("cheap", ""), 1.0)
    turns = Counter(name.rstrip("0123456789") for name in served(queue, 40))
    assert 28 <= turns["cheap"] <= 32


def test_what_waits_no_more_is_not_served_and_nothing_is_remembered_of_it() -> None:
    queue = queued([("a", "x"), ("a", "x"), ("b", "x")])
    queue.remove("ax0")
    assert sorted(served(queue, 2)) == ["ax1", "bx2"]
    assert queue.waiting_in("a") == 0
    assert vars(queue)["_groups"] == {}


def test_of_clients_that_came_once_nothing_is_remembered_while_others_wait() -> None:
    queue = FairQueue()
    for number in range(200):
        queue.push(f"c{number}", (f"client{number}", "run"), 1.0)
    served(queue, 190)
    assert len(vars(queue)["_groups"]) <= 200
    for number in range(200, 400):
        queue.push(f"c{number}", (f"client{number}", "run"), 1.0)
        served(queue, 1)
    assert len(vars(queue)["_groups"]) < 230
