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
    │   └── SetupInvalid           the machine or the settings must be put right first
    ├── UpstreamError              a model provider failed
    │   ├── UpstreamRefused        it understood and said no (401, 403, 404, 400): do not retry
    │   ├── UpstreamBusy           429 or overloaded: retry after a while
    │   ├── UpstreamUnavailable    5xx, connection refused or broken: retry
    │   ├── UpstreamTimeout        no answer in time: retry
    │   └── UpstreamMalformed      an answer that cannot be understood, or an empty one
    ├── RunError                   the run itself cannot go on
    │   ├── PromptFailed           a template could not be rendered with these arguments
    │   ├── LimitReached           what the workflow lets a run use is too little for an answer
    │   └── StepMismatch           a replayed flow asked for another step than the journal has
    └── ClusterError               a part of the cluster is gone or does not answer
        ├── LaneLost               the process that made a call died
        ├── CoordinatorLost        the process that ran a panel died
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

from dataclasses import dataclass
from typing import ClassVar, Literal


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a workflow file, and where.

    Attributes:
        where: the dotted path of the key, for example ``tools.problem_review.branches.0.prompt``.
        message: what is wrong and how to mend it, one sentence.
        file: the file's path as the user gave it; empty for a workflow that came over the API.
        line: 1-based line; 0 when unknown.
        rule: the lint rule's or the validator's short name.
        severity: an error keeps a workflow from being published, a warning does not.
    """

    where: str
    message: str
    file: str = ""
    line: int = 0
    rule: str = "invalid"
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        line = str(self.line) if self.line else ""
        place = ":".join(filter(None, (self.file, line))) if self.file else line and f"line {line}"
        warning = "" if self.severity == "error" else self.severity
        return ": ".join(filter(None, (place, warning, self.where, f"{self.message} [{self.rule}]")))


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as a value: what the journal keeps and what people are shown.

    Attributes:
        code: the error class' stable code, for example ``upstream_busy``.
        message: safe to show; without secrets, prompts and tracebacks.
        retryable: whether the same call may succeed later.
        retry_after: seconds after which it may, when the provider said so.
    """

    code: str
    message: str
    retryable: bool = False
    retry_after: float | None = None


class StellaratorError(Exception):
    """The root of the tree."""

    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False

    def failure(self) -> Failure:
        """This error as a value for the journal."""
        return Failure(self.code, str(self), self.retryable)


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


class StepMismatch(RunError):
    """A replayed flow asked for another step than the journal has: the workflow is not deterministic."""

    code = "step_mismatch"

    def __init__(self, step_id: str, detail: str) -> None:
        super().__init__(step_id, detail)
        self.step_id = step_id
        self.detail = detail

    def __str__(self) -> str:
        return f"step {self.step_id}: {self.detail}"


class ClusterError(StellaratorError):
    """A part of the cluster is gone or does not answer."""

    code = "cluster_error"
    retryable = True


class LaneLost(ClusterError):
    """The process that made a call died; whether the provider was reached is unknown."""

    code = "lane_lost"

    def __str__(self) -> str:
        return "The process that made this call died before it answered."


class CoordinatorLost(ClusterError):
    """The process that ran a panel died and did not come back in time."""

    code = "coordinator_lost"

    def __str__(self) -> str:
        return "The coordinator of this run died and did not come back in time."


class ReplicaLost(ClusterError):
    """The process that answered died in the middle of its answer."""

    code = "replica_lost"

    def __str__(self) -> str:
        return "The process that answered died before it was done."


class PublishFailed(ClusterError):
    """A virtual model could not be brought up; what was active before it still is."""

    code = "publish_failed"

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(name, detail)
        self.name = name
        self.detail = detail

    def __str__(self) -> str:
        return f"`{self.name}` could not be brought up: {self.detail}"


class Overloaded(ClusterError):
    """More requests are under way than a deployment takes."""

    code = "overloaded"

    def __str__(self) -> str:
        return "Too many requests are under way for this model. Try again in a moment."


class JournalUnavailable(ClusterError):
    """The journal cannot be written or read."""

    code = "journal_unavailable"


class JournalRefused(ClusterError):
    """An event that the journal cannot hold: trying again does not help."""

    code = "journal_refused"
