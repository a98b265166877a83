"""What was decided for a panel and why, in sentences: a reading of `workflows.decisions`.

Pure: steps in, text out. Keys that it does not know are passed over, and none is needed: a run under way has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from serve_app.cli.render.words import count, harmless, money, percent, seconds
from workflows.replay import StepView

_GROWN: Mapping[str, str] = {
    "disagreed": "they disagreed, so the others were asked too",
    "too_few": "too few of them answered, so the others were asked too",
    "agreed": "they agreed, so nobody else was",
    "enough": "enough of them answered, so nobody else was",
    "no_time": "no time was left to ask more",
}
_SYNTHESIS: Mapping[str, str] = {
    "failed": "the synthesis failed, so the answers were passed on as they are",
    "single": "the only answer was passed on as it is",
    "agreed": "one answer was passed on without a synthesis",
    "none": "the main LLM answered alone",
}
_NOT_ASKED: Mapping[str, str] = {
    "budget": "it did not fit into the run's limits",
    "unpriced": "the run has a cost limit and the model no known price",
    "not_needed": "the first ones were enough",
    "deadline": "no time was left",
}


def decided(tool: StepView, branches: Sequence[StepView]) -> tuple[str, ...]:
    """How a mounted tool's call went, the main thing first: ``2 of 3 branches answered, then the deadline was reached``.

    Nothing for a tool that is no panel and was carried out.
    """
    detail = tool.detail
    if closed := detail.get("hint") or detail.get("refused"):
        facts = _turned_away(str(closed), detail)
    elif branches and ("asked" in detail or not isinstance(detail.get("answered"), str)):
        facts = _convened(tool, branches)
    else:
        return ()
    return tuple(map(harmless, facts))


def _turned_away(closed: str, detail: Mapping[str, Any]) -> Iterator[str]:
    gate = f" ({detail['gate']})" if "gate" in detail else ""
    yield f"not carried out{gate}: {closed}"
    if "estimate" in detail:
        yield f"it could have taken {_amounts(detail['estimate'])}; left were {_amounts(detail.get('allowance', {}))}"


def _convened(tool: StepView, branches: Sequence[StepView]) -> Iterator[str]:
    """What happened, the outcome first, then in the order in which it did."""
    detail = tool.detail
    well = [branch.name for branch in branches if branch.status == "ok"]
    asked = detail.get("asked") or [branch.name for branch in branches]
    answered = f"{len(detail.get('answered', well))} of {len(asked)} branches answered"
    yield f"{answered} so far" if tool.status == "running" else f"{answered}{_ended(detail)}"
    if first := detail.get("adaptive"):
        because = _GROWN.get(first.get("because"), str(first.get("because")))
        yield f"{first.get('start')} were asked first; {because}"
    for name, reason in detail.get("left_out", {}).items():
        if name in well:
            yield f"{name} gave nothing usable ({reason})"
        elif name not in asked:
            yield f"{name} was not asked: {_NOT_ASKED.get(reason, reason)}"
    if "shrunk" in detail and "estimate" in detail:
        yield f"the panel was shrunk to {_amounts(detail['estimate'])} at worst"
    if hedged := detail.get("hedged"):
        yield f"slow, so a second copy was started: {', '.join(hedged)}"
    yield from _merged(detail)


def _ended(detail: Mapping[str, Any]) -> str:
    """What ended the waiting, unless all had ended."""
    policy = detail.get("collect") or {}
    match detail.get("ended_by"):
        case "quorum" if {"quorum", "grace"} <= policy.keys():
            return (
                f", then the quorum of {policy['quorum']} and {seconds(policy['grace'])} of grace were over"
            )
        case "quorum":
            return ", then quorum and grace time were over"
        case "deadline" if "deadline" in policy:
            return f", then the deadline of {seconds(policy['deadline'])} was reached"
        case "deadline":
            return ", then the deadline was reached"
        case _:
            return ""


def _merged(detail: Mapping[str, Any]) -> Iterator[str]:
    """What became of the answers."""
    if found := detail.get("agreement"):
        chosen = f", and {found['best']} stands for all" if detail.get("synthesis") == "agreed" else ""
        yield f"the answers agree to {percent(found['score'])}{chosen}"
        yield from (f"{' and '.join(pair)} contradict each other" for pair in found.get("contradictions", ()))
    if merged := _SYNTHESIS.get(str(detail.get("synthesis"))):
        problem = next(iter(detail.get("problems", ())), "")
        yield f"{merged}: {problem}".rstrip(".") if problem else merged
    elif detail.get("written"):
        yield "the synthesis wrote the answer, for the main LLM to pass on"


def _amounts(told: Mapping[str, Any]) -> str:
    """Money and tokens: ``$0.12 and 4,300 tokens``."""
    found = (
        [money(told["cost_usd"]) if told["cost_usd"] is not None else "an unknown sum"]
        if "cost_usd" in told
        else []
    )
    if told.get("tokens") is not None:
        found.append(f"{count(int(told['tokens']))} tokens")
    return " and ".join(found)
