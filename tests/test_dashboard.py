"""The Grafana dashboard asks for metrics and labels that exist, and for every metric there is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from cluster.instruments import INSTRUMENTS, Instrument

BOARD: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "deploy" / "grafana" / "stellarator.json").read_text("utf-8")
)
ENDINGS = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}
"""What an exporter adds to a metric's name, by kind."""
SERIES: dict[str, Instrument] = {
    each.prometheus + ending: each for each in INSTRUMENTS for ending in ENDINGS[each.kind]
}
ASKED = re.compile(r"\$\{prefix\}(?P<name>\w+)(?:\{(?P<where>[^}]*)\})?")
GROUPED = re.compile(r"by \((?P<labels>[^)]*)\)")


def queries() -> list[str]:
    panels = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
    variables = [str(each["query"]) for each in BOARD["templating"]["list"] if each["type"] == "query"]
    return [target["expr"] for panel in panels for target in panel["targets"]] + variables


def test_every_metric_and_label_that_is_asked_for_exists() -> None:
    for query in queries():
        grouped = {label for found in GROUPED.findall(query) for label in re.split(r",\s*", found)} - {"le"}
        asked = list(ASKED.finditer(query))
        assert asked, query
        for found in asked:
            instrument = SERIES[found["name"]]
            filtered = set(re.findall(r"(\w+)\s*(?:=~|!=|=)", found["where"] or ""))
            assert filtered | grouped <= set(instrument.labels), query


def test_every_metric_is_shown() -> None:
    shown = {SERIES[found["name"]] for query in queries() for found in ASKED.finditer(query)}
    assert {each.name for each in INSTRUMENTS} == {each.name for each in shown}


def test_it_can_be_imported_anywhere() -> None:
    """No data source of ours is in it, and no two panels lie on each other or share an id."""
    named = {each["name"] for each in BOARD["templating"]["list"]}
    assert named == {"datasource", "prefix", "virtual_model"}
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}"
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(ids) == len(set(ids))
