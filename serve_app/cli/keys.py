"""The providers' keys, looked at before anything is fetched, loaded or started."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.settings import Settings, secret
from serve_app.cli.workflows import usable_providers
from workflows.binding import providers
from workflows.errors import SetupInvalid
from workflows.keys import MissingKey, missing_keys
from workflows.spec import WorkflowSpec


def require_keys(specs: Sequence[WorkflowSpec], settings: Settings) -> None:
    """Make sure that the workflows' models have their keys.

    In a cluster that is joined the models are called elsewhere, with that cluster's environment; nothing is checked.

    Raises:
        SetupInvalid: one has none; says which variable is missing for whom, and the ways out.
    """
    if settings.ray_address is not None:
        return
    missing = [(spec, missing_keys(spec, _is_set)) for spec in specs]
    told = " ".join(_sentence(spec, found) for spec, found in missing if found)
    if told:
        first = next(found[0].variable for _, found in missing if found)
        raise SetupInvalid(
            f"{told} Set what is missing (`export {first}=...`), or {_provider_hint()}. "
            "The demo model needs no key: `stellarator demo`."
        )


def _is_set(variable: str) -> bool:
    return secret(variable) is not None


def _sentence(spec: WorkflowSpec, missing: Sequence[MissingKey]) -> str:
    """What one workflow lacks, and for which of its models."""
    keys = [f"{key.variable} for {' and '.join(f'`{alias}`' for alias in key.aliases)}" for key in missing]
    verb = "which is" if len(keys) == 1 else "which are"
    return f"The models of {spec.name} need {', '.join(keys)}, {verb} not set."


def _provider_hint() -> str:
    """The ways to other models: those whose key is here, else all."""
    usable = [f"`--provider {each.name}`" for each in usable_providers()]
    if usable:
        return f"let a provider answer whose key is here: {' or '.join(usable)}"
    names = ", ".join(each.name for each in providers())
    return f"let one provider's models answer for all, with its key: --provider {names}"
