"""Every metric of the product, one table: name, unit, what it says, and the attributes that it may have.

GenAI's names and bucket boundaries are OpenTelemetry's (semantic-conventions-genai, gen-ai-metrics), in the spelling
of the released line; the attributes of our own metrics have short names, because people type them into queries. No
attribute names a run, a step or a client: each has as many values as there are workflows, models or error codes.

Prometheus gets the same metrics under `Instrument.prometheus`, the name that OpenTelemetry's own rules make of it, with
Ray's prefix ``ray_`` when Ray exports it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["counter", "histogram", "gauge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One metric.

    Attributes:
        name: OpenTelemetry's name.
        kind: a counter only grows, a histogram sorts values into `buckets`, a gauge says how much there is now.
        unit: in UCUM, ``s`` or an annotation such as ``{token}``.
        doc: what it says, one sentence.
        attributes: the names of all attributes that it may have.
        buckets: a histogram's upper bounds, in its unit.
    """

    name: str
    kind: Kind
    unit: str
    doc: str
    attributes: tuple[str, ...]
    buckets: tuple[float, ...] = ()

    @property
    def prometheus(self) -> str:
        """Its name in Prometheus, without the suffixes (``_total``, ``_bucket``) that exporters add."""
        unit = "_seconds" if self.unit == "s" else ""
        return f"{self.name.replace('.', '_')}{unit}"

    @property
    def labels(self) -> tuple[str, ...]:
        """Its attributes' names in Prometheus."""
        return tuple(label(name) for name in self.attributes)


def label(attribute: str) -> str:
    """An attribute's name in Prometheus."""
    return attribute.replace(".", "_")


_OPERATION: Final = (
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "gen_ai.response.model",
    "server.address",
    "server.port",
    "error.type",
)
_CHUNKS: Final = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_MODEL_SECONDS: Final = tuple(0.01 * 2**n for n in range(14))  # 10 ms to 82 s
_RUN_SECONDS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 90.0, 120.0, 300.0, 600.0)
_COMMIT_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

CLIENT_DURATION: Final = Instrument(
    name="gen_ai.client.operation.duration",
    kind="histogram",
    unit="s",
    doc="Duration of one call of a model at its provider.",
    attributes=_OPERATION,
    buckets=_MODEL_SECONDS,
)
CLIENT_TOKENS: Final = Instrument(
    name="gen_ai.client.token.usage",
    kind="histogram",
    unit="{token}",
    doc="Tokens of one call, as its provider counted them.",
    attributes=(*_OPERATION, "gen_ai.token.type"),
    buckets=tuple(4.0**n for n in range(14)),  # 1 to 67,108,864
)
CLIENT_FIRST_CHUNK: Final = Instrument(
    name="gen_ai.client.operation.time_to_first_chunk",
    kind="histogram",
    unit="s",
    doc="Seconds from asking a model to the first chunk of its answer.",
    attributes=_OPERATION,
    buckets=_CHUNKS,
)
SERVER_FIRST_TOKEN: Final = Instrument(
    name="gen_ai.server.time_to_first_token",
    kind="histogram",
    unit="s",
    doc="Seconds from a client's request to the first token of the turn that answers it, panel included.",
    attributes=("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model"),
    buckets=(*_CHUNKS, 20.0, 30.0, 60.0, 120.0),  # a panel thinks first: the conventions end at 10 s
)
RUNS: Final = Instrument(
    name="stellarator.runs",
    kind="counter",
    unit="{run}",
    doc="Runs that ended: ok, failed or cancelled; panel says ran, degraded, failed or skipped.",
    attributes=("virtual_model", "protocol", "status", "panel", "error.type"),
)
RUN_DURATION: Final = Instrument(
    name="stellarator.run.duration",
    kind="histogram",
    unit="s",
    doc="Duration of a run, from its request to its end.",
    attributes=("virtual_model", "protocol", "status", "panel"),
    buckets=_RUN_SECONDS,
)
RUNS_ACTIVE: Final = Instrument(
    name="stellarator.runs.active",
    kind="gauge",
    unit="{run}",
    doc="Runs under way in one replica.",
    attributes=("virtual_model", "process"),
)
PANELS: Final = Instrument(
    name="stellarator.panels",
    kind="counter",
    unit="{panel}",
    doc="Calls of mounted tools by outcome: ran, degraded, failed, skipped, cancelled or lost.",
    attributes=("virtual_model", "tool", "status"),
)
PANEL_DURATION: Final = Instrument(
    name="stellarator.panel.duration",
    kind="histogram",
    unit="s",
    doc="Duration of a mounted tool's call: branches, synthesis and waiting.",
    attributes=("virtual_model", "tool", "status"),
    buckets=_RUN_SECONDS,
)
PANEL_WAIT: Final = Instrument(
    name="stellarator.panel.wait",
    kind="histogram",
    unit="s",
    doc="Seconds from asking the branches to the end of waiting for them, by what ended it: all, quorum or deadline.",
    attributes=("virtual_model", "tool", "ended_by"),
    buckets=_RUN_SECONDS,
)
BRANCH_DURATION: Final = Instrument(
    name="stellarator.branch.duration",
    kind="histogram",
    unit="s",
    doc="Duration of a branch with all its attempts, by model and status: ok, failed or cancelled.",
    attributes=("virtual_model", "model", "status"),
    buckets=_MODEL_SECONDS,
)
BRANCHES_CANCELLED: Final = Instrument(
    name="stellarator.branches.cancelled",
    kind="counter",
    unit="{branch}",
    doc="Branches that were stopped: straggler, deadline or client.",
    attributes=("virtual_model", "model", "reason"),
)
RETRIES: Final = Instrument(
    name="stellarator.retries",
    kind="counter",
    unit="{attempt}",
    doc="Attempts that failed and were followed by another, by the model that failed.",
    attributes=("virtual_model", "model", "error.type"),
)
HEDGES: Final = Instrument(
    name="stellarator.hedges",
    kind="counter",
    unit="{attempt}",
    doc="Second copies of slow calls, by the model of the copy that lost.",
    attributes=("virtual_model", "model"),
)
COST: Final = Instrument(
    name="stellarator.cost.usd",
    kind="counter",
    unit="{USD}",
    doc="US dollars for model calls whose price is known, failed and stopped ones by estimate.",
    attributes=("virtual_model", "model", "kind"),
)
TOKENS: Final = Instrument(
    name="stellarator.tokens",
    kind="counter",
    unit="{token}",
    doc="Tokens of model calls by type: input, output.",
    attributes=("virtual_model", "model", "kind", "type"),
)
CALLS_ACTIVE: Final = Instrument(
    name="stellarator.calls.active",
    kind="gauge",
    unit="{call}",
    doc="Model calls under way in one lane.",
    attributes=("process",),
)
QUOTA_WAITING: Final = Instrument(
    name="stellarator.quota.waiting",
    kind="gauge",
    unit="{call}",
    doc="Model calls of one process that wait for their turn under the limits of their provider's account.",
    attributes=("process",),
)
QUOTA_WAIT: Final = Instrument(
    name="stellarator.quota.wait",
    kind="histogram",
    unit="s",
    doc="Seconds that a limited model call waited for its turn, by outcome: admitted, refused or cancelled.",
    attributes=("model", "outcome"),
    buckets=(0.001, *_RUN_SECONDS),
)
QUOTA_REFUSED: Final = Instrument(
    name="stellarator.quota.refused",
    kind="counter",
    unit="{call}",
    doc="Model calls that were not made, by what left no room: max_parallel_requests, rpm, tpm, queue or provider.",
    attributes=("model", "reason"),
)
JOURNAL_WAITING: Final = Instrument(
    name="stellarator.journal.waiting",
    kind="gauge",
    unit="{append}",
    doc="Appends that wait to be written to the journal.",
    attributes=("process",),
)
JOURNAL_COMMIT: Final = Instrument(
    name="stellarator.journal.commit",
    kind="histogram",
    unit="s",
    doc="Duration of one transaction of the journal; status is ok or failed.",
    attributes=("status",),
    buckets=_COMMIT_SECONDS,
)
JOURNAL_EVENTS: Final = Instrument(
    name="stellarator.journal.events",
    kind="counter",
    unit="{event}",
    doc="Events committed to the journal.",
    attributes=(),
)
REFUSED: Final = Instrument(
    name="stellarator.requests.refused",
    kind="counter",
    unit="{request}",
    doc="Requests that were answered with an error's status, by status and, at a model's door, protocol; 429 is a limit.",
    attributes=("status", "protocol"),
)
INSTRUMENTS: Final = (
    CLIENT_DURATION,
    CLIENT_TOKENS,
    CLIENT_FIRST_CHUNK,
    SERVER_FIRST_TOKEN,
    RUNS,
    RUN_DURATION,
    RUNS_ACTIVE,
    PANELS,
    PANEL_DURATION,
    PANEL_WAIT,
    BRANCH_DURATION,
    BRANCHES_CANCELLED,
    RETRIES,
    HEDGES,
    COST,
    TOKENS,
    CALLS_ACTIVE,
    QUOTA_WAITING,
    QUOTA_WAIT,
    QUOTA_REFUSED,
    JOURNAL_WAITING,
    JOURNAL_COMMIT,
    JOURNAL_EVENTS,
    REFUSED,
)
