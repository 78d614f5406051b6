"""Everything that a Prefect server serves to one who may read, found by its own description."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.topology.production import Installation

PAGE_SIZE = 200
BY_ID = {
    "/flow_runs/filter": ("/flow_runs/{}", "/flow_run_states/?flow_run_id={}"),
    "/task_runs/filter": ("/task_runs/{}", "/task_run_states/?task_run_id={}"),
    "/block_documents/filter": ("/block_documents/{}",),
    "/deployments/filter": ("/deployments/{}", "/deployments/{}/schedules"),
}
"""What is asked for each entry of a list."""


def served(town: Installation) -> dict[str, str]:
    """The text of every list and every single thing, by the path it was asked at."""
    description = town.ask("/openapi.json")
    description.raise_for_status()
    found = {}
    for path, methods in sorted(description.json()["paths"].items()):
        name = path.removeprefix("/api")
        if "{" in name:
            continue
        if "get" in methods:
            found[f"GET {name}"] = town.ask(name).text
        elif name.endswith("/filter"):
            entries = list(_listed(town, name))
            found[f"POST {name}"] = json.dumps(entries)
            for single in BY_ID.get(name, ()):
                for entry in entries:
                    asked = single.format(entry["id"])
                    found[f"GET {asked}"] = town.ask(asked).text
    for run in _listed(town, "/flow_runs/filter"):
        path = f"/flow_runs/{run['id']}/input/filter"
        found[f"POST {path}"] = town.ask(path, {"prefix": ""}).text
    return found


def _listed(town: Installation, path: str) -> Iterator[Any]:
    """All entries of a list, page by page."""
    if path == "/events/filter":
        yield from _events(town)
        return
    offset = 0
    while True:
        answer = town.ask(path, {"limit": PAGE_SIZE, "offset": offset})
        assert answer.status_code == 200, (path, answer.text)
        entries = answer.json()
        entries = entries.get("results", entries) if isinstance(entries, dict) else entries
        yield from entries
        offset += PAGE_SIZE
        if len(entries) < PAGE_SIZE:
            return


def _events(town: Installation) -> Iterator[Any]:
    answer = town.ask("/events/filter", {"filter": {}, "limit": 50}).json()
    while True:
        yield from answer["events"]
        if not answer["next_page"]:
            return
        answer = town.ask(answer["next_page"].removeprefix(f"{town.url}/api")).json()
