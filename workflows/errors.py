"""Every error that Stellarator raises, one tree.

    StellaratorError
    ├── UsageError                 the caller can mend it; the message says how
    │   ├── WorkflowInvalid        a workflow file has problems (each with file and line)
    │   ├── UnknownVirtualModel    no workflow is published under that name
    │   ├── RequestInvalid         a field of a request is wrong
    │   ├── Unauthorized           the key is missing or wrong
    │   ├── PublicationNotFound    nothing, or no such version, was published under that name
    │   ├── ProbeFailed            a model of a workflow does not do what the workflow asks of it
    │   ├── RunNotFound            the journal has no such run
    │   ├── ResponseNotFound       no answer is stored under that id
    │   ├── IdempotencyConflict    the same idempotency key came with another request
    │   └── SetupInvalid           the machine or the settings must be put right first
    ├── UpstreamError              a model provider failed
    │   ├── UpstreamRefused        it understood and said no (401, 403, 404, 400): do not retry
    │   │   └── ContextExceeded    the conversation is longer than the model takes
    │   ├── UpstreamBusy           429 or overloaded: retry after a while
    │   │   └── RateLimited        our own limit for that provider is reached: the call was not made
    │   ├── UpstreamUnavailable    5xx, connection refused or broken: retry
    │   ├── UpstreamTimeout        no answer in time: retry
    │   └── UpstreamMalformed      an answer that cannot be understood, or an empty one
    ├── RunError                   the run itself cannot go on
    │   ├── PromptFailed           a template could not be rendered with these arguments
    │   ├── LimitReached           what the workflow lets a run use is too little for an answer
    │   ├── RunLost                its process died, and it cannot be gone on with
    │   └── StepMismatch           a replayed flow asked for another step than the journal has
    └── ClusterError               a part of the cluster is gone or does not answer
        ├── LaneLost               the process that made a call died
        ├── CoordinatorLost        the process that ran a panel died
        ├── KeeperLost             the process that drives a kept run died; the run goes on in its next life
        ├── RunNotDriven           nobody drives that run now
        ├── ReplicaLost            the process that answered died in the middle of its answer
        ├── PublishFailed          a virtual model could not be brought up
        ├── Overloaded             more requests are under way than a deployment takes
        ├── JournalUnavailable     the journal cannot be written or read
        └── JournalRefused         an event that the journal cannot hold: trying again does not help

An error crosses processes, so its fields go positionally to ``super().__init__`` and its text is built in
``__str__``: that is the form that survives pickle. Foreign errors are translated into these at the edge where
they arise (`actors.models` for providers, `actors.runs` for Ray) and nowhere else.

This module knows nothing about HTTP statuses: `serve_app.errors` maps the tree to them.
"""

from __future__ import annotations

from workflows.cluster_errors import (
    ClusterError,
    CoordinatorLost,
    JournalRefused,
    JournalUnavailable,
    KeeperLost,
    LaneLost,
    Overloaded,
    PublishFailed,
    ReplicaLost,
    RunNotDriven,
)
from workflows.failure import Failure, Problem, StellaratorError

__all__ = [
    "ClusterError",
    "ContextExceeded",
    "CoordinatorLost",
    "Failure",
    "IdempotencyConflict",
    "JournalRefused",
    "JournalUnavailable",
    "KeeperLost",
    "LaneLost",
    "LimitReached",
    "Overloaded",
    "ProbeFailed",
    "Problem",
    "PromptFailed",
    "PublicationNotFound",
    "PublishFailed",
    "RateLimited",
    "ReplicaLost",
    "RequestInvalid",
    "ResponseNotFound",
    "RunError",
    "RunLost",
    "RunNotDriven",
    "RunNotFound",
    "SetupInvalid",
    "StellaratorError",
    "StepMismatch",
    "Unauthorized",
    "UnknownVirtualModel",
    "UpstreamBusy",
    "UpstreamError",
    "UpstreamMalformed",
    "UpstreamRefused",
    "UpstreamTimeout",
    "UpstreamUnavailable",
    "UsageError",
    "WorkflowInvalid",
]


class UsageError(StellaratorError):
    """The caller can mend it. Carries one readable paragraph."""

    code = "usage"


class WorkflowInvalid(UsageError):
    """A workflow file has problems."""

    code = "workflow_invalid"

    def __init__(self, name: str, problems: tuple[Problem, ...]) -> None:
        super().__init__(name, problems)
        self.name = name
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems) or f"{self.name} is not a workflow"


class UnknownVirtualModel(UsageError):
    """No workflow is published under that name."""

    code = "model_not_found"

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(name, known)
        self.name = name
        self.known = known

    def __str__(self) -> str:
        return f"The model `{self.name}` does not exist. Available: {', '.join(self.known) or 'none'}."


class RequestInvalid(UsageError):
    """A field of a request is wrong."""

    code = "invalid_request"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field, problem)
        self.field = field
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}"


class Unauthorized(UsageError):
    """The key is missing or wrong. The key itself is never part of the message."""

    code = "invalid_api_key"

    def __str__(self) -> str:
        return "The API key is missing or wrong. Send it as `Authorization: Bearer <key>`."


class PublicationNotFound(UsageError):
    """Nothing, or no such version, was published under that name. Without a number: no earlier version."""

    code = "publication_not_found"

    def __init__(self, name: str, number: int | None = None, known: tuple[int, ...] = ()) -> None:
        super().__init__(name, number, known)
        self.name = name
        self.number = number
        self.known = known

    def __str__(self) -> str:
        if not self.known:
            return f"Nothing was ever published as `{self.name}`."
        if self.number is None:
            return f"No other version of `{self.name}` was ever active."
        listed = ", ".join(map(str, self.known[-10:]))
        return f"`{self.name}` has no version {self.number}. There is: {listed}."


class ProbeFailed(UsageError):
    """Models of a workflow do not do what it asks of them. `complaints` are sentences, one for each model."""

    code = "probe_failed"

    def __init__(self, name: str, complaints: tuple[str, ...]) -> None:
        super().__init__(name, complaints)
        self.name = name
        self.complaints = complaints

    def __str__(self) -> str:
        told = " ".join(self.complaints)
        return f"`{self.name}` was not published, because its models failed the probe. {told}"


class RunNotFound(UsageError):
    """The journal has no such run."""

    code = "run_not_found"

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.run_id = run_id

    def __str__(self) -> str:
        return f"There is no run `{self.run_id}` in the journal."


class ResponseNotFound(UsageError):
    """No answer is stored under that id, or it was deleted."""

    code = "response_not_found"

    def __init__(self, response_id: str) -> None:
        super().__init__(response_id)
        self.response_id = response_id

    def __str__(self) -> str:
        return f"Response with id '{self.response_id}' not found."


class SetupInvalid(UsageError):
    """The machine or the settings must be put right first; the message says how."""

    code = "setup_invalid"


class IdempotencyConflict(UsageError):
    """The same idempotency key came with another request."""

    code = "idempotency_conflict"

    def __str__(self) -> str:
        return "This Idempotency-Key was used with another request before. Send the same request, or another key."


class UpstreamError(StellaratorError):
    """A model provider failed. `model` is the provider's model name, never a key or an address with one."""

    code = "upstream_error"
    retryable = True

    def __init__(self, model: str, detail: str, status: int | None = None) -> None:
        super().__init__(model, detail, status)
        self.model = model
        self.detail = detail
        self.status = status

    def __str__(self) -> str:
        status = f" (status {self.status})" if self.status is not None else ""
        return f"{self.model}: {self.detail}{status}"


class UpstreamRefused(UpstreamError):
    """The provider understood and said no: a wrong key, an unknown model, a request it does not take."""

    code = "upstream_refused"
    retryable = False


class ContextExceeded(UpstreamRefused):
    """The conversation is longer than the model takes: the client can mend it, and agents do.

    Its code and the first words of its text are OpenAI's and Anthropic's, by which agents decide to compact.
    """

    code = "context_length_exceeded"

    def __str__(self) -> str:
        return f"prompt is too long: {super().__str__()}"


class UpstreamBusy(UpstreamError):
    """Rate limited or overloaded. `retry_after` is in seconds, when the provider gave it."""

    code = "upstream_busy"

    def __init__(
        self, model: str, detail: str, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(model, detail, status)
        self.args = (model, detail, status, retry_after)
        self.retry_after = retry_after

    def failure(self) -> Failure:
        """This error as a value, with the provider's advice."""
        return Failure(self.code, str(self), self.retryable, self.retry_after)


class RateLimited(UpstreamBusy):
    """The limits that the workflow declares for this account leave no room in time; the provider was not asked."""

    code = "rate_limited"


class UpstreamUnavailable(UpstreamError):
    """A 5xx answer, or a connection that could not be made or broke."""

    code = "upstream_unavailable"


class UpstreamTimeout(UpstreamError):
    """No answer in time."""

    code = "upstream_timeout"


class UpstreamMalformed(UpstreamError):
    """An answer that cannot be understood, or an empty one."""

    code = "upstream_malformed"


class RunError(StellaratorError):
    """The run itself cannot go on."""

    code = "run_failed"


class PromptFailed(RunError):
    """A template could not be rendered. Names the place, never the arguments' values."""

    code = "prompt_failed"

    def __init__(self, where: str, detail: str) -> None:
        super().__init__(where, detail)
        self.where = where
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.where}: {self.detail}"


class LimitReached(RunError):
    """What the workflow lets a run use is too little for an answer. `limits` says what that is, for people."""

    code = "limit_reached"

    def __init__(self, limits: str) -> None:
        super().__init__(limits)
        self.limits = limits

    def __str__(self) -> str:
        return f"The workflow's limits ({self.limits}) leave too little for an answer to this conversation."


class RunLost(RunError):
    """A kept run's process died, and it cannot be gone on with."""

    code = "run_lost"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    def __str__(self) -> str:
        return f"The run was lost with the process that drove it, and cannot be gone on with: {self.detail}."


class StepMismatch(RunError):
    """A replayed flow asked for another step than the journal has: the workflow is not deterministic."""

    code = "step_mismatch"

    def __init__(self, step_id: str, detail: str) -> None:
        super().__init__(step_id, detail)
        self.step_id = step_id
        self.detail = detail

    def __str__(self) -> str:
        return f"step {self.step_id}: {self.detail}"
