"""One model without a panel: what passing a request through costs, against LiteLLM's proxy and Portkey's gateway."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from subprocess import CalledProcessError

from tests.bench import peers
from tests.bench.effort import Effort
from tests.bench.figures import Figure, over, percentile
from tests.bench.load import load
from tests.bench.peers import Peer
from tests.bench.scenes import pass_through, rules
from tests.bench.stand import Server, product, upstream

AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Round:
    """Requests per second and CPU milliseconds per request at `AT_ONCE`, and seconds at one at a time, streamed."""

    rate: float
    cpu_ms: float
    p50: float
    p99: float
    first_text: float
    gap: float


def measure(effort: Effort) -> Iterator[Figure]:
    """Ours and the peers', in interleaved rounds."""
    with upstream(rules()) as models, ExitStack() as stack:
        direct = Peer(models, "echo")
        ours = Peer(stack.enter_context(product([pass_through("echo", models.base_url)])), "echo")
        asked = {"ours": ours, "direct": direct, **dict(_peers(models, stack))}
        for peer in asked.values():
            _round(peer, effort.least)
        rounds = {name: list[Round]() for name in asked}
        for _ in range(effort.rounds):
            for name, peer in asked.items():
                rounds[name].append(_round(peer, 3 * effort.least))
    yield from _figures(rounds)


def _peers(models: Server, stack: ExitStack) -> Iterator[tuple[str, Peer]]:
    """The peers that can be installed here."""
    for name, peer in (("litellm", peers.litellm), ("portkey", peers.portkey)):
        try:
            yield name, stack.enter_context(peer(models))
        except (CalledProcessError, OSError, RuntimeError) as error:
            raise RuntimeError(f"the peer {name} does not run here: {error}") from error


def _round(peer: Peer, count: int) -> Round:
    before = peer.server.processes.cpu_s()
    many = load(peer.server, peer.model, count, AT_ONCE, headers=peer.headers)
    cpu_ms = 1000 * (peer.server.processes.cpu_s() - before) / count
    alone = load(peer.server, peer.model, max(10, count // 6), 1, stream=True, headers=peer.headers)
    return Round(
        many.rate,
        cpu_ms,
        percentile(many.latencies, 50),
        percentile(many.latencies, 99),
        statistics.median(sample.first_text for sample in alone.samples),
        statistics.median(sample.longest_gap for sample in alone.samples),
    )


def _figures(rounds: dict[str, list[Round]]) -> Iterator[Figure]:
    ours, direct = rounds["ours"], rounds["direct"]
    for name, told in rounds.items():
        yield over(f"passthrough_rps_{name}", [r.rate for r in told], "req/s", f"{AT_ONCE} at once")
        yield over(f"passthrough_p99_ms_{name}", [1000 * r.p99 for r in told], "ms", f"{AT_ONCE} at once")
        yield over(f"passthrough_cpu_ms_{name}", [r.cpu_ms for r in told], "ms CPU")
    for name in rounds.keys() - {"ours", "direct"}:
        theirs = rounds[name]
        yield over(
            f"passthrough_rps_vs_{name}", _ratios([r.rate for r in ours], [r.rate for r in theirs]), "x"
        )
        cpu = _ratios([r.cpu_ms for r in ours], [r.cpu_ms for r in theirs])
        yield over(f"passthrough_cpu_vs_{name}", cpu, "x")
        added = [1000 * (r.first_text - d.first_text) for r, d in zip(theirs, direct, strict=True)]
        yield over(f"passthrough_ttft_added_ms_{name}", added, "ms")
    added = [1000 * (r.first_text - d.first_text) for r, d in zip(ours, direct, strict=True)]
    yield over("passthrough_ttft_added_ms", added, "ms", "the upstream itself")
    gaps = [1000 * (r.gap - d.gap) for r, d in zip(ours, direct, strict=True)]
    yield over("passthrough_longest_gap_added_ms", gaps, "ms", "the upstream itself")


def _ratios(ours: list[float], theirs: list[float]) -> list[float]:
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]
