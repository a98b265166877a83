"""Which workflows a command runs: templates by name, files by path, bound to a provider when asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.console import Console
from rich.text import Text

from cluster.settings import secret
from serve_app.cli.weights import needs_weights
from workflows import catalog
from workflows.binding import Provider, available, bind, ollama_address, provider, providers
from workflows.errors import SetupInvalid, UsageError, WorkflowInvalid
from workflows.lint import check
from workflows.loading import dump, parse, read_text
from workflows.spec import WorkflowSpec

TEMPLATE = "fusion-review"
DEMO_TEMPLATE = "fusion-review-demo"
"""The same panel on the embedded model, and under the same name."""

_FILE_SUFFIXES = {".yaml", ".yml", ".json"}

ProviderOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--provider",
        metavar="NAME",
        help="Let this provider's models answer: " + ", ".join(each.name for each in providers()) + ".",
    ),
]


def chosen(sources: Sequence[str], provider_name: str | None) -> tuple[WorkflowSpec, ...]:
    """The workflows that these sources name; without any, the demo, or the template when there is a provider.

    Raises:
        WorkflowInvalid: a file has errors.
        UsageError: a source names nothing, two workflows have one name, there is no such provider.
        SetupInvalid: the provider's key is not in the environment.
    """
    if provider_name is None:
        specs = [workflow(source) for source in sources or [DEMO_TEMPLATE]]
    else:
        specs = [bound(workflow(source), provider_name) for source in sources or [TEMPLATE]]
    names = [spec.name for spec in specs]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UsageError(f"Two workflows are called `{min(twice)}`; each needs a name of its own.")
    return tuple(specs)


def workflow(source: str) -> WorkflowSpec:
    """A template by its name, or the workflow in a file; a file with errors is refused."""
    path = Path(source)
    if path.suffix not in _FILE_SUFFIXES and not path.is_file():
        return catalog.template(source)
    text = read_text(path)
    errors = tuple(problem for problem in check(text, source) if problem.severity == "error")
    if errors:
        raise WorkflowInvalid(source, errors)
    return parse(text, source)


def bound(spec: WorkflowSpec, name: str) -> WorkflowSpec:
    """The workflow with its models replaced by a provider's."""
    found = provider(name)
    value = secret(found.variable)
    if value is None:
        raise SetupInvalid(f"{found.variable} is not set; the provider `{name}` needs it.")
    return bind(spec, name, ollama_address(value) if name == "ollama" else "")


def renamed(spec: WorkflowSpec, name: str) -> WorkflowSpec:
    """The workflow under another name; raises `UsageError` when it cannot be called so."""
    try:
        return parse(dump(spec.model_copy(update={"name": name})))
    except WorkflowInvalid as error:
        raise UsageError(f"`{name}`: {error.problems[0].message}.") from error


def usable_providers() -> tuple[Provider, ...]:
    """The providers whose key is in the environment."""
    return available([each.variable for each in providers() if secret(each.variable)])


def tell_about(specs: Sequence[WorkflowSpec], provider_name: str | None, console: Console) -> None:
    """Say what kind of models will answer, and which better ones are at hand."""
    embedded = [spec for spec in specs if needs_weights([spec])]
    if embedded:
        always = any(tool.trigger == "always" for spec in embedded for tool in spec.tools.values())
        console.print(f"{_DEMO_MODEL}{_ALWAYS if always else ''}\n")
    usable = () if provider_name else usable_providers()
    if usable:
        found = ", ".join(each.variable for each in usable)
        verb = "is" if len(usable) == 1 else "are"
        console.print(Text(f"{found} {verb} set: add `--provider {usable[0].name}` for its models.\n"))


_DEMO_MODEL = (
    "[degraded]Demo model.[/] The answers come from SmolLM2-135M, which runs on this machine and needs no key. It is "
    "small enough for any machine and far too small for good advice."
)
_ALWAYS = (
    " As it cannot judge either when a panel is worth its price, this copy of the template convenes one on every "
    "question (`trigger: always`)."
)
