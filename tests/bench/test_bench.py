"""The benchmarks as a command: what they print and write. How fast anything is, is not asked here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import report
from tests.bench.effort import FULL, QUICK
from tests.bench.figures import Figure, flat, over
from tests.bench.machine import Calm, calm

COMMAND = [sys.executable, "-c", "from serve_app.cli.main import main; main()", "bench"]
PATIENCE_S = 400.0
CALM = Calm(load=0.5, noise=0.02)


@pytest.mark.ray
@pytest.mark.timeout(420)
def test_a_benchmark_runs_to_its_end_and_tells_its_figures(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    wishes = ["startup", "--quick", "--json", "--markdown", str(page)]
    done = subprocess.run(
        [*COMMAND, *wishes], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert {"up_to_first_answer_s", "idle_memory_gb", "publish_one_more_s", "publish_shared_s"} <= set(
        figures
    )
    for name, figure in figures.items():
        assert set(figure) == {"value", "unit", "goal", "met", "baseline"}
        assert figure["value"] > 0 or name.startswith(("idle_cpu", "publish_shared_mb")), name
        assert f"`{name}`" in page.read_text()


def test_an_unknown_benchmark_is_refused_by_name() -> None:
    done = subprocess.run([*COMMAND, "speed"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "speed" in done.stderr
    assert "passthrough" in done.stderr


def test_a_figure_with_a_goal_says_whether_it_is_met() -> None:
    told = flat(
        [Figure("publish_shared_s", 0.4, "s"), Figure("publish_one_more_s", 9.0, "s"), Figure("x", 1, "s")]
    )
    assert [told[name]["met"] for name in ("publish_shared_s", "publish_one_more_s", "x")] == [
        True,
        False,
        None,
    ]
    assert told["publish_one_more_s"]["goal"] == "<= 4"


def test_repetitions_become_their_median_and_spread() -> None:
    figure = over("x", [9.0, 10.0, 11.0, 10.0, 10.0], "ms")
    assert (figure.value, figure.spread) == (10.0, 0.0)
    assert over("x", [1.0, 2.0], "ms").spread is None


def test_a_page_keeps_its_words_and_the_rows_that_were_not_measured_again() -> None:
    page = report.merged(
        "# Figures\n\n<!-- goals -->\n<!-- /goals -->\n\nWords.\n", [(Figure("b_c16", 2, "ms"), CALM)]
    )
    page = report.merged(
        page, [(Figure("b_c4", 1, "ms"), CALM), (Figure("publish_shared_s", 0.4, "s"), CALM)]
    )
    page = report.merged(page, [(Figure("b_c16", 3, "ms"), CALM)])
    assert page.startswith("# Figures\n")
    assert "\nWords.\n" in page
    assert "| `publish_shared_s` | 0.400 s | <= 1 | met |" in page
    assert page.index("`b_c4` | 1.00 ms") < page.index("`b_c16` | 3.00 ms")
    assert page.count("b_c16") == 1


def test_a_page_tells_what_a_core_of_each_part_bears() -> None:
    used = [Figure("fusion_cpu_ms", 50, "ms CPU"), Figure("fusion_cpu_ms_journal", 8, "ms CPU", "of a run")]
    page = report.merged("", [(figure, CALM) for figure in used])
    assert "| all together | 50.0 | 20 |\n| journal | 8.00 | 125 |" in page


def test_the_smoke_test_does_less() -> None:
    assert QUICK.of(100, 8) == 8
    assert FULL.of(100, 8) == 100


def test_a_machine_is_never_calmer_than_calm() -> None:
    assert calm().noise >= 0
