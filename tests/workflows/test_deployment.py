"""`deployment` in a workflow file: a word, or an object that says how it scales."""

from __future__ import annotations

import pytest

from workflows.lint import check
from workflows.loading import content_hash, dump, parse

BASE = "version: 1\nname: x\nmodels: {main: {model: openai/gpt-5.5}}\nmain: {model: main}\n"


def test_a_word_is_enough_and_dedicated_is_the_default() -> None:
    assert parse(BASE).hosting.mode == "dedicated"
    assert parse(f"{BASE}deployment: shared").hosting.mode == "shared"
    assert content_hash(parse(BASE)) == content_hash(parse(f"{BASE}deployment: dedicated"))


def test_an_object_says_how_it_scales_and_is_written_back() -> None:
    spec = parse(f"{BASE}deployment: {{autoscaling: {{max_replicas: 4}}, max_queued_requests: 2}}")
    assert spec.hosting.autoscaling.max_replicas == 4
    assert parse(dump(spec)) == spec


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ("dedicatd", "deployment: must be `dedicated` or `shared`"),
        ("{mode: shared, max_queued_requests: 3}", "deployment.max_queued_requests: has no effect"),
        ("{autoscaling: {min_replicas: 3}}", "must be at most `max_replicas`, which is 1"),
        ("{autoscalin: {}}", "did you mean `autoscaling`?"),
    ],
)
def test_what_cannot_be_meant_is_refused_once(told: str, sentence: str) -> None:
    (problem,) = check(f"{BASE}deployment: {told}")
    assert sentence in str(problem)
