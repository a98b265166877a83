"""Which model to try next, and when: retries, then fallbacks, as one pure decision.

The rule: a failure that may pass by itself (a rate limit, a 5xx, a timeout) is tried again on the
same model, `Retry.attempts` times in all, after a pause that grows exponentially with full jitter (Marc Brooker,
"Exponential Backoff And Jitter", AWS Architecture Blog, 2015), and never earlier than the provider's Retry-After.
A call whose process died is moved to another at once, `MOVES` times at most, and that is no failure of the model.
Anything else (a wrong key, a request that is not taken, no room within the model's own `limits`, for which the call has
waited already or cannot wait), a Retry-After that is longer than we would wait, or the last attempt on a model leads to
the next fallback at once; after the last fallback the call has failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workflows.errors import Failure, LaneLost, RateLimited
from workflows.policy import Retry

MOVES = 2
"""How often a call on one model goes on in another process without counting as an attempt."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a call.

    Attributes:
        number: 1 for the first.
        model: the alias to try.
        pause: seconds to wait before it.

    """

    number: int
    model: str
    pause: float = 0.0


def first_attempt(models: Sequence[str]) -> Attempt:
    """The first try: the call's own model, at once."""
    return Attempt(1, models[0])


def next_attempt(
    models: Sequence[str], retry: Retry, last: Attempt, failures: Sequence[Failure], draw: float
) -> Attempt | None:
    """The try after `last` failed; None when nothing is left.

    Args:
        models: the call's alias and its fallbacks, in order.
        retry: how often, and how long to wait.
        last: the attempt that failed.
        failures: of the attempts on `last`'s model, in order; the last one is `last`'s.
        draw: a random number in [0, 1), for the jitter.

    """
    lost = sum(failure.code == LaneLost.code for failure in failures)
    if failures[-1].code == LaneLost.code and lost <= MOVES:
        return Attempt(last.number + 1, last.model)
    tried = len(failures) - min(lost, MOVES)
    pause = retry.pause(tried, draw, failures[-1].retry_after)
    may_pass = failures[-1].retryable and failures[-1].code != RateLimited.code
    if may_pass and tried < retry.attempts and pause is not None:
        return Attempt(last.number + 1, last.model, pause)
    left = models[models.index(last.model) + 1 :]
    return Attempt(last.number + 1, left[0]) if left else None


def attempt_step(step_id: str, number: int, *, hedge: bool = False) -> str:
    """The step id of one attempt of a call: ``panel.1/broad``, then ``panel.1/broad#2``; of its copy ``...#2~``."""
    plain = step_id if number == 1 else f"{step_id}#{number}"
    return f"{plain}~" if hedge else plain


def attempt_of(attempt_id: str) -> tuple[str, int, bool]:
    """What `attempt_step` was given."""
    step_id, _, number = attempt_id.removesuffix("~").partition("#")
    return step_id, int(number or 1), attempt_id.endswith("~")


def attempt_after(
    models: Sequence[str], retry: Retry, failed: Sequence[tuple[str, Failure]]
) -> tuple[Attempt, list[Failure]]:
    """The attempt that came after these, each with its alias, and the failures on its model so far.

    For a process that goes on with a call of which it has only the record. The pause before it is over.
    """
    attempt, failures = first_attempt(models), list[Failure]()
    for model, failure in failed:
        if model != attempt.model:
            break
        following = next_attempt(models, retry, attempt, [*failures, failure], 0.0)
        if following is None:
            break
        failures = [*failures, failure] if following.model == attempt.model else []
        attempt = Attempt(following.number, following.model)
    return attempt, failures


def hedge_model(models: Sequence[str], attempt: Attempt) -> str:
    """Where a second copy of a slow call goes: the next fallback, or the same model when there is none."""
    left = models[models.index(attempt.model) + 1 :]
    return left[0] if left else attempt.model
