"""What `check()` finds: each thing that can be wrong is made wrong, against real parts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
from prefect.types import SecretDict
from pydantic import SecretStr
from tests.seaweed import free_port

from prefect_videogen import (
    ApixoCredentials,
    CallbackEndpoint,
    CheckReport,
    EvolinkCredentials,
    MediaStore,
    Price,
    Studio,
)
from prefect_videogen.blocks.limits import create_limits
from prefect_videogen.capabilities import MODELS
from prefect_videogen.checking import Check, leftover_checks, price_check, store_checks
from prefect_videogen.records import Claimed, LocalStore
from prefect_videogen.studio import OpenStudio
from prefect_videogen.waiting import Limit, limits_of

SECRET = "never-to-be-shown-7f3a9c5e"


def found(report: CheckReport | list[Check], name: str) -> list[Check]:
    checks = report.checks if isinstance(report, CheckReport) else report
    return [check for check in checks if check.name == name]


def one(report: CheckReport | list[Check], name: str) -> Check:
    (check,) = found(report, name)
    return check


@pytest.fixture
def vendors(emulator):
    return emulator(api_key=SECRET)


@pytest.fixture
def apixo(vendors) -> ApixoCredentials:
    return ApixoCredentials(api_key=SecretStr(SECRET), base_url=vendors.url)


@pytest.fixture
def media(tmp_path, vendors) -> MediaStore:
    return MediaStore(url=(tmp_path / "media").as_uri(), public_url=vendors.media_url)


class TestAccounts:
    async def test_a_good_key_is_taken_and_the_balance_told(self, apixo, vendors):
        report = await apixo.acheck()
        assert report.ok == "yes"
        assert vendors.url in one(report, "APIXO key").detail
        assert one(report, "APIXO balance").detail == "1000 USD"
        assert [seen.kind for seen in vendors.requests] == ["balance"]
        assert not vendors.charges

    async def test_evolinks_key_is_checked_likewise(self, vendors):
        block = EvolinkCredentials(
            api_key=SecretStr(SECRET), base_url=vendors.url, files_url=vendors.files_url
        )
        report = await block.acheck()
        assert [check.ok for check in report.checks] == ["yes", "yes"]
        assert "credits" in one(report, "EvoLink balance").detail

    @pytest.mark.parametrize("kind", [ApixoCredentials, EvolinkCredentials])
    async def test_a_wrong_key_is_told_and_not_shown(self, vendors, kind):
        report = await kind(api_key=SecretStr("wrong-" + SECRET), base_url=vendors.url).acheck()
        (check,) = report.checks
        assert check.ok == report.ok == "no"
        assert check.remedy
        assert SECRET not in str(report)

    async def test_an_empty_account_is_told(self, emulator):
        poor = emulator(balance=0.0)
        block = ApixoCredentials(api_key=SecretStr(poor.api_key), base_url=poor.url)
        report = await block.acheck()
        assert one(report, "APIXO key").ok == "yes"
        assert one(report, "APIXO balance").ok == "no"
        assert "APIXO" in one(report, "APIXO balance").remedy

    async def test_a_vendor_that_is_away_is_told(self):
        url = f"http://127.0.0.1:{free_port()}"
        report = await ApixoCredentials(api_key=SecretStr(SECRET), base_url=url).acheck()
        assert one(report, "APIXO key").ok == "no"
        assert "ConnectError" in one(report, "APIXO key").detail
        assert one(report, "APIXO key").remedy

    async def test_a_throttled_vendor_is_only_a_warning(self):
        with Answering(429) as busy:
            block = ApixoCredentials(api_key=SecretStr(SECRET), base_url=busy.url)
            report = await block.acheck()
        assert report.ok == "warn"
        assert one(report, "APIXO key").remedy

    async def test_settings_that_do_not_go_together_are_a_finding(self):
        block = ApixoCredentials(
            api_key=SecretStr(SECRET), base_url="https://api.example.org", speed=60
        )
        report = await block.acheck()
        assert report.ok == "no"
        assert one(report, "account").remedy

    def test_the_sync_twin_finds_the_same(self, apixo):
        assert apixo.check() == asyncio.run(apixo.acheck())

    async def test_the_sync_twin_works_inside_a_running_loop(self, apixo):
        assert apixo.check().ok == "yes"


class Forgetful(LocalStore):
    """A store without exclusive creation: the last writer wins, and all are told they did."""

    async def create(self, path: str, data: bytes) -> bool:
        await self.remove(path)
        await super().create(path, data)
        return True


class Racy(LocalStore):
    """What fsspec's local `mode="create"` is: exists, then write."""

    async def create(self, path: str, data: bytes) -> bool:
        place = self.root / path
        if place.exists():
            return False
        await asyncio.sleep(0)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        return True


class TestMediaStore:
    async def test_a_folder_that_is_served_is_fine_and_left_as_it_was(self, media, tmp_path):
        report = await media.acheck()
        names = ["media store", "exclusive creation", "picture addresses"]
        assert [(check.name, check.ok) for check in report.checks] == [(n, "yes") for n in names]
        assert not [path for path in (tmp_path / "media").rglob("*") if path.is_file()]

    async def test_one_that_is_not_served_warns(self, tmp_path):
        report = await MediaStore(url=tmp_path.as_uri()).acheck()
        assert report.ok == "warn"
        assert "public URL" in one(report, "picture addresses").remedy

    async def test_a_public_url_that_leads_elsewhere_is_told(self, tmp_path, vendors):
        (tmp_path / "media").mkdir()
        block = MediaStore(url=(tmp_path / "other").as_uri(), public_url=vendors.media_url)
        check = one(await block.acheck(), "picture addresses")
        assert check.ok == "no"
        assert "404" in check.detail

    async def test_a_server_that_answers_everything_alike_is_told(self, tmp_path):
        with Answering(200) as other:
            block = MediaStore(url=tmp_path.as_uri(), public_url=other.url)
            check = one(await block.acheck(), "picture addresses")
        assert check.ok == "no"
        assert "own folder" in check.remedy

    async def test_a_public_url_without_a_server_is_told(self, tmp_path):
        block = MediaStore(url=tmp_path.as_uri(), public_url=f"http://127.0.0.1:{free_port()}")
        assert one(await block.acheck(), "picture addresses").ok == "no"

    @pytest.mark.parametrize("url", ["http://192.168.1.20/m", "http://127.0.0.1:9", "https://[bad"])
    async def test_an_address_that_real_vendors_cannot_reach_is_told(self, tmp_path, url):
        checks = await store_checks(LocalStore(tmp_path, served_at=url), sandbox=False)
        check = one(checks, "picture addresses")
        assert check.ok == "no"
        assert "on the internet" in check.remedy

    async def test_a_place_that_cannot_be_written_is_told(self, tmp_path):
        (tmp_path / "file").write_text("a file, where a folder should be")
        report = await MediaStore(url=(tmp_path / "file").as_uri()).acheck()
        check = one(report, "media store")
        assert check.ok == "no"
        assert check.remedy

    async def test_an_address_of_no_known_kind_is_told(self):
        report = await MediaStore(url="gopher://x/y").acheck()
        assert report.ok == "no"
        assert "gopher" in one(report, "media store").detail

    async def test_a_store_that_overwrites_is_told(self, tmp_path):
        checks = await store_checks(Forgetful(tmp_path))
        assert one(checks, "media store").ok == "no"
        assert "overwritten" in one(checks, "media store").detail
        assert one(checks, "exclusive creation").ok == "no"

    async def test_a_store_that_looks_before_it_writes_loses_the_race(self, tmp_path):
        checks = await store_checks(Racy(tmp_path))
        assert one(checks, "media store").ok == "yes"
        check = one(checks, "exclusive creation")
        assert check.ok == "no"
        assert "8 were told" in check.detail

    async def test_a_bucket_is_fine_by_signed_urls(self, s3_server):
        block = MediaStore(url=s3_server.folder(), options=SecretDict(s3_server.options))
        report = await block.acheck()
        assert report.ok == "yes", str(report)
        assert len(report.checks) == 3

    async def test_a_bucket_that_may_only_be_read_is_told_without_its_secret(self, s3_server):
        block = MediaStore(url=s3_server.folder(), options=SecretDict(s3_server.reader))
        report = await block.acheck()
        assert report.ok == "no"
        assert s3_server.reader["secret"] not in str(report)


class Answering:
    """A web server that answers every request with the same status."""

    def __init__(self, status: int) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST  # noqa: N815 - the name that the library calls

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def receiver(apixo, media) -> Iterator[str]:
    """The real receiver in a thread: its address."""
    from prefect_videogen.callbacks.app import build_app  # noqa: PLC0415 - as the program does
    from prefect_videogen.callbacks.clerk import Clerk  # noqa: PLC0415
    from prefect_videogen.callbacks.inbox import Inbox  # noqa: PLC0415
    from prefect_videogen.callbacks.serving import _server  # noqa: PLC0415
    from prefect_videogen.listening import listen  # noqa: PLC0415

    endpoint = CallbackEndpoint(url="http://127.0.0.1", secret=SecretStr(SECRET))
    up = threading.Event()
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(listen("127.0.0.1", 0))
        running: list = []

        async def run() -> None:
            studio = Studio(media=media, apixo=apixo).open()
            clerk = Clerk(studio, lambda _: None)
            async with studio, Inbox(clerk.work, studio.time, pause=0.01) as inbox:
                server = _server(build_app(endpoint, inbox))
                running.append(server)
                serving = asyncio.create_task(server.serve(sockets=[listener]))
                while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                    await asyncio.sleep(0.002)
                up.set()
                await serving

        thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
        thread.start()
        assert up.wait(30)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        running[0].should_exit = True
        thread.join(30)


class TestCallbackEndpoint:
    async def test_a_receiver_with_the_same_secret_is_fine(self, receiver):
        block = CallbackEndpoint(url=f"{receiver}/hooks", secret=SecretStr(SECRET))
        report = await block.acheck()
        assert report.ok == "yes", str(report)

    async def test_a_receiver_with_another_secret_is_told(self, receiver):
        block = CallbackEndpoint(url=receiver, secret=SecretStr("another"))
        check = one(await block.acheck(), "callback endpoint")
        assert check.ok == "no"
        assert "same secret" in check.remedy

    @pytest.mark.parametrize("status", [200, 502])
    async def test_something_else_that_answers_is_told(self, status):
        with Answering(status) as other:
            block = CallbackEndpoint(url=other.url, secret=SecretStr(SECRET))
            check = one(await block.acheck(), "callback endpoint")
        assert check.ok == "no"
        assert f"HTTP {status}" in check.detail

    async def test_one_that_is_away_is_told_without_the_token(self):
        block = CallbackEndpoint(url=f"http://127.0.0.1:{free_port()}", secret=SecretStr(SECRET))
        report = await block.acheck()
        assert "did not answer" in one(report, "callback endpoint").detail
        assert block.token("0" * 64, 999_999) not in str(report)

    async def test_an_address_that_vendors_refuse_is_told(self):
        block = CallbackEndpoint(url="http://hooks.example.org", secret=SecretStr(SECRET))
        assert "https" in one(await block.acheck(), "callback endpoint").detail

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1/ho\x07oks", "http://127.0.0.1:99999", "http://127.0.0.1:x"]
    )
    async def test_an_address_that_is_none_is_told_with_a_remedy(self, url):
        block = CallbackEndpoint(url=url, secret=SecretStr(SECRET))
        (check,) = (await block.acheck()).checks
        assert check.ok == "no"
        assert "URL" in check.remedy
        assert SECRET not in str(check)

    async def test_an_endpoint_without_a_secret_is_told(self):
        block = CallbackEndpoint(url="https://hooks.example.org", secret=SecretStr(""))
        assert "forge" in one(await block.acheck(), "callback endpoint").detail


class TestPrices:
    PRICES = tuple(Price(model=model, amount=Decimal(1)) for model in MODELS)

    def test_a_price_for_each_model_is_fine(self):
        check = price_check(self.PRICES, MODELS, ("apixo", "evolink"), limited=True)
        assert check.ok == "yes"

    def test_models_of_vendors_without_an_account_need_none(self):
        prices = [price for price in self.PRICES if price.model != "wan2.5-image-to-video"]
        assert price_check(prices, MODELS, ("apixo",), limited=False).ok == "yes"

    def test_no_prices_warn(self):
        check = price_check([], MODELS, ("apixo",), limited=False)
        assert (check.ok, check.detail) == ("warn", "there are none")

    def test_no_prices_under_a_limit_buy_nothing(self):
        check = price_check([], MODELS, ("apixo",), limited=True)
        assert check.ok == "no"
        assert "allow_unpriced" in check.remedy

    def test_a_model_without_a_price_is_named(self):
        check = price_check(self.PRICES[1:], MODELS, ("apixo", "evolink"), limited=True)
        assert check.ok == "warn"
        assert self.PRICES[0].model in check.detail

    def test_a_price_for_no_model_is_named(self):
        prices = [*self.PRICES, Price(model="wan-2-55", amount=Decimal(1))]
        check = price_check(prices, MODELS, ("apixo", "evolink"), limited=False)
        assert "did you mean `wan-2-5`?" in check.remedy
        assert check.ok == "warn"
        assert "wan-2-55" in check.detail

    def test_a_price_for_no_resolution_is_named(self):
        prices = [*self.PRICES, Price(model="wan-2-5", resolution="1080", amount=Decimal(1))]
        check = price_check(prices, MODELS, ("apixo", "evolink"), limited=False)
        assert (check.ok, check.detail) == ("warn", "wan-2-5 has no resolution 1080")
        assert "did you mean `1080p`?" in check.remedy


@pytest.fixture
def studio(apixo, media) -> Studio:
    prices = [Price(model=model, amount=Decimal(1)) for model in MODELS]
    return Studio(media=media, apixo=apixo, prices=prices)


def limits(studio: Studio) -> list[Limit]:
    opened = studio.open()
    return limits_of(opened.accounts.values(), opened.models)


class TestStudio:
    async def test_limits_that_are_not_set_up_warn_and_name_the_command(
        self, studio, prefect_server
    ):
        studio._block_document_name = "paris"  # a saved one's
        report = await studio.acheck()
        assert report.ok == "warn"
        missing = found(report, "limits")
        assert len(missing) == len(limits(studio))
        assert {check.ok for check in missing} == {"warn"}
        assert "`prefect-videogen setup --name paris`" in missing[0].remedy

    async def test_a_studio_that_is_set_up_is_fine(self, studio, prefect_server):
        await create_limits(limits(studio))
        report = await studio.acheck()
        assert report.ok == "yes", str(report)
        assert SECRET not in str(report)
        assert SECRET not in report.model_dump_json()

    @pytest.mark.parametrize(
        ("size", "ok", "said"), [(0, "no", "nothing can be bought"), (99, "warn", "more than")]
    )
    async def test_a_limit_of_a_wrong_size_is_told(self, studio, prefect_server, size, ok, said):
        made = limits(studio)
        await create_limits(made)
        vidu = next(limit for limit in made if limit.name.endswith("vidu-q3"))
        await create_limits([Limit(vidu.name, size)])
        (check,) = found(await studio.acheck(), "limits")
        assert check.ok == ok
        assert said in check.detail

    async def test_a_smaller_limit_is_somebodys_choice(self, studio, prefect_server):
        made = limits(studio)
        await create_limits(made)
        await create_limits([Limit(made[0].name, 1)])
        assert one(await studio.acheck(), "limits").ok == "yes"

    async def test_a_limit_that_is_switched_off_is_told(self, studio, prefect_server):
        made = limits(studio)
        await create_limits(made)
        async with get_client() as client:
            change = GlobalConcurrencyLimitUpdate(active=False)
            await client.update_global_concurrency_limit(made[0].name, change)
        assert "switched off" in one(await studio.acheck(), "limits").detail

    async def test_without_a_server_limits_warn(self, studio):
        from prefect.settings import PREFECT_API_URL, temporary_settings  # noqa: PLC0415

        with temporary_settings({PREFECT_API_URL: None}):
            assert "PREFECT_API_URL" in one(await studio.acheck(), "limits").detail

    async def test_a_server_that_is_away_is_told(self, studio):
        from prefect.settings import PREFECT_API_URL, temporary_settings  # noqa: PLC0415

        with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}):
            assert one(await studio.acheck(), "limits").ok == "no"

    async def test_a_studio_without_credentials_is_a_finding(self, media):
        report = await Studio(media=media).acheck()
        assert "credentials" in one(report, "studio").detail
        assert report.ok == "no"

    async def test_everything_wrong_at_once_is_all_told(self, tmp_path, prefect_server):
        url = f"http://127.0.0.1:{free_port()}"
        (tmp_path / "file").write_text("")
        studio = Studio(
            media=MediaStore(url=(tmp_path / "file").as_uri()),
            apixo=ApixoCredentials(api_key=SecretStr(SECRET), base_url=url),
            callbacks=CallbackEndpoint(url=url, secret=SecretStr(SECRET)),
            limit_per_run=1,
        )
        report = await studio.acheck()
        wrong = [check.name for check in report.checks if check.ok == "no"]
        assert wrong == ["APIXO key", "media store", "callback endpoint", "prices"]
        assert all(check.remedy for check in report.checks if check.ok != "yes")
        assert SECRET not in str(report)

    async def test_the_report_is_plain_data(self, studio):
        report = await studio.acheck()
        assert CheckReport.model_validate(json.loads(report.model_dump_json())) == report


class TestLeftovers:
    @staticmethod
    def claimed(at: float, **more: object) -> Claimed:
        fields = {
            "at": at,
            "owner": "a",
            "shot": "s",
            "vendor": "apixo@sandbox",
            "model": "wan-2-5",
            "base_url": "http://x",
            "body": "{}",
            "idempotency_key": "i",
            "window": 120,
        }
        return Claimed.model_validate({**fields, **more})

    async def leave(self, studio: OpenStudio, key: str, claimed: Claimed) -> None:
        await studio.records.claim(key, 1, claimed)
        await studio.records.open(claimed.vendor, claimed.model, key, 1)

    async def test_nothing_left_over_is_fine(self, studio):
        checks = await leftover_checks(studio.open())
        assert {check.ok for check in checks} == {"yes"}

    async def test_old_jobs_and_unknown_purchases_are_counted_and_named(self, studio):
        opened = studio.open()
        long_ago = time.time() - 30 * 86400
        opened.records.clock = lambda: long_ago
        await self.leave(opened, "a" * 64, self.claimed(long_ago))
        checks = await leftover_checks(opened)
        assert one(checks, "open jobs").ok == "warn"
        assert "collect" in one(checks, "open jobs").remedy
        assert "aaaaaaaaaaaa" in one(checks, "unknown purchases").detail
        assert "settle" in one(checks, "unknown purchases").remedy

    async def test_a_purchase_under_way_is_left_alone(self, studio):
        opened = studio.open()
        await self.leave(opened, "a" * 64, self.claimed(time.time()))
        assert {check.ok for check in await leftover_checks(opened)} == {"yes"}

    async def test_other_accounts_jobs_are_passed_over(self, studio):
        opened = studio.open()
        long_ago = time.time() - 30 * 86400
        opened.records.clock = lambda: long_ago
        await self.leave(opened, "a" * 64, self.claimed(long_ago, vendor="apixo"))
        assert {check.ok for check in await leftover_checks(opened)} == {"yes"}

    async def test_a_broken_record_is_a_finding(self, studio, tmp_path):
        opened = studio.open()
        place = tmp_path / "media" / "clips" / ("a" * 64) / "1"
        place.mkdir(parents=True)
        (place / "1-claimed.json").write_text("")
        check = one(await leftover_checks(opened), "records")
        assert check.ok == "no"
        assert check.remedy
