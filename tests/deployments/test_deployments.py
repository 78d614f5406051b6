"""The shipped deployments: one list for workers and for serving, which buys nothing by itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments.runner import RunnerDeployment
from prefect.settings import PREFECT_API_URL, PREFECT_HOME
from ruamel.yaml import YAML

import prefect_videogen
from prefect_videogen.deployments import serve
from prefect_videogen.deployments.serve import deployments

FLOWS = {
    "collect-results",
    "generate-batch",
    "generate-clip",
    "generate-chain",
    "generate-keyframes",
    "generate-storyboard",
}
SAMPLES = {"generate-clip/demo", "generate-chain/demo", "generate-storyboard/demo"}


@pytest.fixture(scope="module")
def deployed(prefect_server, tmp_path_factory) -> Path:
    """A folder of a wheel's user, whose deployments are known to the server."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "prefect.yaml").write_text(serve.FILE.read_text(encoding="utf-8"), encoding="utf-8")
    run(folder, "work-pool", "create", "videogen", "--type", "process", "--overwrite")
    run(folder, "--no-prompt", "deploy", "--all")
    return folder


def run(folder: Path, *words: str) -> None:
    """Run Prefect's command in the user's folder."""
    environment = {
        "PATH": str(Path(sys.executable).parent),
        "HOME": str(folder),
        "PREFECT_API_URL": str(PREFECT_API_URL.value()),
        "PREFECT_HOME": str(PREFECT_HOME.value()),
    }
    done = subprocess.run(
        [str(Path(sys.executable).with_name("prefect")), *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


async def read(offered: RunnerDeployment) -> DeploymentResponse:
    async with get_client() as client:
        return await client.read_deployment_by_name(offered.full_name)


def told(found: Any) -> dict[str, Any]:
    """What a person sees of a deployment."""
    return {
        "description": found.description,
        "version": found.version,
        "tags": sorted(found.tags),
        "parameters": found.parameters,
        "entrypoint": found.entrypoint.rpartition(".")[2],
    }


async def test_deploying_the_file_gives_what_serving_offers(deployed):
    offered = await deployments()
    for one in offered:
        found = await read(one)
        assert told(found) == told(one)
        assert found.work_pool_name == "videogen"
        assert found.pull_steps == []
        planned = [schedule.schedule for schedule in one.schedules or []]
        assert [type(kept.schedule) for kept in found.schedules] == [type(p) for p in planned]
        limit = found.global_concurrency_limit
        assert (limit.limit if limit else None) == one.concurrency_limit
        assert found.concurrency_options == one.concurrency_options


async def test_every_flow_is_offered_once_and_some_as_samples():
    names = [one.full_name for one in await deployments()]
    assert sorted(names) == sorted([*(f"{flow}/videogen" for flow in FLOWS), *SAMPLES])
    assert all(str(one.entrypoint).startswith("prefect_videogen.") for one in await deployments())


async def test_shipped_schedules_are_inactive(deployed):
    found = [await read(one) for one in await deployments()]
    schedules = {one.name: one.schedules for one in found if one.schedules}
    assert sum(len(one.schedules) for one in found) == 2
    assert not any(schedule.active for kept in schedules.values() for schedule in kept)


async def test_no_default_buys_anything():
    """A form submitted untouched must end in an error about what is missing, not in a purchase."""
    for deployment in await deployments():
        properties = deployment._parameter_openapi_schema.properties
        boards = ("storyboard_file", "storyboard_files")
        for name in ("prompt", "model", "prompts", "pictures", *boards):
            if name in properties:
                assert properties[name].get("default") in ("", [], None)  # None: it is required


async def test_only_samples_have_parameters_that_buy_and_those_buy_of_the_demo():
    for one in await deployments():
        if one.name == "demo":
            assert one.parameters["studio"] == "demo"
            assert "needs the studio `demo`" in str(one.description)
        else:
            assert set(one.parameters) <= {"older_than"}


async def test_version_is_the_package_s():
    assert {one.version for one in await deployments()} == {prefect_videogen.__version__}


async def test_film_runs_have_no_slot_that_prefect_could_end_them_for():
    limited = {one.full_name for one in await deployments() if one.concurrency_limit}
    assert limited == {"collect-results/videogen"}


def test_the_file_pulls_nothing_and_names_flows_by_their_module():
    shipped = YAML(typ="safe", pure=True).load(serve.FILE.read_text(encoding="utf-8"))
    assert shipped["pull"] == []
    assert not [entry for entry in shipped["deployments"] if "/" in entry["entrypoint"]]


async def test_limit_may_be_a_number_as_prefect_deploy_takes_it(tmp_path):
    file = tmp_path / "prefect.yaml"
    file.write_text(
        "deployments:\n"
        "  - name: own\n"
        "    entrypoint: prefect_videogen.flows.generate_clip\n"
        "    concurrency_limit: 3\n"
    )
    (offered,) = await deployments(file)
    assert offered.concurrency_limit == 3
