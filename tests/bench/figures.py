"""What a benchmark says: figures with their goals, shown as a table or as one flat JSON object."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich.table import Table

Bound = Literal["<=", ">="]


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure is to be."""

    bound: Bound
    value: float

    def met(self, value: float) -> bool:
        return value <= self.value if self.bound == "<=" else value >= self.value

    def __str__(self) -> str:
        return f"{self.bound} {self.value:g}"


GOALS: Mapping[str, Goal] = {
    "fusion_added_ms_p50_c1": Goal("<=", 15),
    "fusion_added_ms_p99_c16": Goal("<=", 60),
    "fusion_cpu_vs_lower_bound": Goal("<=", 4),
    "passthrough_rps_vs_litellm": Goal(">=", 5),
    "passthrough_cpu_vs_litellm": Goal("<=", 0.2),
    "passthrough_ttft_added_ms": Goal("<=", 5),
    "branches_5000_rss_gb": Goal("<=", 2.0),
    "branches_5000_cancel_s": Goal("<=", 2),
    "node_scaling_efficiency_4": Goal(">=", 0.9),
    "tail_p99_quorum_vs_all": Goal("<=", 0.33),
    "up_to_first_answer_s": Goal("<=", 20),
    "publish_one_more_s": Goal("<=", 4),
    "publish_shared_s": Goal("<=", 1),
    "tracing_cpu_overhead": Goal("<=", 0.05),
    "journal_cpu_overhead": Goal("<=", 0.10),
}
"""What this machine of two cores is to reach; figures without a goal explain the others."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number.

    Attributes:
        value: the median over the repetitions.
        baseline: the lower bound or the peer in the same run, in words.
        spread: half the distance between the quartiles over the repetitions, as a share of the median.
    """

    name: str
    value: float
    unit: str
    baseline: str = ""
    spread: float | None = None

    @property
    def goal(self) -> Goal | None:
        return GOALS.get(self.name)

    @property
    def met(self) -> bool | None:
        return self.goal.met(self.value) if self.goal else None


@dataclass(frozen=True, slots=True)
class Note:
    """Something to be said beside the figures, such as a peer that cannot be installed here."""

    text: str


def over(name: str, values: Sequence[float], unit: str, baseline: str = "") -> Figure:
    """The median of repetitions with their spread."""
    middle = statistics.median(values)
    if len(values) < 3 or not middle:  # two values have no quartiles
        return Figure(name, middle, unit, baseline)
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return Figure(name, middle, unit, baseline, abs((high - low) / 2 / middle))


def percentile(values: Sequence[float], percent: float) -> float:
    """Linear between the nearest two values."""
    ranked = sorted(values)
    place = (len(ranked) - 1) * percent / 100
    low, part = int(place), place % 1
    return ranked[low] + (ranked[min(low + 1, len(ranked) - 1)] - ranked[low]) * part


def table(figures: Iterable[Figure]) -> Table:
    """The figures for people."""
    shown = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("FIGURE", "VALUE", "UNIT", "GOAL", "", "SPREAD", "AGAINST"):
        right = title in {"VALUE", "GOAL", "SPREAD"}
        shown.add_column(title, justify="right" if right else "left", no_wrap=title != "AGAINST")
    for figure in figures:
        verdict = {None: "", True: "[green]met[/]", False: "[red]missed[/]"}[figure.met]
        spread = f"±{figure.spread:.0%}" if figure.spread is not None else ""
        shown.add_row(
            *(figure.name, shown_value(figure), figure.unit, str(figure.goal or "")),
            *(verdict, spread, figure.baseline),
        )
    return shown


def shown_value(figure: Figure) -> str:
    """The value with three significant digits."""
    return f"{figure.value:,.{_digits(figure.value)}f}"


def flat(figures: Iterable[Figure]) -> dict[str, dict[str, Any]]:
    """The figures for programs, by name."""
    return {
        figure.name: {
            "value": round(figure.value, 4),
            "unit": figure.unit,
            "goal": str(figure.goal) if figure.goal else None,
            "met": figure.met,
            "baseline": figure.baseline or None,
        }
        for figure in figures
    }


def _digits(value: float) -> int:
    """Three significant digits."""
    size = abs(value)
    return 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3  # powers of ten
