"""The synthesis of a panel: what it is asked, what it may take, and how its text is read.

With `output: analysis` the LLM compares the candidates and its text is read as an `Analysis`; what cannot be read is
brought into form by one more call. With `output: answer` its text is the answer. Either way the text then goes to the
main LLM, which has the last word: it alone knows the whole conversation, the client's tools and how its workflow wants
answers to sound; and a stream, a turn with several tools and a failed synthesis need no second way to the client.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workflows import examples
from workflows.analysis import Analysis, schema
from workflows.analysis_parsing import Unparsed, parse, repair_request
from workflows.budget import Seat
from workflows.candidates import Candidates, Draft, evidence, judge, prepare
from workflows.errors import PromptFailed
from workflows.flow import Answered, Call, Cancelled, Failed, Flow, Outcome, ToolUse, ask
from workflows.messages import ChatRequest, Message, ResponseFormat, Sampling
from workflows.policy import LEAST_SECONDS, Spending
from workflows.prompting import render, shipped_prompt
from workflows.spec import FusionToolSpec
from workflows.tariff import Tariff, prompt_tokens
from workflows.variables import synthesis_values

LEAST_CANDIDATE = 100
"""Tokens below which a candidate is not worth comparing."""

_FILLED = 0.9
"""The part of a context window that is used: tokens are estimated."""

_WRITING = 1 / 3
"""The part of a context window that is kept for writing, at most."""

_SAMPLE, _SAMPLE_TOKENS = "word" * 50, 50
_PROBLEMS, _PROBLEM_TOKENS = 10, 500
_REPAIRED_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True)
class Written:
    """An answer that the synthesis wrote. `cut`: max_tokens ended it."""

    text: str
    cut: bool


@dataclass(frozen=True, slots=True)
class Merged:
    """What came of a synthesis, with the calls that it took."""

    result: Analysis | Written | Unparsed
    outcomes: tuple[Outcome, ...] = ()


@dataclass(frozen=True, slots=True)
class Synthesis:
    """The synthesis of one tool call.

    Attributes:
        tool: the mounted tool.
        use: the call that is carried out.
        values: for its prompt, as the branches had them.
        seed: of the shuffle.
        tariff: what its model can read and write, and what that costs.

    """

    tool: FusionToolSpec
    use: ToolUse
    values: Mapping[str, Any]
    seed: int
    tariff: Tariff

    def candidates(self, drafts: Sequence[Draft], most: int | None = None) -> Candidates:
        """The drafts made ready, together within `most` tokens."""
        cap = self.tool.synthesis.max_candidate_chars
        return prepare(drafts, seed=self.seed, cap=cap, max_tokens=most)

    def worst(self, seats: Sequence[Seat]) -> Spending:
        """What merging these branches' answers may take, with the repair; nothing when the prompt is broken."""
        spec, output = self.tool.synthesis, self._output
        try:
            size = self._size(len(seats))
        except PromptFailed:
            return Spending()
        merging = self.tariff.worst(spec.model, size.of(sum(seat.answer for seat in seats)), output)
        if spec.output == "answer":
            return merging
        blank = prompt_tokens(self._repair(self.candidates(_stand_ins(len(seats), "")), "", ()))
        read = blank + min(output, _REPAIRED_CHARACTERS) + _PROBLEM_TOKENS
        return merging + self.tariff.worst(spec.model, read, output)

    def merge(self, drafts: Sequence[Draft], most: int | None, seconds: float | None) -> Flow[Merged]:
        """Have two or more drafts merged.

        Args:
            drafts: the branches' answers.
            most: tokens that all of them may have in the prompt; None is no bound beside the context window.
            seconds: that may be spent; None is no bound beside the synthesis' own timeout.

        """
        asked = self._asked(drafts, most)
        if isinstance(asked, Unparsed):
            return Merged(asked)
        if _late(seconds):
            return Merged(Unparsed(("the run's time was over",)))
        shown, request = asked
        outcome = yield from ask(self._call("synthesis", request, seconds))
        result = self._read(outcome, shown)
        left = None if seconds is None else seconds - outcome.seconds
        if not isinstance(outcome, Answered) or not isinstance(result, Unparsed):
            return Merged(result, (outcome,))
        if self.tool.synthesis.output == "answer" or _late(left):
            return Merged(result, (outcome,))
        repair = self._repair(shown, outcome.completion.message.text, result.problems)
        mended = yield from ask(self._call("repair", repair, left))
        return Merged(self._read(mended, shown), (outcome, mended))

    @property
    def _output(self) -> int:
        """Tokens that one call may write."""
        return self.tariff.output(self.tool.synthesis.model, self.tool.synthesis.max_tokens)

    def _asked(self, drafts: Sequence[Draft], most: int | None) -> tuple[Candidates, ChatRequest] | Unparsed:
        """The candidates as they fit into the context window, and the request that shows them."""
        try:
            room = self._room(len(drafts))
            if room is not None and room < LEAST_CANDIDATE * len(drafts):
                return Unparsed(("the task fills the context window of the synthesis' model",))
            bounds = [bound for bound in (most, room) if bound is not None]
            shown = self.candidates(drafts, min(bounds) if bounds else None)
            return shown, self._request(shown)
        except PromptFailed as error:
            return Unparsed((str(error),))

    def _room(self, number: int) -> int | None:
        """Tokens that so many candidates may have in the context window; None when its size is unknown."""
        window = self.tariff.window(self.tool.synthesis.model)
        if window is None:
            return None
        writing = min(self._output, int(window * _WRITING))
        return self._size(number).room(int(window * _FILLED) - writing)

    def _size(self, number: int) -> _Size:
        """Measure the prompt with stand-ins for so many answers."""
        bare, filled = (
            prompt_tokens(self._request(self.candidates(_stand_ins(number, text)))) for text in ("", _SAMPLE)
        )
        return _Size(bare, max(1, math.ceil((filled - bare) / (number * _SAMPLE_TOKENS))))

    def _request(self, shown: Candidates) -> ChatRequest:
        spec = self.tool.synthesis
        bare = [{"letter": c.letter, "text": c.text} for c in shown.items]
        values = synthesis_values(self.values, self.tool, bare, evidence(shown))
        template = spec.prompt or shipped_prompt("synthesis" if spec.output == "analysis" else "answer")
        prompt = render(template, values, f"tools.{self.use.tool}.synthesis.prompt")
        return self._sent((*examples.shown(spec.examples), Message.of("user", prompt)), shown)

    def _repair(self, shown: Candidates, text: str, problems: Sequence[str]) -> ChatRequest:
        return self._sent((Message.of("user", repair_request(text, problems[:_PROBLEMS])),), shown)

    def _sent(self, messages: tuple[Message, ...], shown: Candidates) -> ChatRequest:
        form = ResponseFormat("json_schema", "analysis", schema(shown.letters), strict=True)
        most = self._output if self.use.allowance.counted else self.tool.synthesis.max_tokens
        return ChatRequest(
            messages,
            response_format=form if self.tool.synthesis.output == "analysis" else None,
            sampling=Sampling(temperature=0.0, max_tokens=most),
        )

    def _call(self, name: str, request: ChatRequest, seconds: float | None) -> Call:
        spec, step = self.tool.synthesis, self.use.step_id
        timeout = spec.timeout if seconds is None else min(spec.timeout, seconds)
        return Call(f"{step}/{name}", step, "synthesis", name, spec.model, request, timeout)

    def _read(self, outcome: Outcome, shown: Candidates) -> Analysis | Written | Unparsed:
        match outcome:
            case Answered(completion=completion) if self.tool.synthesis.output == "answer":
                verdict = judge(completion)
                if verdict.usable:
                    return Written(verdict.text, verdict.kind == "cut")
                return Unparsed((f"the answer is {verdict.kind.replace('_', ' ')}",))
            case Answered(completion=completion):
                return parse(completion.message.text, shown.letters)
            case Failed(failure=failure):
                return Unparsed((failure.message,))
            case Cancelled(reason=reason):
                return Unparsed((f"the synthesis was stopped: {reason}",))


@dataclass(frozen=True, slots=True)
class _Size:
    """Tokens of a prompt without the answers, and how often it shows each of them."""

    bare: int
    times: int

    def of(self, answers: int) -> int:
        """Tokens of the prompt with answers of so many tokens together."""
        return self.bare + self.times * answers

    def room(self, tokens: int) -> int:
        """Tokens that the answers may have together in a prompt of so many."""
        return (tokens - self.bare) // self.times


def _stand_ins(number: int, text: str) -> list[Draft]:
    return [Draft(str(index), text) for index in range(number)]


def _late(seconds: float | None) -> bool:
    return seconds is not None and seconds < LEAST_SECONDS
