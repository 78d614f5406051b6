"""Automations are created once under their names, updated later, and stay off if switched off.

That they do what they are for is shown by tests/topology.
"""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from prefect.automations import Automation
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import get_client
from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import EventTrigger
from prefect.settings import PREFECT_API_URL, temporary_settings
from tests.blocks.test_checks import Answering
from tests.seaweed import free_port

from prefect_videogen import collect_results
from prefect_videogen.deployments import automations
from prefect_videogen.errors import StudioError

ALL = ["--after-film", "collect-results/followed", "--notify", "custom-webhook/money"]


@pytest.fixture
async def known(prefect_server):
    """A deployment and a block that automations can name."""
    async with get_client() as client:
        await client.create_deployment(
            flow_id=await client.create_flow(collect_results), name="followed"
        )
        for automation in await client.read_automations():
            await client.delete_automation(automation.id)
    block = CustomWebhookNotificationBlock(name="money", url="http://127.0.0.1:9/")
    await block.asave("money", overwrite=True)


async def run(*arguments: str) -> list[str]:
    options = automations._parser().parse_args(arguments)
    return await automations._ensure_all(options)


async def names() -> list[str]:
    async with get_client() as client:
        return sorted(found.name for found in await client.read_automations())


async def test_repeated_command_updates_what_it_created(known):
    first = await run(*ALL)
    again = await run(*ALL, "--silent", "90")
    assert [line.split(":")[0] for line in first] == ["created"] * 3
    assert [line.split(":")[0] for line in again] == ["updated"] * 3
    assert len(await names()) == 3
    zombies = await Automation.aread(name=automations.ZOMBIES)
    assert isinstance(zombies.trigger, EventTrigger)
    assert zombies.trigger.within == timedelta(seconds=90)


async def test_automation_that_was_switched_off_stays_off(known):
    await run()
    zombies = await Automation.aread(name=automations.ZOMBIES)
    await zombies.adisable()
    assert (await run("--silent", "120"))[0].startswith("updated")
    assert not (await Automation.aread(name=automations.ZOMBIES)).enabled


async def test_parameters_of_the_run_after_a_film_keep_their_types(known):
    await run(*ALL, "--give", "older_than=frames", "--give", "studio=slug")
    found = await Automation.aread(name=f"{automations.FILMS}collect-results/followed")
    (action,) = found.actions
    assert isinstance(action, RunDeployment)
    assert action.parameters == {
        name: {
            "__prefect_kind": "json",
            "value": {
                "__prefect_kind": "jinja",
                "template": f"{{{{ event.payload.{field} | tojson }}}}",
            },
        }
        for name, field in (("older_than", "frames"), ("studio", "slug"))
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--after-film", "nobody/there"], "nobody/there is not known"),
        (["--after-film", "noslash"], "noslash is not known"),
        (["--notify", "slack-webhook/nowhere"], "slack-webhook/nowhere is not known"),
        (["--after-film", "collect-results/followed", "--give", "film"], "PARAMETER=FIELD"),
        (["--after-film", "collect-results/followed", "--give", "a=b c"], "PARAMETER=FIELD"),
        (["--silent", "89"], "below 90 seconds"),
    ],
)
async def test_wrong_option_is_refused_and_nothing_is_created(known, capsys, arguments, says):
    with pytest.raises(StudioError, match=says):
        await run(*arguments)
    assert await names() == []


def test_command_says_what_is_wrong_and_ends_with_two(prefect_server, capsys):
    with pytest.raises(SystemExit) as ended:
        automations.main(["--notify", "slack-webhook/nowhere"])
    assert ended.value.code == 2
    assert "slack-webhook/nowhere is not known" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["--after-film", "nobody/there"], ["--notify", "slack-webhook/nowhere"]]
)
async def test_message_names_the_server_without_its_password(prefect_server, arguments):
    url = str(PREFECT_API_URL.value())
    guarded = url.replace("http://", "http://user:hidden@")
    with (
        temporary_settings({PREFECT_API_URL: guarded}),
        pytest.raises(StudioError, match=urlsplit(url).netloc) as caught,
    ):
        await run(*arguments)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("arguments", [[], ["--after-film", "nobody/there"]])
def test_server_that_is_away_is_told_in_one_line(capsys, arguments):
    with (
        temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}),
        pytest.raises(SystemExit) as ended,
    ):
        automations.main(arguments)
    assert ended.value.code == 2
    assert "the Prefect server does not answer" in capsys.readouterr().err


@pytest.mark.parametrize(("status", "step"), [(401, "PREFECT_API_AUTH_STRING"), (500, "log")])
def test_server_that_refuses_is_told_with_what_to_do(capsys, status, step):
    with (
        Answering(status) as server,
        temporary_settings({PREFECT_API_URL: f"{server.url}/api"}),
        pytest.raises(SystemExit),
    ):
        automations.main([])
    said = capsys.readouterr().err
    assert f"refuses with HTTP {status}" in said
    assert step in said
