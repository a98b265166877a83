"""Lint rules about prompts: they can be rendered, and they mention what they are about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches

from workflows.errors import PromptFailed
from workflows.findings import Finding, warning
from workflows.prompting import variables_of
from workflows.spec import ExampleSpec, FusionToolSpec, Place, ToolSpec, WorkflowSpec
from workflows.variables import argument_names, branch_variables, synthesis_variables

_TEMPLATE_MARK = re.compile(r"\{\{|\{%")


def prompt_rules(spec: WorkflowSpec) -> Iterator[Finding]:
    """Every branch prompt mentions the task, every synthesis prompt the branches; all names are known."""
    for name, tool in spec.tools.items():
        at: Place = ("tools", name)
        task = argument_names(tool) | {"last_user_message", "conversation"}
        for place, prompt in _prompts(at, tool):
            lacks = Finding(place, _lacks_the_task(task), "task-not-mentioned")
            yield from _template(place, prompt, branch_variables(tool), task, lacks)
        if isinstance(tool, FusionToolSpec) and tool.synthesis.prompt is not None:
            place = (*at, "synthesis", "prompt")
            answers = frozenset({"evidence", "candidates"})
            message = "never mentions the branches' answers; write {{ evidence }} where they should stand"
            lacks = Finding(place, message, "evidence-not-mentioned")
            yield from _template(place, tool.synthesis.prompt, synthesis_variables(tool), answers, lacks)


def _prompts(at: Place, tool: ToolSpec) -> Iterator[tuple[Place, str]]:
    """The prompts that hand a tool's task on to an LLM."""
    if isinstance(tool, FusionToolSpec):
        for i, branch in enumerate(tool.branches):
            yield (*at, "branches", i, "prompt"), branch.prompt
    else:
        yield (*at, "prompt"), tool.prompt


def plain_text_rules(spec: WorkflowSpec) -> Iterator[Finding]:
    """System prompts and examples are not templates; one that looks like it is probably a mistake."""
    for place, text in _plain_texts(spec):
        if _TEMPLATE_MARK.search(text):
            message = (
                "is plain text, so its braces reach the model as they are; variables belong into a `prompt`"
            )
            yield warning(place, message, "template-in-plain-text")


def _template(
    place: Place, template: str, known: frozenset[str], needed: frozenset[str], lacks: Finding
) -> Iterator[Finding]:
    try:
        mentioned = variables_of(template)
    except PromptFailed as error:
        yield Finding(place, f"is not a valid template: {error.detail.rstrip('.')}", "template-syntax")
        return
    for name in sorted(mentioned - known):
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(sorted(known))}"
        yield Finding(place, f"`{name}` is not a variable of this prompt; {hint}", "unknown-variable")
    if mentioned <= known and not mentioned & needed:
        yield lacks


def _lacks_the_task(names: frozenset[str]) -> str:
    first = "task" if "task" in names else min(names)
    return f"never mentions the task; write {{{{ {first} }}}} where it should stand"


def _plain_texts(spec: WorkflowSpec) -> Iterator[tuple[Place, str]]:
    yield from _of_one(("main",), spec.main.system, spec.main.examples)
    for name, tool in spec.tools.items():
        if not isinstance(tool, FusionToolSpec):
            yield from _of_one(("tools", name), tool.system, tool.examples)
            continue
        for i, branch in enumerate(tool.branches):
            yield from _of_one(("tools", name, "branches", i), branch.system, branch.examples)
        yield from _of_one(("tools", name, "synthesis"), None, tool.synthesis.examples)


def _of_one(at: Place, system: str | None, examples: tuple[ExampleSpec, ...]) -> Iterator[tuple[Place, str]]:
    if system is not None:
        yield (*at, "system"), system
    for i, example in enumerate(examples):
        yield (*at, "examples", i, "user"), example.user
        yield (*at, "examples", i, "assistant"), example.assistant
