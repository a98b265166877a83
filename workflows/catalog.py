"""The templates that ship with the product: ``workflows/templates/<name>.yaml``."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import resources

from workflows.errors import UsageError
from workflows.loading import parse
from workflows.spec import WorkflowSpec

_SUFFIX = ".yaml"


def names() -> tuple[str, ...]:
    """The templates' names, in alphabetical order."""
    entries = (entry.name for entry in resources.files("workflows.templates").iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in entries if name.endswith(_SUFFIX)))


def template(name: str) -> WorkflowSpec:
    """A template as a workflow; errors as in `template_text`."""
    return parse(template_text(name), f"{name}{_SUFFIX}")


def template_text(name: str) -> str:
    """A template's file, with its comments: what a copy should begin with.

    Raises:
        UsageError: there is no such template; the message names the nearest.

    """
    if name not in names():
        near = get_close_matches(name, names(), n=1)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        raise UsageError(f"There is no template `{name}`.{hint} Available: {', '.join(names())}.")
    return resources.files("workflows.templates").joinpath(f"{name}{_SUFFIX}").read_text(encoding="utf-8")
