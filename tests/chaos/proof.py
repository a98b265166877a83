"""What must hold after the chaos, read off the upstream's log, the journal, the clients, and the machine.

Times are Unix seconds of one machine, so a call that begins after its step was finished is a step paid twice.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import psutil

from actors.journal.sql import open_store
from actors.journal.store import JournalStore, RunQuery
from actors.models.scripted.server import Seen as Called
from tests.chaos.killer import DOORS, KINDS, Kill
from tests.chaos.load import Seen
from tests.chaos.stage import Stage, title_of
from workflows.events import Event, RunStarted, StepFinished, StepStarted
from workflows.replay import RunSummary, summary_of

TOKEN = re.compile(r"(?:plan|warm)-\d{4}-x")
PAGE = 200
IDLE = "ray::IDLE"
ENDED = frozenset({"step_finished", "step_failed", "step_cancelled"})
GROWTH = 1.5
"""How much more the product may take afterwards than when it was warm: up to 1.25 was seen, with lanes of a node that had gone."""
Step = tuple[str, str, bool]
"""Token, upstream model, and whether the request had a tool's result: which step of which run a call belongs to."""


@dataclass(frozen=True, slots=True)
class Told:
    """One run, as the journal tells it."""

    summary: RunSummary
    token: str
    events: tuple[Event, ...]
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Load:
    """What the product takes of the machine."""

    processes: int
    files: int
    megabytes: int
    by_title: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the chaos came to. Those of `WANTED` say what they must be.

    Kept runs are those in the background: they end by themselves, answered or failed, whatever becomes of their client.
    """

    requests: int
    answered: int
    refused: int
    cut: int
    cut_without_a_killed_door: int
    malformed: int
    background: Mapping[str, int]
    background_lost: int
    kills: Mapping[str, int]
    kinds_never_hit: int
    runs: int
    runs_by_status: Mapping[str, int]
    panels: Mapping[str, int]
    unended_runs: int
    kept_runs: int
    kept_runs_resumed: int
    kept_runs_without_an_end_of_their_own: int
    answers_without_their_run: int
    runs_of_one_request_doubled: int
    upstream_calls: int
    calls_left_open: int
    steps_finished: int
    finished_steps_called_again: int
    calls_repeated_after_a_death: int
    events: int
    events_doubled: int
    events_out_of_place: int
    rows_that_disagree: int
    steps_lost_in_answered_runs: int
    lost_steps: Mapping[str, int]
    before: Load
    after: Load


WANTED: Mapping[str, int] = dict.fromkeys(
    (
        "cut_without_a_killed_door",
        "malformed",
        "background_lost",
        "kinds_never_hit",
        "unended_runs",
        "kept_runs_without_an_end_of_their_own",
        "answers_without_their_run",
        "runs_of_one_request_doubled",
        "calls_left_open",
        "finished_steps_called_again",
        "events_doubled",
        "events_out_of_place",
        "rows_that_disagree",
        "steps_lost_in_answered_runs",
    ),
    0,
)
"""What nothing may break, however much is killed."""


def load_of(stage: Stage) -> Load:
    """What the session's processes take now, but for workers that Ray keeps idle for a while."""
    files, megabytes, titles = 0, 0.0, Counter[str]()
    for process in stage.inside():
        title = title_of(process)
        if title == IDLE:
            continue
        try:
            files += process.num_fds()
            megabytes += process.memory_full_info().uss / 2**20
            titles[re.split(r"[.:#]", title.removeprefix("ray::"))[0].rpartition("/")[2]] += 1
        except psutil.Error:  # it ended meanwhile
            continue
    return Load(titles.total(), files, round(megabytes), dict(titles))


def figures(  # long: a table, one line for each figure
    stage: Stage, seen: Sequence[Seen], kills: Sequence[Kill], before: Load
) -> Figures:
    """Everything, worked out when all is quiet; what warmed the product up does not count."""
    told = [run for run in _told(stage.url) if not run.token.startswith("warm")]
    calls = _calls(stage.upstream.seen)
    finished = _finished(told)
    kinds = Counter(one.kind for one in seen)
    kept = [run.summary for run in told if run.summary.kept]
    hits = dict(Counter(kill.kind for kill in kills if kill.hit))
    lost = [step for run in told if run.summary.status == "ok" for step in _steps_without_end(run)]
    return Figures(
        requests=len(seen),
        answered=kinds["answered"],
        refused=kinds["refused"],
        cut=kinds["cut"],
        cut_without_a_killed_door=sum(one.kind == "cut" and not _door_died(one, kills) for one in seen),
        malformed=kinds["malformed"],
        background=dict(Counter(one.kind for one in seen if one.door == "background")),
        background_lost=kinds["lost"],
        kills=hits,
        kinds_never_hit=len(KINDS) - len(hits),
        runs=len(told),
        runs_by_status=dict(Counter(run.summary.status for run in told)),
        panels=dict(Counter(run.summary.panel or "none" for run in told)),
        unended_runs=sum(run.summary.status == "running" for run in told),
        kept_runs=len(kept),
        kept_runs_resumed=sum(run.resumptions > 0 for run in kept),
        kept_runs_without_an_end_of_their_own=sum(run.status not in {"ok", "failed"} for run in kept),
        answers_without_their_run=_unrecorded(seen, told),
        runs_of_one_request_doubled=sum(n > 1 for n in Counter(run.token for run in told).values()),
        upstream_calls=len(stage.upstream.seen),
        calls_left_open=sum(not call.ended for call in stage.upstream.seen),
        steps_finished=len(finished),
        finished_steps_called_again=sum(
            call.started > at + 0.01 for step, at in finished.items() for call in calls.get(step, ())
        ),
        calls_repeated_after_a_death=sum(len(some) - 1 for some in calls.values()),
        events=sum(len(run.events) for run in told),
        events_doubled=_doubled(event.id for run in told for event in run.events),
        events_out_of_place=sum(list(run.places) != sorted(set(run.places)) for run in told)
        + _doubled(place for run in told for place in run.places),
        rows_that_disagree=sum(not _agree(run) for run in told),
        steps_lost_in_answered_runs=len(lost),
        lost_steps=dict(Counter(lost)),
        before=before,
        after=load_of(stage),
    )


def under_way(url: str) -> int:
    """How many runs have no end yet."""
    store = open_store(url, read_only=True)
    try:
        return len(store.runs(RunQuery(status="running", limit=PAGE)))
    finally:
        store.close()


def broken(found: Figures) -> list[str]:
    """What does not hold, as sentences."""
    shown = asdict(found)
    wrong = [
        f"{name} is {shown[name]}, not {wanted}" for name, wanted in WANTED.items() if shown[name] != wanted
    ]
    # What is started while it runs (lanes of a second node, processes of branches) is not there before; a leak grows on.
    before, after = found.before, found.after
    grown = (
        name
        for name in ("processes", "files", "megabytes")
        if getattr(after, name) > GROWTH * getattr(before, name)
    )
    return [
        *wrong,
        *(f"{name} grew from {getattr(before, name)} to {getattr(after, name)}" for name in grown),
    ]


def as_table(found: Figures) -> str:
    """The figures for people, those that must hold marked."""
    lines = []
    for name, value in asdict(found).items():
        mark = " " if name not in WANTED else "✓" if value == WANTED[name] else "✗"
        shown = ", ".join(f"{key} {n}" for key, n in value.items()) if isinstance(value, dict) else value
        lines.append(f"{mark} {name.replace('_', ' '):34} {shown}")
    return "\n".join(lines)


def as_json(found: Figures) -> str:
    """The figures for programs."""
    return json.dumps(asdict(found))


def _told(url: str) -> list[Told]:
    store = open_store(url, read_only=True)
    try:
        return [_run(store, summary) for summary in _summaries(store)]
    finally:
        store.close()


def _summaries(store: JournalStore) -> list[RunSummary]:
    found: list[RunSummary] = []
    while page := store.runs(RunQuery(limit=PAGE, before=found[-1].run_id if found else None)):
        found += page
    return found


def _run(store: JournalStore, summary: RunSummary) -> Told:
    recorded = store.events(summary.run_id)
    events = tuple(each.event for each in recorded)
    started = next((event for event in events if isinstance(event, RunStarted)), None)
    named = TOKEN.search(repr(started.request)) if started else None
    return Told(summary, named.group() if named else "", events, tuple(each.seq for each in recorded))


def _calls(seen: Iterable[Called]) -> Mapping[Step, list[Called]]:
    found: defaultdict[Step, list[Called]] = defaultdict(list)
    for call in seen:
        if named := TOKEN.search(json.dumps(call.asked)):
            told = any(message.get("role") == "tool" for message in call.asked.get("messages", ()))
            found[named.group(), call.model, told].append(call)
    return found


def _finished(told: Iterable[Told]) -> dict[Step, float]:
    """When each call's step was first finished, by the journal."""
    found: dict[Step, float] = {}
    for run in told:
        asked = {
            event.step_id: event for event in run.events if isinstance(event, StepStarted) and event.request
        }
        for event in run.events:
            if isinstance(event, StepFinished) and event.completion and event.step_id in asked:
                start = asked[event.step_id]
                request = start.request
                has_result = request is not None and any(
                    message.role == "tool" for message in request.messages
                )
                found.setdefault((run.token, start.model, has_result), event.at)
    return found


def _door_died(one: Seen, kills: Iterable[Kill]) -> bool:
    """Whether what held the client's connection was killed while it was open; a strike takes its time on a slow machine."""
    return any(
        kill.kind in DOORS and kill.hit and kill.began <= one.ended and one.began - 1 <= kill.ended
        for kill in kills
    )


def _unrecorded(seen: Iterable[Seen], told: Iterable[Told]) -> int:
    answered = {run.token for run in told if run.summary.status == "ok"}
    return sum(one.kind == "answered" and one.token not in answered for one in seen)


def _doubled(values: Iterable[object]) -> int:
    return sum(count - 1 for count in Counter(values).values())


def _agree(run: Told) -> bool:
    """Whether the run's row in the list says what its events say; costs are sums, which may be rounded otherwise."""
    one, other = asdict(run.summary), asdict(summary_of(run.events))
    return all(one[name] == other[name] for name in one if name != "cost_usd")


def _steps_without_end(run: Told) -> list[str]:
    started = {event.step_id: event.step_kind for event in run.events if isinstance(event, StepStarted)}
    ended = {getattr(event, "step_id", "") for event in run.events if event.kind in ENDED}
    return [f"{kind} ({run.summary.panel})" for step, kind in started.items() if step not in ended]
