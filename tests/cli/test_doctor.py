"""`doctor`: each thing that can be wrong in an installation is made wrong, on a real server."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from prefect import flow
from prefect.blocks.core import Block
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from tests.seaweed import free_port

from prefect_videogen import flows
from prefect_videogen.blocks import BLOCK_TYPES
from prefect_videogen.checking import Check, CheckReport, failed
from prefect_videogen.cli.doctor import examine, show_report
from prefect_videogen.cli.installation import (
    FLOWS,
    _age_check,
    _openness,
    _standing,
    block_checks,
    deployment_checks,
    numbers,
    server_checks,
    variable_checks,
    version_checks,
)
from prefect_videogen.errors import StudioError

RIGHT = {
    "prefect-videogen": "0.1.0",
    "prefect": "3.8.8",
    "fastapi": "0.150.1",
    "sqlalchemy": "2.0.51",
}


def one(checks: list[Check] | CheckReport, name: str) -> Check:
    found = checks.checks if isinstance(checks, CheckReport) else checks
    (check,) = [check for check in found if check.name == name]
    return check


@pytest.fixture
def installed(work, settings, monkeypatch, prefect_server) -> Path:
    """The studio `env` with the emulator, beside a Prefect server."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("VIDEOGEN_MEDIA_PUBLIC_URL", settings.get("VIDEOGEN_MEDIA_PUBLIC_URL", ""))
    return work


class TestVersions:
    def test_versions_that_go_together_are_fine(self):
        (check,) = version_checks(RIGHT)
        assert check.ok == "yes"
        assert ".".join(map(str, sys.version_info[:3])) in check.detail

    def test_what_is_installed_here_goes_together(self):
        assert [check.ok for check in version_checks()] == ["yes"]

    @pytest.mark.parametrize("prefect", ["2.20.0", "3.7.9", "4.0.0"])
    def test_another_prefect_is_wrong(self, prefect):
        (check,) = version_checks({**RIGHT, "prefect": prefect})
        assert (check.ok, prefect in check.detail) == ("no", True)
        assert "prefect>=3.8,<4" in check.remedy

    @pytest.mark.parametrize(
        ("url", "ok"), [(None, "no"), ("http://prefect.example.org/api", "warn")]
    )
    def test_a_fastapi_that_breaks_the_server_is_told(self, url, ok):
        with temporary_settings({PREFECT_API_URL: url}):
            check = one(version_checks({**RIGHT, "fastapi": "0.151.0"}), "FastAPI")
        assert check.ok == ok
        assert "fastapi<0.151" in check.remedy

    @pytest.mark.parametrize("sqlalchemy", ["2.1.0", "2.1.9", "3.0"])
    def test_a_sqlalchemy_that_stops_schedules_is_a_warning(self, sqlalchemy):
        check = one(version_checks({**RIGHT, "sqlalchemy": sqlalchemy}), "SQLAlchemy")
        assert (check.ok, sqlalchemy in check.detail) == ("warn", True)
        assert "sqlalchemy<2.1" in check.remedy

    def test_a_prefect_that_copes_with_it_is_fine(self):
        (check,) = version_checks({**RIGHT, "prefect": "3.9.1", "fastapi": "0.165.0"})
        assert check.ok == "yes"

    @pytest.mark.parametrize(
        ("text", "read"), [("3.8.8", (3, 8, 8)), ("3.9.0rc1", (3, 9, 0)), ("main", ())]
    )
    def test_versions_are_read_by_their_numbers(self, text, read):
        assert numbers(text) == read


class TestVariables:
    def test_what_nothing_reads_is_named_and_a_misspelt_one_is_wrong(self):
        names = ("VIDEOGEN_MEDIAURL", "VIDEOGEN_OUR_OWN_FOLDER", "VIDEOGEN_SPEED", "HOME")
        misspelt, own = variable_checks(dict.fromkeys(names, "a secret"))
        assert (misspelt.ok, own.ok) == ("no", "warn")
        assert "VIDEOGEN_MEDIA_URL" in misspelt.remedy
        assert "VIDEOGEN_OUR_OWN_FOLDER" in own.detail
        assert "a secret" not in f"{misspelt} {own}"


class TestServer:
    async def test_a_server_that_answers_is_fine(self, prefect_server):
        async with get_client() as client:
            checks = await server_checks(client)
        assert [check.ok for check in checks] == ["yes"]

    async def test_an_older_server_is_a_warning(self, prefect_server):
        check = _age_check("Prefect server", "3.8.2", "3.8.8")
        assert check.ok == "warn"
        assert "3.8.2" in check.detail
        assert _age_check("Prefect server", "3.9.1", "3.8.8").ok == "yes"

    async def test_one_that_is_away_is_told(self):
        url = f"http://127.0.0.1:{free_port()}/api"
        with temporary_settings({PREFECT_API_URL: url}):
            async with PrefectClient(api=url) as client:
                (check,) = await server_checks(client)
        assert check.ok == "no"
        assert "ConnectError" in check.detail

    @pytest.mark.parametrize(
        ("url", "password", "warns"),
        [
            ("http://prefect.example.org/api", None, True),
            ("http://prefect.example.org/api", "user:password", False),
            ("http://127.0.0.1:4200/api", None, False),
        ],
    )
    def test_an_open_server_is_told(self, url, password, warns):
        with temporary_settings({PREFECT_API_AUTH_STRING: password}):
            assert bool(_openness(url)) == warns

    async def test_unregistered_block_types_are_named(self, prefect_server):
        class Unregistered(Block):
            _block_type_slug = "videogen-never-registered"

        async with get_client() as client:
            for kind in BLOCK_TYPES:
                await kind.aregister_type_and_schema()
            assert (await block_checks(client))[0].ok == "yes"
            assert await _standing(client, Unregistered) == "missing"

    async def test_a_block_type_of_another_version_is_told(self, prefect_server, monkeypatch):
        async with get_client() as client:
            for kind in BLOCK_TYPES:
                await kind.aregister_type_and_schema()
            other = classmethod(lambda *_, **__: f"sha256:{'0' * 64}")
            monkeypatch.setattr(BLOCK_TYPES[0], "_calculate_schema_checksum", other)
            (check,) = await block_checks(client)
        assert check.ok == "warn"
        assert BLOCK_TYPES[0].get_block_type_slug() in check.detail


class TestDeployments:
    def test_all_flows_are_looked_for(self):
        assert set(FLOWS) == {
            getattr(flows, name).name for name in flows.__all__ if not name.endswith("_sync")
        } & set(FLOWS)

    async def test_none_then_some_then_a_schedule(self, prefect_server):
        """In one test: each step stands on the one before, on the server that all tests share."""
        async with get_client() as client:
            for left in await client.read_deployments():
                await client.delete_deployment(left.id)
            before = {check.name: check for check in await deployment_checks(client)}
            assert before["deployments"].ok == "warn"

            @flow(name="collect-results")
            def stands_in() -> None: ...

            flow_id = await client.create_flow(stands_in)
            schedule = DeploymentScheduleCreate(
                schedule=IntervalSchedule(interval=timedelta(minutes=15)), active=False
            )
            deployment = await client.create_deployment(
                flow_id, "of-the-test-of-doctor", schedules=[schedule]
            )
            try:
                found = {check.name: check for check in await deployment_checks(client)}
                assert "collect-results/of-the-test-of-doctor" in found["workers"].detail
                assert found["collecting"].ok == "warn"
                assert "Switch" in found["collecting"].remedy
                (made,) = await client.read_deployment_schedules(deployment)
                await client.update_deployment_schedule(deployment, made.id, active=True)
                found = {check.name: check for check in await deployment_checks(client)}
                assert found["collecting"].ok == "yes"
            finally:
                await client.delete_deployment(deployment)


class TestTheCommand:
    def test_nothing_wrong_exits_0_and_says_what_to_know(self, cli, installed, settings):
        cli("setup")
        ran = cli("doctor")
        assert ran.code == 0, ran.out
        assert "env, made from the environment, with APIXO and EvoLink" in ran.out
        assert "Nothing is wrong" in ran.out
        assert settings["VIDEOGEN_APIXO_API_KEY"] not in ran.out

    def test_a_saved_studio_is_examined_by_its_name(self, cli, installed):
        cli("setup", "--name", "examined")
        ran = cli("doctor", "--studio", "examined", "--json")
        data = json.loads(ran.out)
        names = [check["name"] for check in data["checks"]]
        assert "examined, with APIXO and EvoLink" in ran.out
        assert data["ok"] == "warn"
        for name in ("versions", "Prefect server", "block types", "deployments", "open jobs"):
            assert name in names
        assert all(check["remedy"] for check in data["checks"] if check["ok"] != "yes")

    def test_a_wrong_key_exits_2_and_says_what_to_do(self, cli, installed, monkeypatch):
        monkeypatch.setenv("VIDEOGEN_APIXO_API_KEY", "wrong-and-secret-key")
        ran = cli("doctor")
        assert ran.code == 2
        assert "1 wrong" in ran.out
        assert "wrong-and-secret-key" not in ran.out + ran.err

    def test_a_studio_that_is_missing_is_told_with_the_command(self, cli, installed):
        ran = cli("doctor", "--studio", "nowhere")
        assert ran.code == 2
        assert "there is no studio named 'nowhere'" in ran.out
        assert "prefect-videogen setup" in ran.out

    def test_a_wrong_variable_is_told(self, cli, installed, monkeypatch):
        monkeypatch.setenv("VIDEOGEN_SPEED", "fast")
        ran = cli("doctor")
        assert ran.code == 2
        assert "VIDEOGEN_SPEED is 'fast'" in ran.out

    def test_without_a_server_the_environment_is_examined_all_the_same(self, cli, installed):
        with temporary_settings({PREFECT_API_URL: None}):
            ran = cli("doctor")
        assert ran.code == 0, ran.out
        assert "PREFECT_API_URL is not set" in ran.out
        assert "exclusive creation" in ran.out

    def test_a_server_that_is_away_is_told_and_a_saved_studio_is_not_waited_for(
        self, cli, installed
    ):
        with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}):
            ran = cli("doctor", "--studio", "default")
        assert ran.code == 2
        assert "does not answer" in ran.out

    async def test_a_bug_in_a_check_is_a_finding(self, installed, monkeypatch):
        async def broken(_: object) -> list[Check]:
            raise KeyError("sk-secret")

        monkeypatch.setattr("prefect_videogen.cli.installation.block_checks", broken)
        report = await examine("env")
        assert one(report, "block types").ok == "no"
        assert "sk-secret" not in str(report)

    def test_the_table_fits_a_terminal(self, capsys, monkeypatch):
        monkeypatch.setenv("COLUMNS", "60")
        checks = [Check(name="a thing", ok="no", detail="long " * 20, remedy="mend " * 20)]
        show_report(CheckReport(checks=tuple(checks)))
        lines = capsys.readouterr().out.splitlines()
        assert max(map(len, lines)) <= 60
        assert lines[0].startswith("wrong")


def test_a_report_is_as_bad_as_its_worst_check():
    def report(*oks: str) -> CheckReport:
        made = [Check.model_validate({"name": "x", "ok": ok, "detail": "y"}) for ok in oks]
        return CheckReport(checks=tuple(made))

    assert [report(*oks).ok for oks in ((), ("yes",), ("yes", "warn"), ("warn", "no"))] == [
        "yes",
        "yes",
        "warn",
        "no",
    ]


def test_errors_of_ours_tell_what_to_do():
    check = failed("x", StudioError("it is wrong", next_step="Mend it."))
    assert (check.detail, check.remedy) == ("it is wrong", "Mend it.")
