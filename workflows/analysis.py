"""What a synthesis found when it compared the candidates: consensus, contradictions, gaps and advice, as a value.

In the value and in prompts candidates have letters only. `named` puts the branches' names back, for the journal and
for people. Reading a model's text into an `Analysis` is `workflows.analysis_parsing`'s business, writing one for the main
LLM is `workflows.tool_text`'s.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from workflows.candidates import Shuffle


@dataclass(frozen=True, slots=True)
class Stance:
    """What one candidate holds on a disputed topic. `candidate` is empty when the synthesis did not say whose it is."""

    candidate: str
    stance: str


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A topic on which candidates disagree."""

    topic: str
    stances: tuple[Stance, ...] = ()


@dataclass(frozen=True, slots=True)
class PartialPoint:
    """A point that some of the candidates make and the others leave out."""

    point: str
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UniqueInsight:
    """A valuable point that only one candidate makes."""

    candidate: str
    insight: str


@dataclass(frozen=True, slots=True)
class Analysis:
    """A synthesis' result.

    Attributes:
        consensus: what the candidates agree on.
        contradictions: where they disagree, and who holds what.
        partial_coverage: what only some of them cover.
        unique_insights: what only one of them sees.
        blind_spots: what none of them sees.
        advice: the final recommendation, or the answer itself.
        confidence: 0 to 1; None when the synthesis gave none that can be understood.
        used_candidates: the letters (after `named`: the names) that the advice rests on.
        notes: what had to be put right when the text was read; empty for a flawless one.
    """

    consensus: tuple[str, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    partial_coverage: tuple[PartialPoint, ...] = ()
    unique_insights: tuple[UniqueInsight, ...] = ()
    blind_spots: tuple[str, ...] = ()
    advice: str = ""
    confidence: float | None = None
    used_candidates: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A plain JSON object with the same keys."""
        return asdict(self)


LISTS = (
    "consensus",
    "contradictions",
    "partial_coverage",
    "unique_insights",
    "blind_spots",
    "used_candidates",
)
"""The keys whose values are lists."""


def schema(letters: Sequence[str] = ()) -> dict[str, Any]:
    """The JSON Schema of an analysis, for providers with structured output.

    Within what OpenAI's strict mode takes: every property required, nothing additional, no bounds on numbers. `letters`
    restricts candidates to these.
    """
    text = {"type": "string"}
    candidate = {"type": "string", "enum": list(letters)} if letters else text
    stance = _object(candidate=candidate, stance=text)
    return _object(
        consensus=_list(text, "Points that the candidates agree on."),
        contradictions=_list(
            _object(topic=text, stances=_list(stance)), "Topics on which candidates disagree."
        ),
        partial_coverage=_list(
            _object(point=text, candidates=_list(candidate)), "Points that only some candidates make."
        ),
        unique_insights=_list(
            _object(candidate=candidate, insight=text), "Valuable points of one candidate only."
        ),
        blind_spots=_list(text, "What matters for the task and no candidate considers."),
        advice=text | {"description": "The final recommendation, complete in itself."},
        confidence={"type": "number", "description": "Confidence in the advice, from 0 to 1."},
        used_candidates=_list(candidate, "The candidates that the advice rests on."),
    )


def named(analysis: Analysis, shuffle: Shuffle) -> Analysis:
    """The analysis with branch names in place of letters, for the journal and for people; never for a prompt.

    Also in its prose, where a letter is called one (``Candidate A``, ``Response B``, ``Candidates A and C``).
    """
    names = shuffle.letters

    def name(letter: str) -> str:
        return names.get(letter, letter)

    spoken = _with_prose(analysis, lambda text: _in_prose(text, names))
    return replace(
        spoken,
        contradictions=tuple(
            replace(c, stances=tuple(replace(s, candidate=name(s.candidate)) for s in c.stances))
            for c in spoken.contradictions
        ),
        partial_coverage=tuple(
            replace(p, candidates=tuple(map(name, p.candidates))) for p in spoken.partial_coverage
        ),
        unique_insights=tuple(replace(u, candidate=name(u.candidate)) for u in spoken.unique_insights),
        used_candidates=tuple(map(name, spoken.used_candidates)),
    )


def prose(analysis: Analysis) -> str:
    """Everything that the analysis says, one statement a line, without letters and headings: what attribution reads."""
    return "\n".join(_statements(analysis))


def _statements(analysis: Analysis) -> Iterator[str]:
    yield from analysis.consensus
    for contradiction in analysis.contradictions:
        yield contradiction.topic
        yield from (stance.stance for stance in contradiction.stances)
    yield from (partial.point for partial in analysis.partial_coverage)
    yield from (unique.insight for unique in analysis.unique_insights)
    yield from analysis.blind_spots
    yield analysis.advice


def _with_prose(analysis: Analysis, change: Callable[[str], str]) -> Analysis:
    """The analysis with every prose text changed."""
    return replace(
        analysis,
        consensus=tuple(map(change, analysis.consensus)),
        contradictions=tuple(
            Contradiction(change(c.topic), tuple(replace(s, stance=change(s.stance)) for s in c.stances))
            for c in analysis.contradictions
        ),
        partial_coverage=tuple(replace(p, point=change(p.point)) for p in analysis.partial_coverage),
        unique_insights=tuple(replace(u, insight=change(u.insight)) for u in analysis.unique_insights),
        blind_spots=tuple(map(change, analysis.blind_spots)),
        advice=change(analysis.advice),
    )


_SPOKEN_OF = re.compile(
    r"\b(?:candidate|response|answer|draft)s?\s+"
    r"(?P<letters>\(?[A-Z]{1,2}\b\)?(?:(?:\s*,\s*|\s*/\s*|\s*,?\s+(?:and|or|&)\s+)[A-Z]{1,2}\b)*)",
    re.IGNORECASE,
)


def _in_prose(text: str, names: Mapping[str, str]) -> str:
    """Replace ``Candidate A`` by the branch's name; letters that nobody calls a candidate stay."""

    def replaced(spoken: re.Match[str]) -> str:
        letters = re.findall(r"[A-Z]+", spoken["letters"])
        if any(letter not in names for letter in letters):
            return spoken[0]
        return re.sub(r"\(?([A-Z]+)\)?", lambda m: names[m[1]], spoken["letters"])

    return _SPOKEN_OF.sub(replaced, text)


def _object(**properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(items: Mapping[str, Any], description: str = "") -> dict[str, Any]:
    described = {"description": description} if description else {}
    return {"type": "array", "items": items, **described}
