r"""How much the answers of a panel agree, without a model and in milliseconds.

Two answers are compared in two ways:

1. *Wording.* The mean of the cosine of their character trigrams (dampened counts; function words left out), which
   forgives inflection and works for scripts without spaces, and of their sentence coverage: how much of the content
   words of each sentence of one stands in the best matching sentence of the other, both ways.
2. *Conclusion.* An answer that states its result (``Answer: 42``, ``\boxed{42}``, ``#### 42``), or that is short, is
   taken at its result. Equal results agree, whatever the reasoning; different ones do not.

Then what contradicts breaks the agreement, however alike the words are: a yes against a no, other numbers in sentences
that otherwise match, a negation or an opposite (increase, decrease) on one side of such a pair. A pair that contradicts is
capped at `CONTRADICTED`.

The panel's score is that of its two least agreeing answers: one dissenter is what a panel is for. The method sees wording,
not meaning: two answers that say the same in other words score low, and that is the safe side, for a high score lets
the synthesis be skipped. It can still be fooled: by who does what to whom (A beats B, B beats A), by irony, by conditions
(``only if``), by a contradiction in words that it does not know, and by a shared error (models agree in about six of ten
cases in which both are wrong: arXiv 2506.07962). Three answers of 12,000 characters take about fifty milliseconds.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from workflows.matching import Index, Match, Source, Weights
from workflows.thinking import visible
from workflows.words import Words, analysed, stem, words

CONTRADICTED = 0.3
"""The most that a pair with a contradiction can score."""

SAME_RESULT = 0.9
"""The least that a pair with the same stated result scores."""

_SHORT = 8
"""Content terms up to which a whole answer counts as its result."""

_ALIKE = 0.5
"""Coverage from which two sentences are about the same thing, so that numbers and negations can contradict."""

_STATED = re.compile(
    r"(?:^|\n|\.\s)\W{0,4}(?:the\s+)?(?:final\s+|short\s+|correct\s+)?(?:answer|result|conclusion|verdict|recommendation|antwort|"
    r"ergebnis|fazit|r\u00e9ponse|respuesta|risposta|\u7b54\u6848|\u7b54\u3048|\u7d50\u8ad6|\u7ed3\u8bba)\W{0,4}(?::|\uff1a|\bis\b|\bist\b|\best\b|\bes\b|\u662f)\W{0,4}"
    r"(?P<result>[^\n]{1,200})|\\boxed\{(?P<boxed>[^{}\n]{1,200})\}|^####\s+(?P<hashes>[^\n]{1,100})",
    re.IGNORECASE | re.MULTILINE,
)
_YES = re.compile(
    r"^\W*(?:yes|yep|correct|true|ja|oui|s[i\u00ed]|sim|\u0434\u0430|\u662f\u7684?|\u5bf9|\u306f\u3044|\u3048\u3048|\ub124|\uc608)(?!\w)",
    re.IGNORECASE,
)
_NO = re.compile(
    r"^\W*(?:no|nope|incorrect|false|nein|non|n\u00e3o|nee|\u043d\u0435\u0442|\u4e0d(?:\u662f|\u5bf9)?|\u5426|\u3044\u3044\u3048|\uc544\ub2c8\uc694?)(?!\w)",
    re.IGNORECASE,
)
_HEDGED = re.compile(r"\b(?:or|either|maybe|perhaps|depends|unless|oder|vielleicht|ou|o)\b", re.IGNORECASE)
_OPPOSITES = """increase decrease, increase reduce, raise lower, grow shrink, accept reject, approve reject, allow forbid,
    allow deny, enable disable, safe dangerous, true false, correct wrong, better worse, best worst, faster slower,
    maximum minimum, success failure, succeed fail, pass fail, merge reject, keep remove, keep drop, add remove,
    start stop, public private, optional required, optional mandatory, guilty innocent, buy sell, recommend discourage,
    more less, before after, always never, above below, sync async, synchronous asynchronous, possible impossible"""
_OPPOSITE_PAIRS = frozenset(frozenset(pair.split()) for pair in _OPPOSITES.replace("\n", " ").split(","))
_OPPOSITE_STEMS = {
    stem(word): frozenset(stem(other) for pair in _OPPOSITE_PAIRS if word in pair for other in pair - {word})
    for word in frozenset().union(*_OPPOSITE_PAIRS)
}


@dataclass(frozen=True, slots=True)
class Agreement:
    """How much answers agree.

    Attributes:
        score: 0 to 1, of the two that agree least; 1 for a single answer.
        matrix: the score of every pair, in the order of the answers; symmetric, with 1 on the diagonal.
        best: index of the answer that agrees most with all others.
        contradictions: index pairs whose answers contradict each other.
    """

    score: float
    matrix: tuple[tuple[float, ...], ...]
    best: int
    contradictions: tuple[tuple[int, int], ...]

    def to_json(self) -> dict[str, Any]:
        """A plain JSON object with the same keys."""
        return asdict(self)


def agreement(texts: Sequence[str], question: str = "") -> Agreement:
    """Compare answers with each other.

    Args:
        texts: at least one.
        question: what was asked; its names and numbers are no part of an answer's result.

    """
    if not texts:
        raise ValueError("agreement needs at least one text")
    answers = [_Answer.of(text) for text in texts]
    size = range(len(texts))
    asked = frozenset(term for sentence in analysed(question) for term in sentence.terms)
    pairs = _Pairs(answers, asked)
    compared = {(i, j): pairs.compare(i, j) for i, j in combinations(size, 2)}
    matrix = [[1.0] * len(texts) for _ in size]
    for (i, j), (score, _) in compared.items():
        matrix[i][j] = matrix[j][i] = score
    return Agreement(
        min((score for score, _ in compared.values()), default=1.0),
        tuple(map(tuple, matrix)),
        max(size, key=lambda i: (round(sum(matrix[i]), 9), -i)),
        tuple(pair for pair, (_, contradicted) in compared.items() if contradicted),
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    """One text, taken apart once. `result` is what it states as its result, or the whole of a short text."""

    plain: str
    source: Source
    trigrams: Counter[str]
    result: Words | None

    @classmethod
    def of(cls, text: str) -> _Answer:
        shown = visible(text)
        source = Source.of(shown)
        trigrams = Counter(
            padded[i : i + 3]
            for sentence in source.sentences
            for padded in [f" {' '.join(sentence.terms)} "]
            for i in range(len(padded) - 2)
        )
        return cls(_bare(shown), source, trigrams, _result(shown, source))


class _Pairs:
    """Compares answers two by two."""

    def __init__(self, answers: Sequence[_Answer], asked: frozenset[str]) -> None:
        self._answers = answers
        self._asked = asked
        sources = {str(i): answer.source for i, answer in enumerate(answers)}
        self._weights = Weights(list(sources.values()))
        index = Index(sources, self._weights)
        self._matches = [
            [index.best(sentence, answer.source.language) for sentence in answer.source.sentences]
            for answer in answers
        ]

    def compare(self, i: int, j: int) -> tuple[float, bool]:
        """The score of a pair, and whether it contradicts."""
        one, other = self._answers[i], self._answers[j]
        if not one.plain or not other.plain:
            return 0.0, False
        if one.plain == other.plain:
            return 1.0, False
        wording = (_cosine(one.trigrams, other.trigrams) + self._coverage(i, j) + self._coverage(j, i)) / 3
        same = self._same_result(one, other)
        if same is False or self._contradict(i, j):
            return min(wording, CONTRADICTED), True
        return (SAME_RESULT + (1 - SAME_RESULT) * wording if same else wording), False

    def _coverage(self, i: int, j: int) -> float:
        """The share of the information in answer i that stands in the best matching sentences of answer j."""
        found = whole = 0.0
        for sentence, match in self._aligned(i, j):
            mass = self._weights.total(sentence.terms)
            whole += mass
            found += mass * match.score if match else 0.0
        return found / whole if whole else 0.0

    def _aligned(self, i: int, j: int) -> Iterator[tuple[Words, Match | None]]:
        for sentence, matches in zip(self._answers[i].source.sentences, self._matches[i], strict=True):
            yield sentence, matches.get(str(j))

    def _contradict(self, i: int, j: int) -> bool:
        one, other = self._answers[i], self._answers[j]
        if {_leaning(one), _leaning(other)} == {"yes", "no"}:
            return True
        pairs = [*self._aligned(i, j), *self._aligned(j, i)]
        return any(
            _conflict(sentence, match.sentence)
            for sentence, match in pairs
            if match and self._alike(sentence, match.sentence)
        )

    def _alike(self, one: Words, other: Words) -> bool:
        """Whether two sentences are about the same thing: leaving numbers and opposites aside, mostly the same words."""
        ours, theirs = _subject(one), _subject(other)
        shared = self._weights.total(ours & theirs)
        return shared >= _ALIKE * max(self._weights.total(ours), self._weights.total(theirs)) > 0

    def _same_result(self, one: _Answer, other: _Answer) -> bool | None:
        """Whether two answers come to the same result; None when that cannot be told."""
        if one.result is not None and other.result is not None:
            return self._equal(one.result, other.result)
        if one.result is None and other.result is None:
            return None
        result, whole = (one.result, other) if one.result is not None else (other.result, one)
        edges = (whole.source.sentences[:1], whole.source.sentences[-1:])
        stated = result is not None and any(self._states(edge[0], result) for edge in edges if edge)
        return True if stated else None

    def _equal(self, one: Words, other: Words) -> bool | None:
        if _bare(one.text) == _bare(other.text):
            return True
        ours, theirs = frozenset(one.terms) - self._asked, frozenset(other.terms) - self._asked
        if bool(one.negated % 2) != bool(other.negated % 2) or _conflict(one, other) or not ours & theirs:
            return False if ours or theirs else None
        return True if ours == theirs else None

    def _states(self, sentence: Words, result: Words) -> bool:
        """Whether a sentence states a result: all of it, and besides no name or number that the question does not have."""
        terms = frozenset(sentence.terms)
        wanted = frozenset(result.terms) - self._asked
        others = sentence.anchors - self._asked - frozenset(result.terms)
        doubtful = sentence.negated or result.negated or _HEDGED.search(sentence.text)
        return bool(wanted) and wanted <= terms and not others and not doubtful


def _result(text: str, source: Source) -> Words | None:
    stated = [next(filter(None, match.groups())) for match in _STATED.finditer(text)]
    if stated:
        return words(stated[-1])
    if sum(len(sentence.terms) for sentence in source.sentences) <= _SHORT:
        return words(" ".join(text.split()))
    return None


def _bare(text: str) -> str:
    """A text without case, spacing and surrounding marks."""
    return " ".join(text.casefold().split()).strip(" .!*`_$\"'()")


def _leaning(answer: _Answer) -> str:
    """``yes``, ``no`` or empty: how the answer begins, or what it states as its result."""
    told = answer.result.text if answer.result is not None else answer.plain
    return "yes" if _YES.match(told) else "no" if _NO.match(told) else ""


def _conflict(one: Words, other: Words) -> bool:
    """Other numbers, one negation more, or opposite words, in two sentences about the same thing."""
    numbers = one.numbers - other.numbers and other.numbers - one.numbers
    return bool(numbers) or one.negated % 2 != other.negated % 2 or _opposite(one, other)


def _opposite(one: Words, other: Words) -> bool:
    ours, theirs = frozenset(map(stem, one.spoken)), frozenset(map(stem, other.spoken))
    return any(_OPPOSITE_STEMS[word] & (theirs - ours) for word in (ours - theirs) & _OPPOSITE_STEMS.keys())


def _subject(sentence: Words) -> frozenset[str]:
    return frozenset(sentence.terms) - sentence.numbers - _OPPOSITE_STEMS.keys()


def _cosine(one: Counter[str], other: Counter[str]) -> float:
    """The cosine of two counts, dampened: the tenth occurrence says less than the first."""
    dot = sum(
        (1 + math.log(count)) * (1 + math.log(other[gram])) for gram, count in one.items() if gram in other
    )
    norms = [
        math.sqrt(sum((1 + math.log(count)) ** 2 for count in counts.values())) for counts in (one, other)
    ]
    return min(1.0, dot / (norms[0] * norms[1])) if all(norms) else 0.0
