"""One model without a panel: what passing a request through costs, against LiteLLM's proxy and Portkey's gateway."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from tests.bench.effort import QUICK, Effort
from tests.bench.figures import Figure, Note, over, percentile
from tests.bench.load import load
from tests.bench.peers import PEERS, Peer, PeerMissing
from tests.bench.scenes import pass_through, rules
from tests.bench.stand import product, upstream

AT_ONCE = 32
MODELS = ("echo", "paced")


@dataclass(frozen=True, slots=True)
class Round:
    """Requests per second and CPU per request, by part, with `AT_ONCE` of them; the rest in seconds, one at a time."""

    rate: float
    parts: Mapping[str, float]
    p50: float
    p99: float
    first_text: float
    gap: float

    @property
    def cpu(self) -> float:
        return sum(self.parts.values())


def measure(effort: Effort) -> Iterator[Figure | Note]:
    """Ours, also with HAProxy as its ingress, and the peers', in interleaved rounds."""
    with upstream(rules()) as models, ExitStack() as stack:
        workflows = [pass_through(name, models.base_url, name) for name in MODELS]
        asked = {"direct": Peer(models), "ours": Peer(stack.enter_context(product(workflows)))}
        try:
            haproxy = product(workflows, {"STELLARATOR_INGRESS": "haproxy"})
            asked["ours_haproxy"] = Peer(stack.enter_context(haproxy))
        except RuntimeError as error:
            yield Note(f"HAProxy as ingress is not measured: {error}")
        for name, running in PEERS.items():
            try:
                asked[name] = stack.enter_context(running(models, MODELS))
            except PeerMissing as error:
                yield Note(f"{name} is not compared: {error}")
        for peer in asked.values():
            _round(peer, QUICK)
        rounds = {name: list[Round]() for name in asked}
        for _ in range(effort.rounds):
            for name, peer in asked.items():
                rounds[name].append(_round(peer, effort))
    direct = rounds.pop("direct")
    yield over("passthrough_rps_direct", [r.rate for r in direct], "req/s", f"{AT_ONCE} at once")
    for name, told in rounds.items():
        yield from _alone(name, told, direct)
    for name in sorted(rounds.keys() & PEERS.keys()):
        yield from _compared(name, rounds)
    for part in sorted(rounds["ours"][0].parts):
        used = [1000 * told.parts.get(part, 0.0) for told in rounds["ours"]]
        yield over(f"passthrough_cpu_ms_ours_{part}", used, "ms CPU", "of a request")


def _round(peer: Peer, effort: Effort) -> Round:
    count, processes = effort.of(240, AT_ONCE), peer.server.processes
    before = processes.cpu_by_part()
    many = load(peer.server, "echo", count, AT_ONCE, headers=peer.headers)
    parts = {part: (now - before.get(part, 0.0)) / count for part, now in processes.cpu_by_part().items()}
    alone = load(peer.server, "echo", effort.of(60, 10), 1, headers=peer.headers).latencies
    paced = load(peer.server, "paced", effort.of(5, 2), 1, stream=True, headers=peer.headers).samples
    return Round(
        many.rate,
        parts,
        percentile(alone, 50),
        percentile(alone, 99),
        statistics.median(sample.first_text for sample in paced),
        statistics.median(sample.longest_gap for sample in paced),
    )


def _alone(name: str, told: Sequence[Round], direct: Sequence[Round]) -> Iterator[Figure]:
    """What one way takes and adds to the upstream's own times."""
    yield over(f"passthrough_rps_{name}", [r.rate for r in told], "req/s", f"{AT_ONCE} at once")
    yield over(f"passthrough_cpu_ms_{name}", [1000 * r.cpu for r in told], "ms CPU", "a request")
    for title, part in _ADDED.items():
        figure = f"passthrough_{title}" if name == "ours" else f"passthrough_{title}_{name}"
        yield over(figure, _added(told, direct, part), "ms", "over the upstream itself")


def _compared(name: str, rounds: Mapping[str, Sequence[Round]]) -> Iterator[Figure]:
    """Ours as a ratio to a peer's."""
    for way, mark in (("ours", ""), ("ours_haproxy", "haproxy_")):
        if way not in rounds:
            continue
        pairs = list(zip(rounds[way], rounds[name], strict=True))
        rates = [ours.rate / theirs.rate for ours, theirs in pairs]
        yield over(f"passthrough_{mark}rps_vs_{name}", rates, "x", f"{name}, {way}")
        cpu = [ours.cpu / theirs.cpu for ours, theirs in pairs]
        yield over(f"passthrough_{mark}cpu_vs_{name}", cpu, "x", f"{name}, {way}")


_ADDED: dict[str, Callable[[Round], float]] = {
    "p50_added_ms": lambda told: told.p50,
    "p99_added_ms": lambda told: told.p99,
    "ttft_added_ms": lambda told: told.first_text,
    "gap_added_ms": lambda told: told.gap,
}


def _added(told: Sequence[Round], direct: Sequence[Round], part: Callable[[Round], float]) -> list[float]:
    return [1000 * (part(one) - part(bare)) for one, bare in zip(told, direct, strict=True)]
