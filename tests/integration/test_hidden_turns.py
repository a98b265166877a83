"""Turns that a client does not see are back in the main LLM's conversation when the client is."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.conftest import Product
from tests.integration.clients import CLIENTS, ChatClient
from tests.integration.hands import BOTH_SAY, CONTENT
from tests.integration.panels import ADVICE
from tests.integration.test_faults import processes

pytestmark = pytest.mark.ray

ways = pytest.mark.parametrize(("protocol", "stream"), [(p, s) for p in CLIENTS for s in (False, True)])


def told(product: Product, model: str, already: int) -> list[list[dict[str, Any]]]:
    """The conversations that the main LLM was shown, one for each of its turns."""
    return [s.asked["messages"] for s in product.upstream.seen[already:] if s.model == model]


def shape(conversation: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Who says what to which call: roles with the ids of calls and results."""
    return [
        (
            message["role"],
            *(call["id"] for call in message.get("tool_calls", ())),
            *([message["tool_call_id"]] if message["role"] == "tool" else []),
        )
        for message in conversation
    ]


def panels(product: Product, already: int) -> int:
    return sum(s.model == "judge" for s in product.upstream.seen[already:])


@ways
def test_a_panel_called_beside_a_clients_tool_runs_once_and_is_heard_later(
    product: Product, protocol: str, stream: bool
) -> None:
    already = len(product.upstream.seen)
    client = CLIENTS[protocol](product, "hands-at-once", stream=stream)
    client.ask("Review it.")
    assert client.text == "Let me look."
    assert list(client.calls.values()) == ["read_file"]
    (given,) = client.calls
    client.bring(**{given: CONTENT})
    assert (client.text, client.calls) == (BOTH_SAY, {})
    assert panels(product, already) == 1
    _, conversation = told(product, "at-once", already)
    assert shape(conversation) == [
        ("user",),
        ("assistant", "own-panel", "own-read"),
        ("tool", "own-panel"),
        ("tool", "own-read"),
    ]
    assert ADVICE in conversation[2]["content"]
    assert (conversation[1]["content"], conversation[3]["content"]) == ("Let me look.", CONTENT)


@ways
def test_a_panel_that_was_heard_before_the_clients_tool_was_called_is_not_forgotten(
    product: Product, protocol: str, stream: bool
) -> None:
    already = len(product.upstream.seen)
    client = CLIENTS[protocol](product, "hands-afterwards", stream=stream)
    client.ask("Review it.")
    assert client.text == "The panel first.\n\nNow the file."
    (given,) = client.calls
    client.bring(**{given: CONTENT})
    client.ask("Thank you. Anything else?")
    *_, before, after, _ = told(product, "afterwards", already)
    assert panels(product, already) == 2  # the second question is a question of its own
    assert shape(before) == [
        ("user",),
        ("assistant", "own-panel"),
        ("tool", "own-panel"),
        ("assistant", "own-read"),
        ("tool", "own-read"),
    ]
    assert [message["content"] for message in before if message["role"] == "assistant"] == [
        "The panel first.",
        "Now the file.",
    ]
    assert after[: len(before)] == before
    assert shape(after[len(before) :]) == [("assistant",), ("user",)]


def test_a_forced_panel_runs_once_and_is_heard_in_every_later_turn(product: Product) -> None:
    already = len(product.upstream.seen)
    client = ChatClient(product, "hands-always", stream=True)
    client.ask("Review it.")
    (given,) = client.calls
    client.bring(**{given: CONTENT})
    assert panels(product, already) == 1
    first, second = told(product, "only-reads", already)
    assert second[: len(first)] == first
    assert [role for role, *_ in shape(second)] == ["user", "assistant", "tool", "assistant", "tool"]


def test_hidden_turns_outlive_the_process_that_hid_them(product: Product) -> None:
    """Another virtual model's memory is as empty as another replica's; the journal's process starts anew."""
    already = len(product.upstream.seen)
    client = ChatClient(product, "hands-at-once", stream=False)
    client.ask("Review it.")
    (journal,) = processes(product, "JournalActor")
    journal.send_signal(signal.SIGKILL)
    client.model = "hands-at-once-elsewhere"
    (given,) = client.calls
    client.bring(**{given: CONTENT})
    assert client.text == BOTH_SAY
    assert panels(product, already) == 1
    assert ADVICE in told(product, "at-once", already)[-1][2]["content"]


def test_a_call_that_nobody_remembers_stays_as_the_client_sent_it(product: Product) -> None:
    already = len(product.upstream.seen)
    client = ChatClient(product, "hands-at-once", stream=False)
    unknown = f"call_{7:032x}_1"
    call = {"id": unknown, "type": "function", "function": {"name": "read_file", "arguments": "{}"}}
    client.said += [
        {"role": "user", "content": "Review it."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
    ]
    client.bring(**{unknown: CONTENT})
    assert client.text == BOTH_SAY
    (conversation,) = told(product, "at-once", already)
    assert shape(conversation) == [("user",), ("assistant", unknown), ("tool", unknown)]
