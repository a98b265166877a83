"""What the journal is told of calls that ended without an answer."""

from __future__ import annotations

from actors.recorder import Recorder
from tests.actors.test_attempts import Memory
from workflows.events import StepCancelled
from workflows.flow import Call, Cancelled
from workflows.messages import ChatRequest, Usage
from workflows.replay import run_view
from workflows.spec import ModelSpec, PriceSpec
from workflows.tariff import Tariff

CALL = Call("review.1/a", "review.1", "branch", "a", "first", ChatRequest(()))
USED = Usage(500_000, 0, estimated=True)
PRICED = Tariff({"first": ModelSpec(model="x", price=PriceSpec(input=2, output=9))})


def stopped(recorder: Recorder, memory: Memory, usage: Usage) -> StepCancelled:
    recorder.call_started(CALL)
    recorder.attempt_ended(CALL, "1", Cancelled("review.1/a", "straggler", 1.0, usage, "first"))
    event = memory.events[-1]
    assert isinstance(event, StepCancelled)
    return event


def test_what_a_stopped_call_used_is_priced_as_an_estimate() -> None:
    memory = Memory()
    event = stopped(Recorder(memory, "run_1", PRICED), memory, USED)
    assert event.cost_usd == 1.0
    view = run_view(memory.events)
    assert view.cost_usd == 1.0
    assert view.total_usage.estimated


def test_without_a_price_its_cost_is_unknown_and_nothing_used_costs_nothing() -> None:
    memory = Memory()
    assert stopped(Recorder(memory, "run_1"), memory, USED).cost_usd is None
    assert stopped(Recorder(memory, "run_1"), memory, Usage()).cost_usd == 0.0
