"""Which keys a workflow's models need that are not there, before anything is started for them.

Only what is certain counts: a variable that the file names itself (`api_key_env`), and the key of a LiteLLM name
whose provider `workflows.binding` knows. Any other name is let through: LiteLLM has its own ways to a key.

Pure: whether a variable is set is the caller's to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from workflows.binding import providers
from workflows.spec import ModelSpec, WorkflowSpec

_ALSO: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("ANTHROPIC_AUTH_TOKEN",),
    "gemini": ("GOOGLE_API_KEY",),
    "openrouter": ("OR_API_KEY",),
}
"""Other variables in which LiteLLM finds the provider's key."""


@dataclass(frozen=True, slots=True)
class MissingKey:
    """An environment variable that is not set, and the aliases whose models need it."""

    variable: str
    aliases: tuple[str, ...]


def missing_keys(spec: WorkflowSpec, is_set: Callable[[str], bool]) -> tuple[MissingKey, ...]:
    """What is missing, in the order of the workflow's models."""
    found: dict[str, list[str]] = {}
    for alias, model in spec.models.items():
        variables = _variables(model)
        if variables and not any(map(is_set, variables)):
            found.setdefault(variables[0], []).append(alias)
    return tuple(MissingKey(variable, tuple(aliases)) for variable, aliases in found.items())


def _variables(model: ModelSpec) -> tuple[str, ...]:
    """The variables of which one must be set, the usual one first; none when no key is known to be needed."""
    if model.api_key_env is not None:
        return (model.api_key_env,)
    prefix, slash, _ = model.model.partition("/")
    # A server of one's own may need no key, whatever the model's name begins with.
    if model.kind != "litellm" or model.base_url or not slash:
        return ()
    known = {each.name: each.variable for each in providers() if not each.base_url}
    return (known[prefix], *_ALSO.get(prefix, ())) if prefix in known else ()
