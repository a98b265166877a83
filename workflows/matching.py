"""Which sentence of which source says what a given sentence says: weighted word overlap through an inverted index.

A score is the share of a sentence's information that stands in the source's sentence (containment, 0 to 1). A term's
information grows with its rarity in the texts at hand; anchors (numbers, names, code tokens) count more, words of the question
less, because everybody repeats them. Between different languages only anchors are compared.

Cost: one addition for each (term, occurrence) pair; occurrences beyond `_MOST_OCCURRENCES` per source are ignored,
so that repetitive texts stay cheap.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from workflows.words import Words, analysed, language

ANCHOR_WEIGHT = 1.25
ASKED_WEIGHT = 0.3
_MOST_OCCURRENCES = 48


@dataclass(frozen=True, slots=True)
class Source:
    """A text, taken apart once."""

    sentences: tuple[Words, ...]
    language: str

    @classmethod
    def of(cls, text: str) -> Source:
        """Take a text apart."""
        spoken = language(text)
        return cls(analysed(text, spoken), spoken)


@dataclass(frozen=True, slots=True)
class Match:
    """The best sentence of one source.

    `score` is the share of the information that is found there, `terms` are the terms that were found, and `by_anchors`
    says that only anchors could be compared.
    """

    sentence: Words
    score: float
    terms: frozenset[str]
    by_anchors: bool


class Weights:
    """How much information a term carries among some texts: ``log(1 + 1 / share of sentences that have it)``.

    The share is the largest in any single text, so that what all sources agree on is not common for that reason.
    """

    def __init__(self, texts: Sequence[Source], asked: Iterable[str] = ()) -> None:
        share: dict[str, float] = {}
        anchors: set[str] = set()
        for text in texts:
            counted = Counter(term for sentence in text.sentences for term in frozenset(sentence.terms))
            for term, count in counted.items():
                share[term] = max(share.get(term, 0.0), count / len(text.sentences))
            anchors.update(anchor for sentence in text.sentences for anchor in sentence.anchors)
        asked_terms = frozenset(asked)
        self._weight = {
            term: math.log1p(1 / common)
            * (ANCHOR_WEIGHT if term in anchors else 1.0)
            * (ASKED_WEIGHT if term in asked_terms else 1.0)
            for term, common in share.items()
        }

    def of(self, term: str) -> float:
        """The information in one term of these texts."""
        return self._weight[term]

    def total(self, terms: Iterable[str]) -> float:
        """The information in several terms, each counted once."""
        return sum(map(self.of, frozenset(terms)))


class Index:
    """The sentences of several sources, to be looked up by their terms."""

    def __init__(self, sources: Mapping[str, Source], weights: Weights) -> None:
        self._sources = sources
        self._weights = weights
        self._places: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for name, source in sources.items():
            occurrences: Counter[str] = Counter()
            for place, sentence in enumerate(source.sentences):
                for term in frozenset(sentence.terms):
                    occurrences[term] += 1
                    if occurrences[term] <= _MOST_OCCURRENCES:
                        self._places[term].append((name, place))

    def best(self, sentence: Words, spoken: str) -> dict[str, Match]:
        """The best match of a sentence in every source that has any; `spoken` is the sentence's language."""
        found: dict[tuple[str, int], float] = defaultdict(float)
        for term in frozenset(sentence.terms):
            weight = self._weights.of(term)
            for occurrence in self._places.get(term, ()):
                found[occurrence] += weight
        best: dict[str, tuple[float, int]] = {}
        for (name, place), weight in found.items():
            best[name] = max(best.get(name, (0.0, 0)), (weight, -place))  # of equals the first
        return {name: self._match(sentence, name, -behind, spoken) for name, (_, behind) in best.items()}

    def _match(self, sentence: Words, name: str, place: int, spoken: str) -> Match:
        theirs = self._sources[name].sentences[place]
        by_anchors = self._foreign(name, spoken)
        wanted = self.comparable(sentence) if by_anchors else frozenset(sentence.terms)
        shared = wanted & frozenset(theirs.terms)
        return Match(theirs, self._weights.total(shared) / self._weights.total(wanted), shared, by_anchors)

    def comparable(self, sentence: Words) -> frozenset[str]:
        """What of a sentence may stand in another language: its anchors, and words that the sources have too."""
        return sentence.anchors | {term for term in sentence.terms if term in self._places}

    def _foreign(self, name: str, spoken: str) -> bool:
        """Whether a source is known to be in another language."""
        own = self._sources[name].language
        return bool(own and spoken and own != spoken)


def copied(sentence: Words, source: Words) -> float:
    """The share of a sentence's word triples that stand in the source's sentence: 1 for a copy.

    Shorter sentences are compared whole. Unlike the score this heeds order and function words, so a paraphrase with
    all the same content words is low.
    """
    ours, theirs = _triples(sentence.spoken), _triples(source.spoken)
    return len(ours & theirs) / len(ours) if ours else 0.0


def _triples(spoken: Sequence[str]) -> frozenset[tuple[str, ...]]:
    if len(spoken) < 3:  # noqa: PLR2004  # a triple
        return frozenset({tuple(spoken)} if spoken else ())
    return frozenset(zip(spoken, spoken[1:], spoken[2:], strict=False))
