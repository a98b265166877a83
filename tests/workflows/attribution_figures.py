"""The labelled cases of attribution, and what `workflows.attribution` scores on them.

A case says, for every sentence of an answer, which branches it comes from, and which flags are right. Expected shares
follow from the lengths of the sentences. The parameters were chosen on the part `tuning`; the part `held_out` was
written before and looked at after. Run this module to print the table in attribution's docstring.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from ruamel.yaml import YAML

from workflows.attribution import Attribution, attribute
from workflows.words import analysed

FOLDER = Path(__file__).parent / "attribution_cases"
PARTS = ("tuning", "held_out")
FLAGS = ("copied_one_branch", "branches_too_similar", "panel_ignored")
_SUPPORTS = 0.15
"""Credit from which a branch counts as a source of a sentence."""


@dataclass(frozen=True)
class Case:
    """One labelled answer; `pieces` are its sentences with the branches that they come from."""

    name: str
    part: str
    kind: str
    question: str
    branches: dict[str, str]
    pieces: tuple[tuple[frozenset[str], str], ...]
    flags: frozenset[str]

    @property
    def shares(self) -> dict[str, float]:
        """What each branch should get."""
        whole = sum(len(text) for _, text in self.pieces)
        return {
            branch: sum(len(text) / len(origin) for origin, text in self.pieces if branch in origin) / whole
            for branch in self.branches
        }

    def attributed(self) -> Attribution:
        """What it gets."""
        answer = "\n".join(text for _, text in self.pieces)
        return attribute(list(self.branches.items()), answer=answer, task=self.question)


def cases() -> Iterator[Case]:
    """Every labelled case."""
    for path in sorted(FOLDER.glob("*.yaml")):
        topic = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        for number, case in enumerate(topic["cases"], start=1):
            branches: dict[str, list[str]] = case.get("branches", topic["branches"])
            yield Case(
                f"{path.stem}.{number}",
                topic["part"],
                case["kind"],
                case.get("question", topic["question"]),
                {name: "\n".join(sentences) for name, sentences in branches.items()},
                tuple(_piece(item, branches) for item in case["answer"]),
                frozenset(case.get("flags", ())),
            )


def _piece(item: Any, branches: dict[str, list[str]]) -> tuple[frozenset[str], str]:
    """``broad.2`` is that branch's second sentence, word for word."""
    if isinstance(item, str):
        branch, place = item.rsplit(".", 1)
        return frozenset({branch}), branches[branch][int(place) - 1]
    return frozenset(item["from"]), item["text"]


@dataclass(frozen=True)
class Rate:
    """Precision and recall from counts of right, wrong and missed."""

    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float:
        return self.right / (self.right + self.wrong)

    @property
    def recall(self) -> float:
        return self.right / (self.right + self.missed)

    def __str__(self) -> str:
        return f"{self.precision:.2f} / {self.recall:.2f}"


@dataclass(frozen=True)
class Figures:
    """Scores on one part. `sentences` is about one language, `across` about several; errors are by kind of case."""

    count: int
    flags: dict[str, Rate]
    sentences: Rate
    across: Rate
    errors: dict[str, list[float]]

    @property
    def share_error(self) -> float:
        """The mean share that went to the wrong place, 0 to 1."""
        return fmean(error for errors in self.errors.values() for error in errors)


def figures(part: str) -> Figures:
    """Score all cases of a part."""
    counted: dict[str, Counter[str]] = {name: Counter() for name in (*FLAGS, "sentences", "across")}
    errors: dict[str, list[float]] = {}
    found = [case for case in cases() if case.part == part]
    for case in found:
        attribution = case.attributed()
        errors.setdefault(case.kind, []).append(share_error(case, attribution))
        raised = {flag.name for flag in attribution.flags}
        for name in FLAGS:
            _count(counted[name], {name} & case.flags, {name} & raised)
        kind = "across" if attribution.answer.by_anchors else "sentences"
        for wanted, got in _sentences(case, attribution):
            _count(counted[kind], wanted, got)
    rates = {name: Rate(c["right"], c["wrong"], c["missed"]) for name, c in counted.items()}
    flags = {name: rates[name] for name in FLAGS}
    return Figures(len(found), flags, rates["sentences"], rates["across"], errors)


def share_error(case: Case, attribution: Attribution) -> float:
    """Half the sum of differences between expected and found shares, unattributed included."""
    expected = case.shares
    differences = [abs(c.answer - expected[c.branch]) for c in attribution.contributions]
    unattributed = abs(attribution.answer.unattributed - (1 - sum(expected.values())))
    return (sum(differences) + unattributed) / 2


def _sentences(case: Case, attribution: Attribution) -> Iterator[tuple[frozenset[str], frozenset[str]]]:
    """For every sentence of the answer: where it comes from, and where it was found."""
    origins = {one.text: origin for origin, text in case.pieces for one in analysed(text)}
    for traced in attribution.answer.sentences:
        found = frozenset(e.source for e in traced.evidence if e.credit >= _SUPPORTS)
        yield origins.get(traced.sentence, found), found


def _count(counter: Counter[str], wanted: set[str] | frozenset[str], got: set[str] | frozenset[str]) -> None:
    counter["right"] += len(wanted & got)
    counter["wrong"] += len(got - wanted)
    counter["missed"] += len(wanted - got)


def table() -> str:
    """The table in the docstring of `workflows.attribution`."""
    scored = [figures(part) for part in PARTS]
    rows = [("labelled cases", *(str(f.count) for f in scored))]
    rows += [(name, *(str(f.flags[name]) for f in scored)) for name in FLAGS]
    rows.append(("branch of a sentence, one language", *(str(f.sentences) for f in scored)))
    rows.append(("branch of a sentence, across languages", *(str(f.across) for f in scored)))
    rows.append(("share error, all cases", *(f"{f.share_error:.2f}" for f in scored)))
    for kind in ("halves", "paraphrase", "consensus", "other language"):
        rows.append((f"share error, {kind}", *(f"{fmean(f.errors[kind]):.2f}" for f in scored)))
    header = ("precision / recall", *(part.replace("_", " ") for part in PARTS))
    return "\n".join(f"    {name:<40}{one:>13}{other:>13}" for name, one, other in (header, *rows))


if __name__ == "__main__":
    print(table())  # noqa: T201  # that is what running it is for
