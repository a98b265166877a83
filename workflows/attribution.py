"""What did each branch contribute? Explained sentence by sentence, without a model, after the answer.

Method. A text (the synthesis, the final answer) is split into sentences, each weighted by the information in it
(`workflows.matching`: rare words, numbers, names and code tokens weigh much; words of the question little). For every
branch the best supporting sentence is found; its score is the share of the information that stands there. Scores below
a floor are chance. What the supporting sentences cover together is the credit of the sentence, stretched because a faithful
paraphrase keeps only part of the words; the rest is unattributed. Every covered word is credited to the branches whose
supporting sentence has it, in proportion to the third power of their scores: a near copy wins against a passing
resemblance, and equal branches share equally. So the shares and `unattributed` sum to 1.

It sees copies, reordering, inflection, code, lists and tables, paraphrase that keeps the terms of the subject,
sentences merged from several branches, and Han, kana and Hangul (by character pairs). Between languages it
compares numbers, names, code tokens and words written alike, says so (`languages_differ`), and never calls a panel ignored.

It cannot see paraphrase in entirely other words, an idea without its words, whether a claim was turned into its
opposite, nor what the main LLM would have said anyhow: a share is evidence of use, not proof.

How well, on labelled cases in tests/workflows/attribution_cases (recomputed by a test; shares are between 0 and 1, the
share error is the share that went to the wrong place):

    precision / recall                             tuning     held out
    labelled cases                                     55           49
    copied_one_branch                         1.00 / 1.00  0.88 / 1.00
    branches_too_similar                      1.00 / 1.00  0.83 / 1.00
    panel_ignored                             1.00 / 1.00  1.00 / 1.00
    branch of a sentence, one language        0.99 / 0.98  0.99 / 0.95
    branch of a sentence, across languages    1.00 / 0.92  1.00 / 0.67
    share error, all cases                           0.06         0.07
    share error, halves                              0.04         0.07
    share error, paraphrase                          0.15         0.14
    share error, consensus                           0.12         0.15
    share error, other language                      0.27         0.39

The cases are short and by one author. Independent long texts on one subject share phrases by chance: among READMEs of
unrelated packages 15 to 20 percent were attributed. An answer, a synthesis and three branches of 12,000 characters each
take about 70 milliseconds; what repetitive texts may cost is bounded (`workflows.matching`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Literal

from workflows.matching import Index, Source, Weights
from workflows.provenance import Provenance, support, trace
from workflows.thinking import visible
from workflows.words import analysed

COPIED = 0.7
"""Share of a text that must be word for word from one branch to flag it as copied."""

TOO_SIMILAR = 0.7
"""Similarity from which two branches count as one answer twice."""

IGNORED = 0.2
"""Attributed share of the answer below which the panel counts as ignored."""

_SHORTEST_COPY = 40


@dataclass(frozen=True, slots=True)
class Contribution:
    """One branch: its share of the synthesis (None without one) and of the answer, and how unique it was.

    `unique` is the share of the branch's information that no other branch has.
    """

    branch: str
    synthesis: float | None
    answer: float
    unique: float


@dataclass(frozen=True, slots=True)
class Flag:
    """Something worth a look. `text` says where; `value` is the figure that `why` explains."""

    name: Literal["copied_one_branch", "branches_too_similar", "panel_ignored"]
    text: Literal["synthesis", "answer", "branches"]
    branches: tuple[str, ...]
    value: float
    why: str


@dataclass(frozen=True, slots=True)
class Attribution:
    """What each branch contributed to a run.

    Attributes:
        contributions: one per branch, in the order given.
        synthesis: where the synthesis comes from; None when there was none.
        answer: where the final answer comes from.
        similarity: of every pair of branches: the mean share of each that the other says too; symmetric, 1 on the diagonal.
        flags: what is worth a look.
        languages_differ: some texts could only be compared by numbers, names and code tokens.
    """

    contributions: tuple[Contribution, ...]
    synthesis: Provenance | None
    answer: Provenance
    similarity: tuple[tuple[float, ...], ...]
    flags: tuple[Flag, ...]
    languages_differ: bool

    def to_json(self) -> dict[str, Any]:
        """A plain JSON object with the same keys."""
        return asdict(self)


def attribute(
    branches: Sequence[tuple[str, str]], *, answer: str, synthesis: str = "", task: str = ""
) -> Attribution:
    """Work out what each branch contributed.

    Args:
        branches: name and text of every branch that answered; the names differ.
        answer: the final answer to the client.
        synthesis: what the synthesis said (`workflows.analysis.prose`); empty when there was none.
        task: what the branches were asked; its words are weak evidence.

    """
    sources = {name: Source.of(visible(text)) for name, text in branches}
    merged, final = Source.of(visible(synthesis)), Source.of(visible(answer))
    asked = frozenset(term for sentence in analysed(task) for term in sentence.terms)
    weights = Weights([*sources.values(), merged, final], asked)
    index = Index(sources, weights)
    from_synthesis = trace(merged, sources, index, weights) if merged.sentences else None
    from_answer = trace(final, sources, index, weights)
    said = {name: _said_elsewhere(name, sources, index, weights) for name in sources}
    similarity = _similarity(list(sources), said)
    return Attribution(
        _contributions(list(sources), from_synthesis, from_answer, said),
        from_synthesis,
        from_answer,
        similarity,
        tuple(_flags(sources, similarity, from_synthesis, from_answer)),
        _differ([*sources.values(), merged, final]),
    )


def _said_elsewhere(
    name: str, sources: Mapping[str, Source], index: Index, weights: Weights
) -> dict[str, float]:
    """The share of a branch's information that each other branch says too; under its own name: that any says."""
    said = dict.fromkeys(sources, 0.0)
    whole = 0.0
    for sentence in sources[name].sentences:
        mass = weights.total(sentence.terms)
        whole += mass
        matches = index.best(sentence, sources[name].language)
        supports = {other: support(sentence, match) for other, match in matches.items() if other != name}
        for other, share in supports.items():
            said[other] += mass * share
        said[name] += mass * max(supports.values(), default=0.0)
    return {other: amount / whole if whole else 0.0 for other, amount in said.items()}


def _similarity(
    names: Sequence[str], said: Mapping[str, Mapping[str, float]]
) -> tuple[tuple[float, ...], ...]:
    return tuple(
        tuple(1.0 if one == other else (said[one][other] + said[other][one]) / 2 for other in names)
        for one in names
    )


def _contributions(
    names: Sequence[str],
    synthesis: Provenance | None,
    answer: Provenance,
    said: Mapping[str, Mapping[str, float]],
) -> tuple[Contribution, ...]:
    return tuple(
        Contribution(
            name, synthesis.shares[i] if synthesis else None, answer.shares[i], 1.0 - said[name][name]
        )
        for i, name in enumerate(names)
    )


def _flags(
    sources: Mapping[str, Source],
    similarity: Sequence[Sequence[float]],
    synthesis: Provenance | None,
    answer: Provenance,
) -> Iterator[Flag]:
    names = list(sources)
    for (i, one), (j, other) in combinations(enumerate(names), 2):
        if similarity[i][j] >= TOO_SIMILAR:
            why = f"{similarity[i][j]:.0%} of what {one} and {other} say is said by both"
            yield Flag("branches_too_similar", "branches", (one, other), similarity[i][j], why)
    if synthesis is not None:
        yield from _copied("synthesis", synthesis, names)
    yield from _copied("answer", answer, names)
    attributed = 1.0 - answer.unattributed
    if names and answer.sentences and not answer.by_anchors and attributed < IGNORED:
        why = f"only {attributed:.0%} of the answer is found in any branch"
        yield Flag("panel_ignored", "answer", tuple(names), attributed, why)


def _copied(where: Literal["synthesis", "answer"], text: Provenance, names: Sequence[str]) -> Iterator[Flag]:
    """One branch nearly word for word, when another would have been possible."""
    length = sum(len(traced.sentence) for traced in text.sentences)
    if len(names) < 2 or length < _SHORTEST_COPY:  # noqa: PLR2004  # an only branch is always copied
        return
    shares = sorted(((text.copied_from(name), name) for name in names), reverse=True)
    (most, name), (next_most, _) = shares[:2]
    if most >= COPIED and next_most < COPIED:
        why = f"{most:.0%} of the {where} is word for word from {name}"
        yield Flag("copied_one_branch", where, (name,), most, why)


def _differ(texts: Sequence[Source]) -> bool:
    return len({text.language for text in texts if text.language}) > 1
