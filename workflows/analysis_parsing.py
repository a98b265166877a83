"""A synthesis' text read into an `Analysis`, in spite of what models make of the form that was asked for.

Judges answer with prose around the JSON, with strings in place of objects and objects in place of lists, with keys
and letters of their own. All that is understood and noted in `Analysis.notes`. Only a text in which nothing of an
analysis is found is `Unparsed`; then `repair_request` is the one prompt that asks for it again.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from workflows import lenient_json
from workflows.analysis import LISTS, Analysis, Contradiction, PartialPoint, Stance, UniqueInsight, schema
from workflows.candidates import cut_middle
from workflows.thinking import visible

T = TypeVar("T")

_SYNONYMS = {
    "consensus": "agreement agreements agreed agreed_points common_ground points_of_agreement consensus_points "
    "shared shared_points areas_of_agreement",
    "contradictions": "contradiction conflict conflicts disagreement disagreements points_of_disagreement "
    "areas_of_disagreement differences tensions",
    "partial_coverage": "partial partially_covered partial_points partial_agreement covered_by_some",
    "unique_insights": "unique_insight unique unique_points insights novel_insights unique_contributions",
    "blind_spots": "blind_spot blindspots gaps missing omissions not_considered missed_points",
    "advice": "recommendation recommendations final_advice final_recommendation final_answer answer verdict "
    "conclusion summary synthesis next_steps",
    "confidence": "confidence_score confidence_level certainty",
    "used_candidates": "used candidates_used used_candidate sources source_candidates based_on",
}
_KEY = {alias: key for key, aliases in _SYNONYMS.items() for alias in (key, *aliases.split())}
_TOPIC = ("topic", "subject", "issue", "question", "point", "title", "on", "description")
_STANCES = ("stances", "positions", "views", "opinions", "sides", "claims", "candidates")
_STANCE = ("stance", "position", "view", "opinion", "claim", "says", "statement", "text", "summary")
_WHO = (
    "candidate",
    "candidates",
    "letter",
    "source",
    "sources",
    "by",
    "from",
    "response",
    "model",
    "who",
    "covered_by",
)
_POINT = (
    "point",
    "topic",
    "insight",
    "text",
    "description",
    "statement",
    "claim",
    "content",
    "detail",
    "summary",
    "value",
)
_WORDED_CONFIDENCE = {
    "very high": 0.95, "high": 0.85, "medium high": 0.7, "moderately high": 0.7, "medium": 0.5, "moderate": 0.5,
    "medium low": 0.35, "low": 0.2, "very low": 0.1, "none": 0.0, "certain": 1.0,
}  # fmt: skip
_NOTHING = {"none", "n/a", "null", "-", "...", "\u2026"}
"""What models write for nothing; the dots stand in the form that they were shown."""

_PREFIX = r"(?:candidates?|responses?|answers?|drafts?|models?|options?|experts?)"
_LETTERS_FIRST = re.compile(
    rf"^[\s(\[]*(?:{_PREFIX}[\s_#-]*(?P<called>[A-Za-z]{{1,2}})|(?P<bare>[A-Z]{{1,2}}))\s*[)\]]?\s*[:\u2013\u2014-]\s+(?P<rest>\S.*)$",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Unparsed:
    """There is no analysis in the text; `problems` say why, for the repair prompt and the journal."""

    problems: tuple[str, ...]


def parse(text: str, letters: Sequence[str]) -> Analysis | Unparsed:
    """Read a synthesis' text.

    Args:
        text: what the model wrote.
        letters: of the candidates that it was shown; others are dropped and noted.

    """
    found = [_keyed(candidate) for candidate in _objects(visible(text))]
    best = max(found, key=len, default={})
    if not best:
        problem = "no JSON object with any of the expected keys" if text.strip() else "the answer is empty"
        return Unparsed((problem,))
    analysis = _Reading(letters).analysis(best)
    if not any(getattr(analysis, key) for key in (*LISTS, "advice") if key != "used_candidates"):
        return Unparsed(
            ("the JSON object has none of consensus, contradictions, advice filled in", *analysis.notes)
        )
    return analysis


def repair_request(text: str, problems: Sequence[str]) -> str:
    """The text of the one prompt that asks a model to bring its own answer into form."""
    shown, _ = cut_middle(visible(text), 20_000)
    listed = "\n".join(f"- {problem}" for problem in problems)
    return (
        "Your answer below could not be read as the JSON object that was asked for.\n"
        f"Problems:\n{listed}\n\n"
        f"Answer with that JSON object only: no prose, no code fence. It must satisfy this JSON Schema:\n"
        f"{json.dumps(schema(), ensure_ascii=False)}\n\n"
        "Keep the content of your answer; invent nothing. Use empty lists where you had nothing to say.\n\n"
        f"Your answer was:\n{shown}"
    )


class _Reading:
    """Reads one object; collects notes on what had to be put right."""

    def __init__(self, letters: Sequence[str]) -> None:
        self._letters = tuple(letters)
        self._notes: list[str] = []

    def analysis(self, members: Mapping[str, Any]) -> Analysis:
        read = Analysis(
            consensus=self._texts(members.get("consensus")),
            contradictions=self._each(members.get("contradictions"), self._contradiction, "topic", "stances"),
            partial_coverage=self._each(
                members.get("partial_coverage"), self._partial, "point", "candidates"
            ),
            unique_insights=self._each(members.get("unique_insights"), self._insight, "insight", "candidate"),
            blind_spots=self._texts(members.get("blind_spots")),
            advice="\n".join(self._texts(members.get("advice"))),
            confidence=self._confidence(members.get("confidence")),
            used_candidates=self._who(members.get("used_candidates")),
        )
        missing = [key for key in (*LISTS, "advice", "confidence") if key not in members]
        if missing:
            self._note(f"left out by the synthesis: {', '.join(missing)}")
        return replace(read, notes=tuple(self._notes))

    def _texts(self, value: Any) -> tuple[str, ...]:
        return tuple(text for item in _items(value) if (text := _plain(item)))

    def _each(self, value: Any, read: Callable[[Any], T | None], what: str, who: str) -> tuple[T, ...]:
        items = (inner for item in _items(value) for inner in self._spread(_opened(item), what, who))
        return tuple(one for item in items if (one := read(item)) is not None)

    def _spread(self, item: Any, what: str, who: str) -> Iterator[Any]:
        """``{"A": "x", "B": ["y", "z"]}`` and ``{"x": ["A"]}`` as one object for each of x, y and z."""
        if not isinstance(item, Mapping) or {str(key).casefold() for key in item} & {*_TOPIC, *_POINT, *_WHO}:
            yield item
            return
        for key, inner in item.items():
            if not self._known(str(key)):
                yield {what: str(key), who: inner}
            else:
                yield from ({what: each, who: str(key)} for each in _items(inner))

    def _contradiction(self, item: Any) -> Contradiction | None:
        if not isinstance(item, Mapping):
            return Contradiction(text) if (text := _plain(item)) else None
        stances = _first(item, _STANCES)
        if stances is None:  # {"topic": ..., "A": ..., "B": ...}
            stances = {key: said for key, said in item.items() if self._known(str(key))}
        topic = _plain(_first(item, _TOPIC))
        read = tuple(self._stances(stances))
        return Contradiction(topic, read) if topic or read else None

    def _stances(self, value: Any) -> Iterator[Stance]:
        value = _opened(value)
        if isinstance(value, Mapping) and not (set(value) & {*_STANCE, *_WHO}):
            value = [{"candidate": key, "stance": said} for key, said in value.items()]
        for item in map(_opened, _items(value)):
            if isinstance(item, Mapping):
                who, said = self._who(_first(item, _WHO)), _plain(_first(item, _STANCE))
            else:
                who, said = self._told_by(_plain(item))
            if said:
                yield from (Stance(letter, said) for letter in who or ("",))

    def _partial(self, item: Any) -> PartialPoint | None:
        if isinstance(item, Mapping):
            point, who = _plain(_first(item, _POINT)), self._who(_first(item, _WHO))
        else:
            who, point = self._told_by(_plain(item))
        return PartialPoint(point, who) if point else None

    def _insight(self, item: Any) -> UniqueInsight | None:
        if isinstance(item, Mapping):
            who, insight = self._who(_first(item, _WHO)), _plain(_first(item, (*_POINT[2:], *_POINT[:2])))
        else:
            who, insight = self._told_by(_plain(item))
        return UniqueInsight(who[0] if who else "", insight) if insight else None

    def _told_by(self, text: str) -> tuple[tuple[str, ...], str]:
        """``Candidate A: use a queue`` is by A; any other text by nobody."""
        said = _LETTERS_FIRST.match(text)
        if said is None or not self._known(said["called"] or said["bare"]):
            return (), text
        return ((said["called"] or said["bare"]).upper(),), said["rest"]

    def _who(self, value: Any) -> tuple[str, ...]:
        """Letters, without doubles, whatever they are wrapped in."""
        if isinstance(value, Mapping):
            value = [key for key, chosen in value.items() if chosen]
        found: dict[str, None] = {}
        for item in _items(value):
            found |= dict.fromkeys(self._letters_in(_plain(item)))
        return tuple(found)

    def _letters_in(self, text: str) -> list[str]:
        bare = re.sub(rf"\b{_PREFIX}[\s_#-]*", " ", text, flags=re.IGNORECASE)
        if re.fullmatch(r"\W*(?:all|both|everyone|all of them|all three)\W*", bare, re.IGNORECASE):
            return list(self._letters)
        spoken = [word.upper() for word in re.split(r"[\W_]+|\band\b|\bor\b", bare) if word]
        unknown = [word for word in spoken if word not in self._letters]
        if unknown:
            self._note(f"unknown candidate dropped: {_shown(text)}")
        return [word for word in spoken if word in self._letters]

    def _known(self, key: str) -> bool:
        return re.sub(rf"^{_PREFIX}[\s_#-]*", "", key, flags=re.IGNORECASE).upper() in self._letters

    def _confidence(self, value: Any) -> float | None:
        if isinstance(value, Mapping):
            value = _first(value, ("score", "value", "level", "overall", "confidence"))
        read = _confidence(value)
        if read is None and value is not None:
            self._note(f"confidence not understood: {_shown(_plain(value))}")
        return read

    def _note(self, note: str) -> None:
        if note not in self._notes:
            self._notes.append(note)


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Objects in the text, and those inside that wrap an analysis (``{"analysis": {...}}``, or JSON in a string)."""
    for found in lenient_json.objects(text):
        yield found
        for inner in map(_opened, found.values()):
            if isinstance(inner, dict):
                yield inner
    if text.lstrip().startswith('"'):  # the whole object, once more encoded as a JSON string
        try:
            inner = json.loads(text)
        except ValueError:
            return
        yield from _objects(inner)


def _keyed(members: Mapping[str, Any]) -> dict[str, Any]:
    """The members that belong to an analysis, under their proper keys; the first of two synonyms wins."""
    proper: dict[str, Any] = {}
    for key, value in members.items():
        snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(key)).casefold()
        name = _KEY.get(re.sub(r"[\W_]+", "_", snake).strip("_"))
        if name is not None and (name not in proper or str(key) == name):
            proper[name] = value
    return proper


def _items(value: Any) -> list[Any]:
    """A list whatever came: a single value is a list of one, nothing is an empty one."""
    value = _opened(value)
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, list) else [value]


def _opened(value: Any) -> Any:
    """A string that holds a JSON object or list is that object or list."""
    if isinstance(value, str) and value.strip()[:1] in {"{", "["}:
        try:
            return lenient_json.value(value)
        except ValueError:
            return value
    return value


def _first(members: Mapping[str, Any], keys: Sequence[str]) -> Any:
    lower = {str(key).casefold(): value for key, value in members.items()}
    return next((lower[key] for key in keys if lower.get(key) not in (None, "")), None)


def _plain(value: Any) -> str:
    """Any JSON value as text for reading."""
    match value:
        case None | bool():
            return ""
        case str():
            return "" if value.strip().casefold() in _NOTHING else value.strip()
        case list():
            return "; ".join(filter(None, map(_plain, value)))
        case Mapping():
            own = _first(value, (*_POINT, *_STANCE))
            return (
                _plain(own) if own is not None else "; ".join(f"{k}: {_plain(v)}" for k, v in value.items())
            )
        case _:
            return str(value)


def _confidence(value: Any) -> float | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _scaled(float(value), 1.0 if 0 <= value <= 1 else 10.0 if value <= 10 else 100.0)  # noqa: PLR2004  # scales people use
    text = _plain(value).casefold().replace("_", " ").replace("-", " ").strip(" .")
    if text in _WORDED_CONFIDENCE:
        return _WORDED_CONFIDENCE[text]
    told = re.search(r"(?P<number>\d+(?:[.,]\d+)?)\s*(?P<scale>%|/\s*\d+|out of \d+)?", text)
    if told is None:
        worded = [word for word in _WORDED_CONFIDENCE if re.search(rf"\b{word}\b", text)]
        return _WORDED_CONFIDENCE[max(worded, key=len)] if worded else None
    number = float(told["number"].replace(",", "."))
    scale = told["scale"]
    if scale is None:
        return _confidence(number)
    return _scaled(number, 100.0 if scale == "%" else float(re.sub(r"\D", "", scale)))


def _scaled(number: float, scale: float) -> float | None:
    share = number / scale if scale else math.nan
    return share if 0 <= share <= 1 else None


def _shown(text: str) -> str:
    """Short, for a note."""
    return " ".join(text.split())[:80]
