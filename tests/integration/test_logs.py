"""The log files of a real server after a failing run: what is there, and what must not be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import KEY, Product
from tests.integration.test_panels import ask, eventually

pytestmark = pytest.mark.ray

PROMPT = "Review this plan of quintessential hippopotami"
UPSTREAM_KEY = "sk-secret-key-123456"


def files(product: Product) -> list[Path]:
    """Every log file of the session, wherever Ray keeps it."""
    return [path for path in product.settings.home.rglob("*") if path.suffix in {".err", ".log", ".out"}]


def lines(product: Product) -> list[dict[str, Any]]:
    """Every line of ours."""
    texts = (path.read_text(errors="replace") for path in files(product))
    found = [json.loads(line) for text in texts for line in text.splitlines() if line.startswith('{"')]
    return [line for line in found if "role" in line]


def test_a_failing_panel_leaves_marked_lines_and_no_prompt_answer_or_key(product: Product) -> None:
    answer, shown = ask(product, "all-broken", PROMPT)

    def of_run() -> list[dict[str, Any]] | None:
        found = [line for line in lines(product) if line.get("run_id") == shown["run_id"]]
        return found if any(line["message"] == "run ok" for line in found) else None

    found = eventually(of_run)
    (ended,) = [line for line in found if line["message"] == "run ok"]
    assert (ended["role"], ended["level"], ended["panel"]) == ("gateway", "info", "failed")
    assert ended["seconds"] > 0
    assert ended["input_tokens"] > 0
    failed = [line for line in found if line["message"].startswith("step failed")]
    branches = {line["step_id"].rpartition("/")[2] for line in failed if line["kind"] == "branch"}
    assert branches == {"broad", "risks", "diverse"}
    assert {line["role"] for line in failed} == {"coordinator"}
    assert {line["level"] for line in failed} == {"warning"}
    assert {line["trace_id"] for line in found} == {shown["trace_id"]}

    everything = "\n".join(path.read_text(errors="replace") for path in files(product))
    assert len(files(product)) > 5
    for secret in ("hippopotami", answer, UPSTREAM_KEY, KEY):
        assert secret not in everything
