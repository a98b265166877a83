"""The small parts of a workflow file: names, durations, models and examples."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal, LiteralString, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from workflows.quota import RateLimits

NAME_PATTERN = r"^[a-z][a-z0-9]*(?:[-_.][a-z0-9]+)*$"
TOOL_NAME_PATTERN = r"^[a-zA-Z][a-zA-Z0-9_-]{0,63}$"
ALIAS_PATTERN = r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$"
VARIABLE_PATTERN = r"^[a-zA-Z_][a-zA-Z0-9_]*$"
ADDRESS_PATTERN = r"^https?://"

DURATION_PATTERN = r"^\s*([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h)?\s*$"
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(value: object) -> object:
    """Read ``8s``, ``500ms``, ``2m``, ``1h`` or a plain number of seconds."""
    if not isinstance(value, str):
        return value
    match = re.match(DURATION_PATTERN, value)
    if match is None:
        raise ValueError("is not a duration; write 500ms, 8s, 2m, 1h or a number of seconds")
    return float(match[1]) * _SECONDS[match[2] or "s"]


Duration = Annotated[
    float,
    BeforeValidator(seconds),
    Field(ge=0),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0},
                {"type": "string", "pattern": DURATION_PATTERN},
            ]
        }
    ),
]
"""Seconds; in the file a number, or text with a unit."""

Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=64)]
ToolName = Annotated[str, Field(pattern=TOOL_NAME_PATTERN)]
Alias = Annotated[str, Field(pattern=ALIAS_PATTERN)]
Template: TypeAlias = Annotated[str, Field(min_length=1)]
"""A sandboxed Jinja2 template over the tool's arguments and the conversation."""

Provider = Literal["litellm", "openai_compatible", "embedded", "scripted"]
Place: TypeAlias = tuple[str | int, ...]


class Strict(BaseModel):
    """Frozen, and unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class PriceSpec(Strict):
    """US dollars per million tokens; overrides LiteLLM's price map."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached_input: float | None = Field(default=None, ge=0)


class ModelLimitsSpec(Strict):
    """What the provider lets this account do, counted over the whole cluster: all workflows, runs and processes.

    A call waits for its turn, clients and runs in turn, and is refused when that would take too long: then its fallback
    follows, and without any the client is told 429 and when to come back.
    """

    max_parallel_requests: int | None = Field(default=None, ge=1)
    """Calls under way at once."""
    rpm: int | None = Field(default=None, ge=1)
    """Requests in any minute."""
    tpm: int | None = Field(default=None, ge=1)
    """Tokens in any minute, read and written; reserved by estimate, corrected by the provider's count."""
    max_wait: Duration | None = None
    """For how long a call may wait for its turn. Left out: 10 s for the main LLM, and half of its own time for any other
    call."""
    per: Literal["model", "account"] = "model"
    """Whether each model of the account has these limits for itself, or all of them have them together."""

    @model_validator(mode="after")
    def _bounds(self) -> ModelLimitsSpec:
        if self.max_parallel_requests is None and self.rpm is None and self.tpm is None:
            raise ValueError("one of `max_parallel_requests`, `rpm` and `tpm` is needed")
        return self

    def policy(self) -> RateLimits:
        """What is counted."""
        return RateLimits(self.max_parallel_requests, self.rpm, self.tpm)


class ModelSpec(Strict):
    """One model, under the alias that the rest of the workflow uses."""

    provider: Provider | None = None
    """Left out: `openai_compatible` when `base_url` is given, else `litellm`."""
    model: str = ""
    """The provider's name of the model; LiteLLM's name for provider litellm."""
    base_url: str | None = Field(default=None, pattern=ADDRESS_PATTERN)
    """Address of a server that speaks Chat Completions, up to and including ``/v1``."""
    api_key_env: str | None = Field(default=None, pattern=VARIABLE_PATTERN)
    """Name of the environment variable that holds the key; never the key itself."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Extra headers for openai_compatible. Not for secrets."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    """Tokens that one answer may have."""
    seed: int | None = None
    reasoning_effort: str | None = None
    """How hard a reasoning model thinks, in the provider's words, for example ``low`` or ``high``."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Passed to the provider as it is."""
    fallbacks: tuple[Alias, ...] = ()
    """Aliases tried in order when this one fails."""
    price: PriceSpec | None = None
    """Needed only where LiteLLM's price map does not know the model."""
    limits: ModelLimitsSpec | None = None
    """What the provider allows; counted with all calls of the same address, key variable and model, in the whole cluster."""
    context_window: int | None = Field(default=None, ge=1)
    """Tokens that prompt and answer may have together."""
    script: str | list[dict[str, Any]] | None = None
    """For provider scripted: rules, or the path of a YAML file with them."""

    @model_validator(mode="after")
    def _complete(self) -> ModelSpec:
        if self.provider == "scripted":
            if self.script is None:
                raise ValueError("`script` is needed by provider scripted")
        elif not self.model:
            raise ValueError("`model` is needed: the provider's name of the model")
        if self.provider == "openai_compatible" and self.base_url is None:
            raise ValueError("`base_url` is needed by provider openai_compatible")
        return self

    @property
    def kind(self) -> Provider:
        """The provider, inferred when it was left out."""
        return self.provider or ("openai_compatible" if self.base_url else "litellm")


class ExampleSpec(Strict):
    """One few-shot pair, shown to the model before the real task. Plain text, not a template."""

    user: str
    assistant: str


def refuse(rule: LiteralString, found: Iterable[tuple[Place, str]]) -> None:
    """Raise pydantic's own error with every place and sentence; pydantic puts the places below the model's."""
    errors = [
        InitErrorDetails(
            type=PydanticCustomError(rule, "{sentence}", {"sentence": sentence}), loc=place, input=None
        )
        for place, sentence in found
    ]
    if errors:
        raise ValidationError.from_exception_data("workflow", errors)
