"""The root of our errors, and errors as values: what `workflows.errors` grows from."""

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
