"""Workflow files for tests: a small good one, and edits of it."""

from __future__ import annotations

from textwrap import dedent

GOOD = dedent(
    """\
    version: 1
    name: small-review
    models:
      main: {model: openai/gpt-5.5}
      one: {model: gemini/gemini-3.5-flash, temperature: 0.4}
      two: {model: my-model, base_url: "http://127.0.0.1:9100/v1", api_key_env: UPSTREAM_KEY}
    main:
      model: main
      tools: [review]
    tools:
      review:
        mode: fusion
        description: Reviews a problem.
        branches:
          - {name: broad, model: one, prompt: "See {{ task }} and {{ background }}"}
          - {name: risks, model: two, prompt: "Doubt {{ task }}"}
        collect: {quorum: 2, grace: 500ms, timeout: 1m, deadline: 150}
        synthesis: {model: main}
    """
)


def edited(*changes: tuple[str, str]) -> str:
    """The good file with replacements; each must really change something."""
    text = GOOD
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def line_of(text: str, part: str) -> int:
    """The 1-based line in which a part first stands."""
    return text[: text.index(part)].count("\n") + 1
