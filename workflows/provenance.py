"""Where the sentences of one text come from, among several sources. The method is described in `workflows.attribution`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workflows.matching import Index, Match, Source, Weights, copied
from workflows.words import Words

FLOOR = 0.3
"""Scores below are what two texts on the same subject have by chance."""

SURE = 0.5
"""Covered information from which a sentence counts as wholly supported."""

COPY = 0.7
"""Share of word triples from which a sentence counts as copied."""

_SHARPNESS = 3
_FEW = 2
_LONGEST_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Evidence:
    """A source's sentence that supports a sentence of the text.

    `score` is the share of its information found there, `copied` whether it is word for word, `credit` the share of the
    sentence that the source is credited with.
    """

    source: str
    sentence: str
    score: float
    copied: bool
    credit: float


@dataclass(frozen=True, slots=True)
class Traced:
    """A sentence of a text: its share of the text's information, and the evidence for it, best first."""

    sentence: str
    weight: float
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a text comes from.

    Attributes:
        shares: of every source, in order; with `unattributed` they sum to 1.
        unattributed: what no source supports; 1 for a text without content.
        sentences: the sentences with content, in order.
        by_anchors: some sources are in another language and were compared by numbers, names and code only.
    """

    shares: tuple[float, ...]
    unattributed: float
    sentences: tuple[Traced, ...]
    by_anchors: bool

    def copied_from(self, source: str) -> float:
        """The share of the text that is word for word from a source."""
        return sum(
            t.weight for t in self.sentences if any(e.copied and e.source == source for e in t.evidence)
        )


def trace(text: Source, sources: Mapping[str, Source], index: Index, weights: Weights) -> Provenance:
    """Find the origin of every sentence of a text. `index` holds the sources, `weights` covers text and sources."""
    masses = [weights.total(sentence.terms) for sentence in text.sentences]
    whole = sum(masses)
    traced = tuple(
        Traced(
            sentence.text[:_LONGEST_SHOWN],
            mass / whole,
            _evidence(sentence, index, text.language, weights),
        )
        for sentence, mass in zip(text.sentences, masses, strict=True)
    )
    shares = tuple(_share(name, traced) for name in sources)
    foreign = any(s.language and text.language and s.language != text.language for s in sources.values())
    return Provenance(shares, max(0.0, 1.0 - sum(shares)), traced, foreign)


def support(sentence: Words, match: Match) -> float:
    """How far one match alone supports a sentence, 0 to 1."""
    return min(1.0, match.score / SURE) if _supports(sentence, match) else 0.0


def _supports(sentence: Words, match: Match) -> bool:
    """More than chance: one shared word proves something only for a very short sentence, or between languages."""
    enough = len(match.terms) > 1 or len(frozenset(sentence.terms)) <= _FEW or match.by_anchors
    return enough and match.score >= FLOOR


def _share(name: str, traced: Sequence[Traced]) -> float:
    return sum(t.weight * e.credit for t in traced for e in t.evidence if e.source == name)


def _evidence(sentence: Words, index: Index, spoken: str, weights: Weights) -> tuple[Evidence, ...]:
    """Divide a sentence's credit, word by word, among the sources that have the word."""
    matches = index.best(sentence, spoken)
    supporting = {name: match for name, match in matches.items() if _supports(sentence, match)}
    if not supporting:
        return ()
    by_anchors = all(match.by_anchors for match in supporting.values())
    wanted = index.comparable(sentence) if by_anchors else frozenset(sentence.terms)
    earned = dict.fromkeys(supporting, 0.0)
    for term in sorted(wanted):  # sorted: sums of floats depend on their order
        claims = {n: m.score**_SHARPNESS for n, m in supporting.items() if term in m.terms}
        for name, claim in claims.items():
            earned[name] += weights.of(term) * claim / sum(claims.values())
    covered = sum(earned.values())
    credit = min(1.0, covered / weights.total(wanted) / SURE)
    if by_anchors:
        shared = frozenset().union(*(match.terms for match in supporting.values()))
        credit *= min(1.0, len(shared) / _FEW)  # one shared number may be chance
    found = [
        Evidence(
            name,
            match.sentence.text[:_LONGEST_SHOWN],
            match.score,
            copied(sentence, match.sentence) >= COPY,
            credit * earned[name] / covered,
        )
        for name, match in supporting.items()
    ]
    return tuple(sorted(found, key=lambda evidence: (-evidence.credit, evidence.source)))
