"""Prompt templates: a small, bounded part of Jinja2, rendered in its sandbox.

A template may print variables, choose (``if``), loop over a list (``for``) and use the filters in `FILTERS`:

    {{ task }}   {% if background %}...{% endif %}   {% for item in items %}{{ loop.index }}. {{ item }}{% endfor %}

It may not call, assign, include, multiply or define anything. That is less than Jinja's sandbox allows, on purpose:
whoever may publish a workflow must not be able to fill a process' memory, and the sandbox bounds neither the size
of ``"x" * 10**9`` nor the length of a loop. What is left is bounded by `MAX_OUTPUT`, `MAX_ITEMS` and
`MAX_LOOP_DEPTH`.

Text is not HTML-escaped. Values print as they are; lists and objects print as JSON.

This module knows nothing about workflows: which variables a prompt has is `workflows.variables`' business.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, Undefined, meta, nodes
from jinja2 import filters as jinja_filters
from jinja2.sandbox import ImmutableSandboxedEnvironment

from workflows.errors import PromptFailed

MAX_OUTPUT = 4_000_000
"""Characters that a rendered prompt may have: well beyond a context window of a million tokens."""

MAX_ITEMS = 1_000
"""Items that one loop may visit."""

MAX_LOOP_DEPTH = 2
"""Loops that may stand in one another."""

_CACHED_TEMPLATES = 512

_ALLOWED_NODES = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Slice,
    nodes.If,
    nodes.CondExpr,
    nodes.For,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Filter,
    nodes.Test,
    nodes.Concat,
    nodes.Add,
    nodes.Sub,
    nodes.Neg,
    nodes.List,
    nodes.Tuple,
)
_FORBIDDEN_NAMES = {
    nodes.Call: "calls",
    nodes.Assign: "`set`",
    nodes.AssignBlock: "`set`",
    nodes.Macro: "`macro`",
    nodes.Include: "`include`",
    nodes.Import: "`import`",
    nodes.FromImport: "`import`",
    nodes.Extends: "`extends`",
    nodes.Block: "`block`",
    nodes.Mul: "`*`",
    nodes.Pow: "`**`",
    nodes.Mod: "`%`",
    nodes.Dict: "a literal object",
}


def render(template: str, variables: Mapping[str, Any], where: str) -> str:
    """Fill in a template; blank lines at both ends are taken off.

    Args:
        template: the source.
        variables: values by name: JSON values.
        where: the place to name in an error, for example ``tools.problem_review.branches.0.prompt``.

    Raises:
        PromptFailed: the template is not valid, a variable is missing, or the text grows too long. The message
            never holds a value.

    """
    try:
        return _filled_in(_compiled(template), variables)
    except PromptFailed as refused:
        raise PromptFailed(where, refused.detail) from None


def variables_of(template: str) -> frozenset[str]:
    """The names that a template takes from outside.

    Raises:
        PromptFailed: the template is not valid; `detail` says why, with the line in the template.

    """
    return _compiled(template).variables


@lru_cache(maxsize=16)
def shipped_prompt(name: str) -> str:
    """The template that ships as ``workflows/prompts/<name>.md``."""
    return resources.files("workflows.prompts").joinpath(f"{name}.md").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class _Compiled:
    template: Template
    variables: frozenset[str]


def _filled_in(compiled: _Compiled, variables: Mapping[str, Any]) -> str:
    try:
        return _bounded(compiled.template.generate(dict(variables))).strip()
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
        # `from None`: Jinja's messages and frames hold values, and a traceback may end in a log.
        raise PromptFailed("", _reason(error, compiled.variables - variables.keys())) from None


@lru_cache(maxsize=_CACHED_TEMPLATES)
def _compiled(source: str) -> _Compiled:
    try:
        tree = _ENVIRONMENT.parse(source)
        _refuse_beyond_the_subset(tree)
        variables = frozenset(meta.find_undeclared_variables(tree))
        code = _ENVIRONMENT.compile(_with_bounded_loops(tree))
    except TemplateSyntaxError as error:
        raise PromptFailed("", f"line {error.lineno}: {error.message}") from None
    except (RecursionError, MemoryError, SyntaxError):
        raise PromptFailed("", "is nested too deeply") from None
    except ValueError:
        raise PromptFailed("", "holds a number that is too long") from None
    return _Compiled(Template.from_code(_ENVIRONMENT, code, {}), variables)


def _refuse_beyond_the_subset(tree: nodes.Template) -> None:
    for node in _descendants(tree):
        if not isinstance(node, _ALLOWED_NODES):
            name = _FORBIDDEN_NAMES.get(type(node), f"`{type(node).__name__.lower()}`")
            raise PromptFailed("", f"line {node.lineno}: {name} may not be used in a prompt")
        if isinstance(node, nodes.Filter) and node.name not in FILTERS:
            known = ", ".join(sorted(FILTERS))
            raise PromptFailed("", f"line {node.lineno}: there is no filter `{node.name}`; known: {known}")
        if isinstance(node, nodes.Test) and node.name not in _ENVIRONMENT.tests:
            raise PromptFailed("", f"line {node.lineno}: there is no test `{node.name}`")
    if _loop_depth(tree) > MAX_LOOP_DEPTH:
        raise PromptFailed("", f"more than {MAX_LOOP_DEPTH} loops stand in one another")


def _descendants(tree: nodes.Node) -> Iterable[nodes.Node]:
    yield tree
    for child in tree.iter_child_nodes():
        yield from _descendants(child)


def _loop_depth(node: nodes.Node) -> int:
    below = max((_loop_depth(child) for child in node.iter_child_nodes()), default=0)
    return below + isinstance(node, nodes.For)


def _with_bounded_loops(tree: nodes.Template) -> nodes.Template:
    for loop in tree.find_all(nodes.For):
        loop.iter = nodes.Filter(loop.iter, _LOOP_GUARD, [], [], None, None, lineno=loop.lineno)
    return tree


def _bounded(chunks: Iterable[str]) -> str:
    kept, size = [], 0
    for chunk in chunks:
        size += len(chunk)
        if size > MAX_OUTPUT:
            raise PromptFailed("", f"grew beyond {MAX_OUTPUT:,} characters")
        kept.append(chunk)
    return "".join(kept)


def _reason(error: Exception, missing: frozenset[str]) -> str:
    """What went wrong, in words that hold no value: only names out of the template."""
    if missing:
        return f"needs {', '.join(f'`{name}`' for name in sorted(missing))}, which nobody gave"
    if isinstance(error, TemplateError):
        return "uses a part of a variable that is not there"
    return f"cannot be filled in with these arguments ({type(error).__name__})"


def _printed(value: Any) -> Any:
    """What a value looks like in a prompt."""
    if isinstance(value, str | int | float | Undefined):
        return value
    if value is None:
        return ""
    return _as_json(value)


def _as_json(value: Any) -> str:
    if isinstance(value, Undefined):
        return str(value)
    try:
        return json.dumps(value, ensure_ascii=False)
    except TypeError:
        raise PromptFailed("", "prints something that is neither text nor data") from None


def _loop_items(value: Any) -> Any:
    if isinstance(value, Undefined):
        return value
    if not isinstance(value, list | tuple | dict):
        raise PromptFailed("", "loops over something that is not a list")
    if len(value) > MAX_ITEMS:
        raise PromptFailed("", f"loops over more than {MAX_ITEMS:,} items")
    return value


def _join(value: Any, separator: str = "") -> str:
    parts = [str(_printed(item)) for item in _loop_items(value)]
    if sum(map(len, parts)) + len(parts) * len(separator) > MAX_OUTPUT:
        raise PromptFailed("", f"grew beyond {MAX_OUTPUT:,} characters")
    return separator.join(parts)


FILTERS: Mapping[str, Callable[..., Any]] = {
    "default": jinja_filters.do_default,
    "first": jinja_filters.do_first,
    "join": _join,
    "last": jinja_filters.do_last,
    "length": len,
    "lower": jinja_filters.do_lower,
    "title": jinja_filters.do_title,
    "tojson": _as_json,
    "trim": jinja_filters.do_trim,
    "truncate": jinja_filters.do_truncate,
    "upper": jinja_filters.do_upper,
}
"""The filters that a prompt may use. `join` and `tojson` are our own: bounded, and without HTML escapes."""

_LOOP_GUARD = "loop items"
"""The guard's name among the filters; with its blank, no template can say it."""


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        autoescape=False,  # prompts are read by models, not browsers: an escaped `<` would be noise
        finalize=_printed,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.clear()
    environment.policies["truncate.leeway"] = 0  # `truncate(200)` means 200
    environment.filters = {**FILTERS, _LOOP_GUARD: _loop_items}
    return environment


_ENVIRONMENT = _environment()
