"""What is well-formed but wrong or unwise in a workflow, each with a rule's name and a line.

`check` says everything about a text: what `loading.parse` refuses, or else what the rules below find. `RULES` lists
them; a rule is a function from a workflow to findings. An error keeps a workflow from being published, a warning
does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TypeAlias

from workflows import loading, yaml_text
from workflows.errors import Problem, WorkflowInvalid
from workflows.findings import Finding, warning
from workflows.lint_limits import account_rules, adaptive_rules, agreement_rules, price_rules, silence_rules
from workflows.lint_prompts import plain_text_rules, prompt_rules
from workflows.lint_schemas import condition_rules, input_schema_rules
from workflows.lint_secrets import secret_rules
from workflows.spec import WorkflowSpec
from workflows.yaml_text import NO_LINES, Lines, dotted

Rule: TypeAlias = Callable[[WorkflowSpec], Iterator[Finding]]


def check(text: str, file: str = "") -> tuple[Problem, ...]:
    """Everything that is wrong with a workflow file; empty for a flawless one. Never raises."""
    try:
        document = yaml_text.read(text, file)
        return lint(loading.of(document, file), document.lines, file)
    except WorkflowInvalid as invalid:
        return invalid.problems


def lint(spec: WorkflowSpec, lines: Lines = NO_LINES, file: str = "") -> tuple[Problem, ...]:
    """What the rules find in a workflow, in the order of the lines."""
    found = (
        Problem(dotted(f.place), f.message, file, lines.of(f.place), f.rule, f.severity)
        for rule in RULES
        for f in rule(spec)
    )
    return tuple(sorted(found, key=lambda problem: problem.line))


def unused_models(spec: WorkflowSpec) -> Iterator[Finding]:
    """An alias that nothing names, or only fallbacks of such aliases."""
    used, left = set[str](), [alias for place, alias in spec.aliases() if place[0] != "models"]
    while left:
        alias = left.pop()
        if alias not in used:
            used.add(alias)
            left += spec.models[alias].fallbacks
    for alias in spec.models:
        if alias not in used:
            yield Finding(
                ("models", alias), "nothing uses this model; take it out or name it", "unused-model"
            )


def unreachable_tools(spec: WorkflowSpec) -> Iterator[Finding]:
    """A tool that is defined, but not mounted."""
    for name in spec.tools:
        if name not in spec.main.tools:
            message = "the main LLM does not have this tool; add it to `main.tools` or take it out"
            yield Finding(("tools", name), message, "unreachable-tool")


def tools_mounted_twice(spec: WorkflowSpec) -> Iterator[Finding]:
    """A tool that stands twice in `main.tools`."""
    for name, times in Counter(spec.main.tools).items():
        if times > 1:
            yield Finding(("main", "tools"), f"`{name}` stands in the list {times} times", "duplicate-tool")


def fallback_cycles(spec: WorkflowSpec) -> Iterator[Finding]:
    """A model that would fall back to itself, reported once for each alias on the circle."""
    for alias in spec.models:
        reached, left = set[str](), [*spec.models[alias].fallbacks]
        while left:
            current = left.pop()
            if current not in reached:
                reached.add(current)
                left += spec.models[current].fallbacks
        if alias in reached:
            message = "the fallbacks lead back to this model; let them end somewhere"
            yield Finding(("models", alias, "fallbacks"), message, "fallback-cycle")


def panels(spec: WorkflowSpec) -> Iterator[Finding]:
    """Panels of one, and quorums that cannot be had."""
    for name, tool in spec.panels.items():
        size = len(tool.branches)
        if size == 1:
            message = "a panel of one branch has nothing to compare; add a branch, or mount no tool"
            yield warning(("tools", name, "branches"), message, "single-branch")
        if "quorum" in tool.collect.model_fields_set and tool.collect.quorum > size:
            message = f"the quorum is larger than the panel; at most {size}"
            yield Finding(("tools", name, "collect", "quorum"), message, "quorum-too-large")


def times(spec: WorkflowSpec) -> Iterator[Finding]:
    """Timeouts that were written down, but can never take effect because the deadline comes first."""
    for name, tool in spec.panels.items():
        deadline = tool.collect.deadline
        message = f"is longer than the panel's deadline of {deadline:g} s, which comes first"
        if "timeout" in tool.collect.model_fields_set and tool.collect.timeout > deadline:
            yield warning(("tools", name, "collect", "timeout"), message, "timeout-over-deadline")
        for i, branch in enumerate(tool.branches):
            if branch.timeout is not None and branch.timeout > deadline:
                yield warning(("tools", name, "branches", i, "timeout"), message, "timeout-over-deadline")


RULES: tuple[Rule, ...] = (
    unused_models,
    unreachable_tools,
    tools_mounted_twice,
    fallback_cycles,
    panels,
    times,
    prompt_rules,
    plain_text_rules,
    input_schema_rules,
    condition_rules,
    price_rules,
    adaptive_rules,
    agreement_rules,
    silence_rules,
    account_rules,
    secret_rules,
)
