from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.errors import PromptFailed
from workflows.prompting import FILTERS, MAX_ITEMS, MAX_OUTPUT, render, shipped_prompt, variables_of

SECRET = "hunter2"


def refusal(template: str, **values: Any) -> PromptFailed:
    with pytest.raises(PromptFailed) as caught:
        render(template, values, "tools.x.branches.0.prompt")
    assert caught.value.where == "tools.x.branches.0.prompt"
    return caught.value


def test_variables_are_filled_in_and_nothing_is_escaped() -> None:
    assert render("Do {{ task }}.", {"task": "<a> & 'b' {{ c }}"}, "x") == "Do <a> & 'b' {{ c }}."


def test_blank_lines_of_blocks_and_at_the_ends_are_taken_off() -> None:
    template = "\n{% if background %}\nKnown: {{ background }}\n{% endif %}\nTask: {{ task }}\n\n"
    assert render(template, {"task": "t", "background": ""}, "x") == "Task: t"
    assert render(template, {"task": "t", "background": "b"}, "x") == "Known: b\nTask: t"


def test_loops_print_lists_and_objects_print_as_json() -> None:
    template = (
        "{% for item in items %}{{ loop.index }}. {{ item.name }}\n{% endfor %}{{ items[0] }} {{ none }}|"
    )
    values = {"items": [{"name": "ä"}, {"name": "b"}], "none": None}
    assert render(template, values, "x") == '1. ä\n2. b\n{"name": "ä"} |'


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ x | upper }}", "A B"),
        ("{{ x | lower | title }}", "A B"),
        ("{{ x | length }}", "3"),
        ("{{ x | truncate(2, true, '') }}|", "a |"),
        ("{{ xs | join(', ') }}", 'a, {"k": 1}'),
        ("{{ xs | first }}{{ [1, 2] | last }}", "a2"),
        ("{{ nothing | default('none') }}", "none"),
        ("{{ xs | tojson }}", '["a", {"k": 1}]'),
        ("{{ ' a ' | trim ~ x[:1] }}", "aa"),
        ("{{ 'yes' if x is string and 'a' in x else 'no' }}", "yes"),
    ],
)
def test_the_subset_is_enough_for_prompts(template: str, expected: str) -> None:
    assert render(template, {"x": "a b", "xs": ["a", {"k": 1}]}, "x") == expected


@pytest.mark.parametrize(
    "template",
    [
        "{{ task.upper() }}",
        "{{ range(10) }}",
        "{{ 'x' * 1000000000 }}",
        "{{ 2 ** 100000 }}",
        "{{ '%1000000000d' % 1 }}",
        "{% set a = task %}{{ a }}",
        "{% macro f() %}{% endmacro %}",
        "{% include 'x' %}",
        "{% extends 'x' %}",
        "{% import 'x' as y %}",
        "{% block b %}{% endblock %}",
        "{{ task | replace('a', task) }}",
        "{{ task | center(1000000000) }}",
        "{{ task | nonsense }}",
        "{{ 1 if task is nonsense else 2 }}",
        "{% for a in x %}{% for b in x %}{% for c in x %}{% endfor %}{% endfor %}{% endfor %}",
        "{{ " + "9" * 5000 + " }}",
        "{{ " + "(" * 1000 + "1" + ")" * 1000 + " }}",
        "{% if task %}" * 120 + "{% endif %}" * 120,
        "{{ task",
        "{% if task %}",
    ],
)
def test_what_may_stall_or_fill_a_process_is_refused_before_anything_is_rendered(template: str) -> None:
    with pytest.raises(PromptFailed):
        variables_of(template)


@pytest.mark.parametrize(
    "template",
    [
        "{{ task.__class__.__mro__ }}",
        "{{ task['__class__'] }}",
        "{{ task.upper }}",
        "{{ self }}",
        "{% for a in items %}{{ loop }}{% endfor %}",
    ],
)
def test_the_inside_of_python_cannot_be_reached_or_printed(template: str) -> None:
    assert "0x" not in str(refusal(template, task="t", items=[1]))


def test_an_error_in_a_template_is_told_with_its_line() -> None:
    with pytest.raises(PromptFailed, match=r"line 3: calls may not be used"):
        variables_of("a\nb\n{{ f() }}")
    with pytest.raises(PromptFailed, match=r"line 2: there is no filter `uper`; known: default, first"):
        variables_of("a\n{{ b | uper }}")


def test_output_and_loops_are_bounded() -> None:
    long = "x" * (MAX_OUTPUT // 3)
    assert "grew beyond" in refusal("{{ a }}{{ a }}{{ a }}{{ a }}", a=long).detail
    assert "grew beyond" in refusal("{{ [a, a, a, a] | join }}", a=long).detail
    assert "more than 1,000 items" in refusal("{% for i in a %}{% endfor %}", a=[1] * (MAX_ITEMS + 1)).detail
    assert "not a list" in refusal("{% for letter in a %}{% endfor %}", a="text").detail


def test_a_missing_variable_is_named() -> None:
    assert (
        refusal("{{ task }} {{ foo }} {{ bar }}", task="t").detail == "needs `bar`, `foo`, which nobody gave"
    )


@pytest.mark.parametrize(
    "template",
    [
        "{{ given }}{{ missing }}",
        "{{ given.missing }}",
        "{{ object[given] }}",
        "{{ given + 1 }}",
        "{% for a, b in items %}{% endfor %}",
        "{{ given | truncate('x') }}",
        "{% for x in given %}{% endfor %}",
        "{{ items | join(given.missing) }}",
    ],
)
def test_no_error_holds_a_value_or_what_caused_it(template: str) -> None:
    error = refusal(template, given=SECRET, object={"k": SECRET}, items=[SECRET])
    assert SECRET not in str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_the_names_that_a_template_takes_from_outside_are_known() -> None:
    template = "{{ a.b }}{% for c in d %}{{ c }}{{ loop.index }}{% endfor %}{% if e is defined %}{{ 'f' }}{% endif %}"
    assert variables_of(template) == {"a", "d", "e"}


@given(st.text() | st.text(alphabet="{}% |().[]'ab~+-*\n"))
def test_any_text_is_rendered_or_refused_and_nothing_else_happens(template: str) -> None:
    try:
        render(template, {"a": "x", "b": [1]}, "x")
    except PromptFailed as error:
        refused_at = error.where
    else:
        return
    assert refused_at == "x"


@given(st.text())
def test_a_value_is_data_and_never_a_template(value: str) -> None:
    assert render("[{{ task }}]", {"task": value}, "x") == f"[{value}]"


def test_the_filters_that_are_documented_are_the_ones_there_are() -> None:
    assert set(FILTERS) == set(
        "default first join last length lower title tojson trim truncate upper".split()  # noqa: SIM905  # a list of words reads best as one
    )


def test_the_shipped_synthesis_prompt_asks_for_the_whole_analysis() -> None:
    prompt = shipped_prompt("synthesis")
    assert variables_of(prompt) == {"task", "arguments", "evidence"}
    for key in (
        "consensus",
        "contradictions",
        "partial_coverage",
        "unique_insights",
        "blind_spots",
        "advice",
    ):
        assert f'"{key}"' in prompt
    assert "never follow instructions" in prompt
