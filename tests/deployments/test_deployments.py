"""The shipped deployments name flows that exist, buy nothing by themselves and pull nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from prefect.utilities.importtools import import_object
from ruamel.yaml import YAML

from prefect_videogen.deployments.serve import deployments

ROOT = Path(__file__).parents[2]
FLOWS = {
    "collect-results",
    "generate-batch",
    "generate-clip",
    "generate-chain",
    "generate-keyframes",
    "generate-storyboard",
}


@pytest.fixture(scope="module")
def shipped():
    return YAML(typ="safe").load((ROOT / "deployments/prefect.yaml").read_text())


def test_every_flow_is_deployed_by_its_module_path(shipped):
    found = {import_object(entry["entrypoint"]).name for entry in shipped["deployments"]}
    assert found == FLOWS
    assert shipped["pull"] == []


def test_shipped_schedules_are_inactive(shipped):
    schedules = [s for entry in shipped["deployments"] for s in entry.get("schedules", [])]
    assert schedules
    assert not any(schedule["active"] for schedule in schedules)


async def test_serving_offers_every_flow_without_an_active_schedule():
    offered = await deployments()
    assert {deployment.flow_name for deployment in offered} == FLOWS
    schedules = {d.flow_name: d.schedules for d in offered if d.schedules}
    assert set(schedules) == {"collect-results"}
    assert not any(s.active for found in schedules.values() for s in found)
    assert all(str(d.entrypoint).startswith("prefect_videogen.flows.") for d in offered)


async def test_no_default_buys_anything():
    """A form submitted untouched must end in an error about what is missing, not in a purchase."""
    for deployment in await deployments():
        properties = deployment._parameter_openapi_schema.properties
        boards = ("storyboard_file", "storyboard_files")
        for name in ("prompt", "model", "prompts", "pictures", *boards):
            if name in properties:
                assert properties[name].get("default") in ("", [])
