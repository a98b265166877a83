"""The script language of the fake model: rules, the first that fits decides. Deterministic.

    - match: {contains: Review, model: critic}    # every condition that is given must hold
      times: 2                                    # twice; then the next rule that fits
      fail: {status: 429, message: slow down, retry_after: 1}
    - match: {has_tool: problem_review}
      tool_calls: [{name: problem_review, arguments: {task: The plan}}]
    - answer: "It is sound."
      delay: 300ms                # before the first token
      pace: 20ms                  # between chunks
      chunks: 5

One rule does exactly one of: ``answer``, ``json``, ``tool_calls``, ``echo``, ``fail``, ``hang``. The delay may be drawn
from a heavy tail, ``delay: {pareto: {min: 100ms, alpha: 1.2}, seed: 7}``: the n-th call draws the n-th value.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from workflows.errors import Problem, WorkflowInvalid
from workflows.messages import ChatRequest, Message, ToolResult
from workflows.spec import Duration, Strict


class Match(Strict):
    """When a rule applies; what is left out does not matter."""

    contains: str | None = Field(default=None, description="in the last message, also in a tool's result")
    anywhere: str | None = Field(default=None, description="in any message")
    system_contains: str | None = None
    model: str | None = None
    has_tool: str | None = Field(default=None, description="this tool is offered")
    has_result: bool | None = Field(default=None, description="the last message is a tool's result")
    wants_json: bool | None = Field(default=None, description="the request has a response format")
    turn: int | None = Field(default=None, ge=1, description="the n-th call of this model, from 1")


class Pareto(Strict):
    """A heavy tail: P(delay > x) = (min / x) ** alpha."""

    min: Duration
    alpha: float = Field(gt=0)
    max: Duration = 600.0


class Tail(Strict):
    """A delay that is drawn anew for each call."""

    pareto: Pareto
    seed: int = 0


class Fail(Strict):
    """An HTTP error."""

    status: int = Field(ge=400, le=599)
    message: str = "scripted failure"
    retry_after: float | None = None


class ScriptedCall(Strict):
    """A tool call that the model makes."""

    name: str
    arguments: dict[str, Any] | str = Field(default_factory=dict)
    id: str = ""

    @property
    def text(self) -> str:
        """The arguments as the model writes them."""
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments)


class ScriptedUsage(Strict):
    """Token counts to report in place of counted ones."""

    input: int
    output: int


class Rule(Strict):
    """What to do when `match` holds; `times` bounds how often."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    match: Match = Match()
    times: int | None = Field(default=None, ge=1)
    answer: str | None = None
    json_answer: Any = Field(default=None, alias="json")
    tool_calls: tuple[ScriptedCall, ...] = ()
    echo: bool = False
    fail: Fail | None = None
    hang: bool = False
    disconnect: bool = Field(default=False, description="break the connection in the middle of the answer")
    reasoning: str = ""
    delay: Duration | Tail = 0.0
    pace: Duration = 0.0
    chunks: int = Field(default=1, ge=1)
    usage: ScriptedUsage | None = None

    @model_validator(mode="after")
    def _one_deed(self) -> Rule:
        deeds = [
            self.answer is not None,
            self.json_answer is not None,
            self.echo,
            self.fail is not None,
            self.hang,
        ]
        if sum(deeds) > 1 or (not any(deeds) and not self.tool_calls):
            raise ValueError("a rule does exactly one of answer, json, tool_calls, echo, fail, hang")
        return self

    def text(self, request: ChatRequest) -> str:
        """What the model says."""
        if self.json_answer is not None:
            return json.dumps(self.json_answer)
        if self.echo:
            return said(request.messages[-1]) if request.messages else ""
        return self.answer or ""

    def pieces(self, request: ChatRequest) -> list[str]:
        """The text in as many chunks as the rule wants."""
        text = self.text(request)
        size = max(1, -(-len(text) // self.chunks))
        return [text[start : start + size] for start in range(0, len(text), size)]


@dataclass(slots=True)
class _Count:
    used: int = 0
    draws: random.Random | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One call's part of the script: what to do, after how long."""

    rule: Rule
    delay: float


class Script:
    """Rules with their counts; one script is shared by all calls of a model or of a server."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = [(rule, _Count()) for rule in rules]
        self._turns: Counter[str] = Counter()

    @classmethod
    def read(cls, source: str | list[dict[str, Any]]) -> Script:
        """Rules as they stand in a workflow, or the path of a YAML file with them."""
        try:
            told = (
                YAML(typ="safe").load(Path(source).read_text("utf-8")) if isinstance(source, str) else source
            )
            return cls(_RULES.validate_python(told))
        except (OSError, YAMLError, ValidationError) as error:
            raise WorkflowInvalid("script", _problems(source, error)) from error

    def turn(self, request: ChatRequest, model: str) -> Turn | None:
        """The part for this request; None when no rule fits."""
        self._turns[model] += 1
        number = self._turns[model]
        for rule, count in self._rules:
            left = rule.times is None or count.used < rule.times
            if left and rule.match.turn in {None, number} and fits(rule.match, request, model):
                count.used += 1
                return Turn(rule, _delay(rule, count))
        return None


def fits(match: Match, request: ChatRequest, model: str) -> bool:
    """Whether every given condition about the request holds."""
    last = request.messages[-1] if request.messages else None
    system = "".join(m.text for m in request.messages if m.role in {"system", "developer"})
    has_result = last is not None and last.role == "tool"
    checks = (
        match.contains is None or (last is not None and match.contains in said(last)),
        match.anywhere is None or any(match.anywhere in said(m) for m in request.messages),
        match.system_contains is None or match.system_contains in system,
        match.model is None or match.model == model,
        match.has_tool is None or any(tool.name == match.has_tool for tool in request.tools),
        match.has_result is None or match.has_result == has_result,
        match.wants_json is None or match.wants_json == (request.response_format is not None),
    )
    return all(checks)


def said(message: Message) -> str:
    """A message's text, and that of the tool results in it."""
    return message.text + "".join(part.text for part in message.parts if isinstance(part, ToolResult))


_RULES: TypeAdapter[list[Rule]] = TypeAdapter(list[Rule])


def _delay(rule: Rule, count: _Count) -> float:
    if not isinstance(rule.delay, Tail):
        return rule.delay
    tail = rule.delay.pareto
    count.draws = count.draws or random.Random(rule.delay.seed)  # noqa: S311  # a repeatable script, no secret
    return min(tail.max, tail.min * count.draws.paretovariate(tail.alpha))


def _problems(source: object, error: Exception) -> tuple[Problem, ...]:
    file = source if isinstance(source, str) else ""
    if isinstance(error, ValidationError):
        return tuple(
            Problem(".".join(map(str, e["loc"])), e["msg"], file, rule="script") for e in error.errors()
        )
    detail = error.strerror if isinstance(error, OSError) else "is not valid YAML"
    return (Problem("script", f"{detail}", file, rule="script"),)
