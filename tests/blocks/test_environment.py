"""The studio made from the environment, and what is wrong with it, before money is spent."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import BlockDocumentCreate
from pydantic import SecretStr

from prefect_videogen.blocks import (
    CallbackEndpoint,
    EvolinkCredentials,
    MediaStore,
    Studio,
    load_studio,
)
from prefect_videogen.blocks.environment import studio_from_environment
from prefect_videogen.blocks.variables import unknown_variables
from prefect_videogen.errors import StudioError

KEY = {"VIDEOGEN_APIXO_API_KEY": "secret-key"}


async def test_what_a_studio_of_prefects_form_lacks_is_named_without_its_values(prefect_server):
    """The form saves whatever is typed."""
    await Studio.aregister_type_and_schema()
    media = {"url": "file:///nowhere", "block_type_slug": "videogen-media-store"}
    given = {"media": media, "prices": [{"mode": "secret-mode"}], "limit_per_run": -4321}
    async with get_client() as client:
        kind = await client.read_block_type_by_slug(Studio.get_block_type_slug())
        schema = await client.read_block_schema_by_checksum(Studio._calculate_schema_checksum())
        document = BlockDocumentCreate(
            name="half", data=given, block_schema_id=schema.id, block_type_id=kind.id
        )
        await client.create_block_document(document)
    with pytest.raises(StudioError) as caught:
        await load_studio("half")
    text = str(caught.value)
    assert "the studio 'half' is not as it has to be" in text
    assert "prices.0.model: Field required" in text
    assert "limit_per_run" in text
    assert "secret-mode" not in text
    assert "4321" not in text


def test_one_key_is_enough_and_the_addresses_are_the_vendors_own():
    studio = studio_from_environment(KEY)
    assert studio.evolink is None
    account = studio.open().accounts["apixo"]
    assert account.base_url == "https://api.apixo.ai"
    assert account.label == "apixo"


def test_a_loopback_address_is_a_sandbox():
    environment = {**KEY, "VIDEOGEN_APIXO_BASE_URL": "http://127.0.0.1:9", "VIDEOGEN_SPEED": "60"}
    account = studio_from_environment(environment).open().accounts["apixo"]
    assert account.label == "apixo@sandbox"
    assert account.speed == 60


def test_a_gateway_in_the_own_network_can_be_no_sandbox():
    environment = {
        **KEY,
        "VIDEOGEN_APIXO_BASE_URL": "http://127.0.0.1:9",
        "VIDEOGEN_SANDBOX": "false",
    }
    assert studio_from_environment(environment).open().accounts["apixo"].label == "apixo"


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, "VIDEOGEN_APIXO_API_KEY"),
        ({**KEY, "VIDEOGEN_SANDBOX": "perhaps"}, "VIDEOGEN_SANDBOX"),
        ({**KEY, "VIDEOGEN_SPEED": "fast"}, "VIDEOGEN_SPEED"),
        ({**KEY, "VIDEOGEN_SPEED": "0.5"}, "VIDEOGEN_SPEED"),
        ({**KEY, "VIDEOGEN_LIMIT_PER_RUN": "much"}, "VIDEOGEN_LIMIT_PER_RUN"),
        ({**KEY, "VIDEOGEN_LIMIT_PER_MONTH": "-1"}, "VIDEOGEN_LIMIT_PER_MONTH"),
        ({**KEY, "VIDEOGEN_LIMIT_PER_MONTH": "nan"}, "VIDEOGEN_LIMIT_PER_MONTH"),
        ({**KEY, "VIDEOGEN_LOW_BALANCE": "little"}, "VIDEOGEN_LOW_BALANCE"),
        ({**KEY, "VIDEOGEN_LOW_BALANCE": "-1"}, "VIDEOGEN_LOW_BALANCE"),
        ({**KEY, "VIDEOGEN_ALLOW_UNPRICED": "perhaps"}, "VIDEOGEN_ALLOW_UNPRICED"),
        ({**KEY, "VIDEOGEN_PRICES": "cheap"}, "VIDEOGEN_PRICES"),
        ({**KEY, "VIDEOGEN_PRICES": '[{"modell": "x"}]'}, "VIDEOGEN_PRICES"),
        ({**KEY, "VIDEOGEN_LIMIT_PER_RUNS": "5"}, "VIDEOGEN_LIMIT_PER_RUNS"),
    ],
)
def test_a_wrong_variable_is_named(environment, named):
    with pytest.raises(StudioError, match=named) as caught:
        studio_from_environment(environment)
    assert caught.value.next_step
    assert "secret-key" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("VIDEOGEN_LIMIT_PER_RUNS", "VIDEOGEN_LIMIT_PER_RUN"),
        ("VIDEOGEN_LIMIT_RUN", "VIDEOGEN_LIMIT_PER_RUN"),
        ("VIDEOGEN_APIXO_KEY", "VIDEOGEN_APIXO_API_KEY"),
        ("VIDEOGEN_MEDIAURL", "VIDEOGEN_MEDIA_URL"),
        ("VIDEOGEN_SCREENSHOTS", ""),
        ("VIDEOGEN_OUR_OWN_FOLDER", ""),
    ],
)
def test_a_variable_that_nothing_reads_is_told_from_a_misspelt_one(name, meant):
    assert unknown_variables([*KEY, name, "HOME"]) == {name: meant}


@pytest.mark.parametrize(
    ("base_url", "files"),
    [
        ("", "https://files-api.evolink.ai"),
        ("https://gateway.example.com", "https://gateway.example.com"),
    ],
)
def test_a_gateways_key_and_pictures_stay_with_the_gateway(base_url, files):
    environment = {"VIDEOGEN_EVOLINK_API_KEY": "key", "VIDEOGEN_EVOLINK_BASE_URL": base_url}
    studio = studio_from_environment(environment)
    assert studio.open().accounts["evolink"].files_base == files
    block = EvolinkCredentials(
        api_key=SecretStr("key"), **({"base_url": base_url} if base_url else {})
    )
    assert block.account().files_base == files


def test_a_variable_of_the_users_own_is_let_be():
    assert studio_from_environment({**KEY, "VIDEOGEN_OUR_OWN_FOLDER": "x"}).apixo


def test_a_speed_outside_the_sandbox_is_refused():
    studio = studio_from_environment({**KEY, "VIDEOGEN_SPEED": "60"})
    with pytest.raises(StudioError, match=r"speed|sandbox"):
        studio.open()


def test_a_media_store_of_an_unknown_kind_is_refused():
    studio = studio_from_environment({**KEY, "VIDEOGEN_MEDIA_URL": "gopher://x/y"})
    with pytest.raises(StudioError, match="gopher"):
        studio.open()


def test_limits_are_read_exactly():
    limits = {"VIDEOGEN_LIMIT_PER_RUN": "2.50", "VIDEOGEN_LIMIT_PER_MONTH": "19.99"}
    studio = studio_from_environment({**KEY, **limits, "VIDEOGEN_ALLOW_UNPRICED": "yes"}).open()
    assert studio.limit_per_run == Decimal("2.5")
    assert studio.limit_per_month == Decimal("19.99")
    assert studio.allow_unpriced
    assert studio_from_environment(KEY).open().limit_per_month == 0


def test_low_balance_is_read():
    studio = studio_from_environment({**KEY, "VIDEOGEN_LOW_BALANCE": "12.5"})
    assert studio.open().low_balance == 12.5
    assert studio_from_environment(KEY).open().low_balance == 0


def test_prices_are_read_exactly():
    prices = json.dumps([{"model": "wan-2-5", "amount": "0.08"}])
    studio = studio_from_environment({**KEY, "VIDEOGEN_PRICES": prices})
    assert studio.prices[0].amount == Decimal("0.08")


def test_a_file_of_prices_that_is_not_there_is_named(tmp_path):
    path = tmp_path / "prices.json"
    with pytest.raises(StudioError, match=f"names {path}, which can't be read: No such file"):
        studio_from_environment({**KEY, "VIDEOGEN_PRICES": str(path)})


@pytest.mark.parametrize("in_a_file", [False, True])
def test_one_price_that_is_no_list_is_asked_for_as_a_list(tmp_path, in_a_file):
    prices = ' {"model": "wan-2-5", "amount": "0.08"}'
    if in_a_file:
        file = tmp_path / "prices.json"
        file.write_text(prices)
        prices = str(file)
    with pytest.raises(StudioError) as caught:
        studio_from_environment({**KEY, "VIDEOGEN_PRICES": prices})
    assert caught.value.message == "VIDEOGEN_PRICES can't be used: it is no JSON list"
    assert caught.value.next_step.startswith('Write a JSON list like [{"model": ')


def test_the_entry_and_field_of_a_wrong_price_are_named():
    prices = json.dumps([{"model": "wan-2-5", "amount": "1"}, {"model": "x", "amount": "dear"}])
    with pytest.raises(StudioError, match="can't be used: entry 2, amount: Input should be a val"):
        studio_from_environment({**KEY, "VIDEOGEN_PRICES": prices})


def test_models_of_the_users_own_are_known(tmp_path, monkeypatch):
    entry = {
        "id": "wan-next",
        "vendor": "apixo",
        "mode_field": "mode",
        "modes": [{"name": "text-to-video", "images": [0, 0]}],
        "params": [{"name": "prompt", "type": "string", "field": "prompt", "required": True}],
        "timings": {"first_poll": 50, "interval": 5, "generation": [{"seconds": [50, 70]}]},
        "result_seconds": 86400,
    }
    file = tmp_path / "models.json"
    file.write_text(json.dumps({"models": [entry]}))
    monkeypatch.setenv("VIDEOGEN_MODELS", str(file))
    assert "wan-next" in studio_from_environment(KEY).open().models


def test_a_models_file_that_is_missing_is_named(monkeypatch):
    monkeypatch.setenv("VIDEOGEN_MODELS", "/nowhere/models.yaml")
    with pytest.raises(StudioError, match=r"/nowhere/models\.yaml"):
        studio_from_environment(KEY).open()


async def test_the_studio_env_is_never_saved(monkeypatch):
    monkeypatch.setenv("VIDEOGEN_APIXO_API_KEY", "secret-key")
    studio = await load_studio("env")
    assert studio._block_document_id is None


def test_the_key_is_in_no_repr():
    studio = studio_from_environment(KEY)
    assert "secret-key" not in repr(studio)
    assert "secret-key" not in repr(studio.open())
    assert "secret-key" not in studio.model_dump_json()


class TestCallbackEndpoint:
    def test_a_path_belongs_to_one_attempt(self):
        endpoint = CallbackEndpoint(url="https://hooks.example.org/v", secret=SecretStr("s3cret"))
        url = endpoint.job_url("k" * 64, 1)
        assert url.startswith("https://hooks.example.org/v/" + "k" * 64 + "/1/")
        token = url.rpartition("/")[2]
        assert endpoint.verify("k" * 64, 1, token)
        assert not endpoint.verify("k" * 64, 2, token)
        assert not endpoint.verify("k" * 64, 1, token[:-1] + "x")

    @pytest.mark.parametrize(
        "url",
        [
            "http://hooks.example.org",
            "https://127.0.0.1/x",
            "https://hooks.example.org/" + "x" * 2000,
        ],
    )
    def test_an_address_that_vendors_refuse_is_refused(self, url):
        with pytest.raises(StudioError):
            CallbackEndpoint(url=url, secret=SecretStr("s3cret")).job_url("k" * 64, 1)


@pytest.mark.parametrize(
    "url",
    [
        "https://who:pass@example.org",
        "https://example.org/m?sig=abc",
        "https://[::1",
        "https://example.org:99999/m",
    ],
)
@pytest.mark.parametrize("field", ["public_url", "view_url"])
def test_place_that_is_served_with_a_credential_is_refused(tmp_path, field, url):
    media = MediaStore.model_validate({"url": str(tmp_path), field: url})
    with pytest.raises(StudioError, match=field) as caught:
        media.open()
    assert "pass" not in str(caught.value)
    assert "abc" not in str(caught.value)
