"""The spans of a run, in every process that takes part in it.

Spans are started under an explicit W3C parent and ended explicitly: a run crosses processes, tasks and
generators, where "the current span" would be somebody else's. Names and attributes come from `cluster.semconv`.
"""

from __future__ import annotations

from opentelemetry.trace import Span, SpanKind, Status, StatusCode, format_trace_id

from cluster import semconv, telemetry
from workflows.answer import AnswerFinished, RunRequest
from workflows.errors import Failure
from workflows.flow import Answered, Call, Cancelled, Outcome, ToolOutcome, ToolUse
from workflows.spec import WorkflowSpec
