"""What must be true of every run's trace, whichever way its spans came: a receiver, a collector, Jaeger's query API."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tests.otlp import ReceivedSpan, Receiver

SKEW_S = 0.02
"""How far apart two processes may be about the same moment; one machine has one clock, but reads it at two times."""


@dataclass(frozen=True)
class Trace:
    """The spans of one trace."""

    spans: tuple[ReceivedSpan, ...]

    @property
    def run(self) -> ReceivedSpan:
        """The span of the run."""
        return self.one("invoke_workflow")

    def named(self, beginning: str) -> list[ReceivedSpan]:
        """The spans whose names begin so, in the order in which they began."""
        return sorted((s for s in self.spans if s.name.startswith(beginning)), key=lambda s: s.began)

    def one(self, beginning: str) -> ReceivedSpan:
        """The only span whose name begins so."""
        (found,) = self.named(beginning)
        return found

    def below(self, span: ReceivedSpan) -> list[ReceivedSpan]:
        """Its children, in the order in which they began."""
        return sorted((s for s in self.spans if s.parent_id == span.span_id), key=lambda s: s.began)

    def above(self, span: ReceivedSpan) -> str:
        """The name of its parent; empty for one whose parent is not in the trace."""
        return next((s.name for s in self.spans if s.span_id == span.parent_id), "")

    def attempts(self, branch: str) -> list[ReceivedSpan]:
        """The calls that were made for a branch, in the order in which they began."""
        return [span for span in self.named("chat ") if span.attributes.get("stellarator.branch") == branch]

    def synthesis(self) -> ReceivedSpan:
        """The only call that a synthesis made."""
        (found,) = (s for s in self.spans if s.attributes.get("stellarator.step.kind") == "synthesis")
        return found

    def tree(self) -> list[tuple[str, str]]:
        """Every span's name beside its parent's, sorted."""
        return sorted((span.name, self.above(span)) for span in self.spans)


def trace_of(spans: Iterable[ReceivedSpan], trace_id: str) -> Trace:
    """The spans of that trace."""
    return Trace(tuple(span for span in spans if span.trace_id == trace_id))


def wait_for_trace(collector: Receiver, trace_id: str, complete: Callable[[Trace], bool]) -> Trace:
    """The trace, once its SERVER span is there, it is `complete`, and no parent is still to come.

    Processes send their spans when they like, so a parent may arrive long after its child; an orphan fails here.
    """

    def enough(spans: tuple[ReceivedSpan, ...]) -> bool:
        trace = trace_of(spans, trace_id)
        tops = [span.name.split()[0] for span in trace.spans if not trace.above(span)]
        return tops == ["POST"] and complete(trace)

    return trace_of(collector.wait_for(enough), trace_id)


def credited(trace: Trace) -> bool:
    """Whether a run with panels is told to its end: what was contributed, to each panel, by all calls made for it."""
    panels = trace.named("execute_tool")
    told = {f"credit {panel.attributes['stellarator.step.id']}" for panel in panels}
    return {span.name for span in trace.named("credit")} == told != set() and all(
        len(trace.below(panel)) >= panel.attributes["stellarator.panel.attempts"] for panel in panels
    )


def check_laws(trace: Trace, caller: str = "") -> None:
    """One root, no orphan, children within their parents' times, and every token counted once.

    What was stopped may end later than what stopped it: nobody waits for it for long. What a panel's branches
    contributed is worked out after the run.
    """
    ids = [span.span_id for span in trace.spans]
    assert len(ids) == len(set(ids)), "a span came twice"
    roots = [span for span in trace.spans if span.parent_id in ("", caller)]
    assert [span.name.split()[0] for span in roots] == ["POST"]
    orphans = [span.name for span in trace.spans if span not in roots and not trace.above(span)]
    assert orphans == []
    for span in trace.spans:
        assert span.began <= span.ended
        for child in trace.below(span):
            assert child.began >= span.began - SKEW_S, f"{child.name} before {span.name}"
            if child.attributes.get("error.type") != "cancelled" and not child.name.startswith("credit"):
                assert child.ended <= span.ended + SKEW_S, f"{child.name} after {span.name}"
    if "gen_ai.usage.input_tokens" in trace.run.attributes:
        for tokens in ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"):
            of_calls = sum(span.attributes.get(tokens, 0) for span in trace.named("chat "))
            assert of_calls == trace.run.attributes[tokens], tokens


def overlap(spans: Sequence[ReceivedSpan]) -> bool:
    """Whether there was a moment at which all of them were under way."""
    return max(span.began for span in spans) < min(span.ended for span in spans)
