"""`prefect-videogen setup` creates the limits, and the studio it saves keeps to them."""

from __future__ import annotations

from typing import Any

import pytest
from prefect.client.orchestration import get_client
from pydantic import SecretStr
from rich.console import Console

from prefect_videogen.blocks import ApixoCredentials, MediaStore, Studio, load_studio, opened
from prefect_videogen.cli.installing import _setup
from prefect_videogen.errors import StudioError

KEY = "sk-never-to-be-shown"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, prefect_server: Any) -> None:
    monkeypatch.setenv("VIDEOGEN_APIXO_API_KEY", KEY)
    monkeypatch.setenv("VIDEOGEN_APIXO_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("VIDEOGEN_MEDIA_URL", tmp_path.as_uri())
    for name in ("VIDEOGEN_EVOLINK_API_KEY", "VIDEOGEN_CALLBACK_URL", "VIDEOGEN_MODELS"):
        monkeypatch.delenv(name, raising=False)


async def test_setup_creates_the_limits_again_and_again_and_a_studio_takes_its_slots_there(
    environment, capsys
):
    console = Console(width=200)
    for _ in range(2):
        await _setup("limited", console)
    out = capsys.readouterr().out
    assert KEY not in out
    lines = [line.split() for line in out.splitlines() if line.startswith("set the limit")]
    sizes = {words[3]: int(words[5]) for words in lines}
    assert len(lines) == 2 * len(sizes)
    async with get_client() as client:
        for name, size in sizes.items():
            found = await client.read_global_concurrency_limit_by_name(name)
            assert found.limit == size
    async with opened("limited") as studio:
        model = studio.model_named("vidu-q3")
        await studio.take_slot("a", model)
        (name,) = (name for name in sizes if name.endswith("vidu-q3"))
        assert sizes[name] == 10
        assert name.startswith(f"videogen-apixo-sandbox-{studio.account('apixo').fingerprint}-")
        async with get_client() as client:
            held = await client.read_global_concurrency_limit_by_name(name)
        assert held.active_slots == 1
    async with get_client() as client:
        left = await client.read_global_concurrency_limit_by_name(name)
    assert left.active_slots == 0


async def test_a_studio_saved_elsewhere_gets_its_limits_and_stays_as_it_is(
    environment, monkeypatch, tmp_path, capsys
):
    monkeypatch.delenv("VIDEOGEN_APIXO_API_KEY")
    credentials = ApixoCredentials(
        api_key=SecretStr("key-of-a-form"), base_url="http://127.0.0.1:9"
    )
    made = Studio(media=MediaStore(url=tmp_path.as_uri()), apixo=credentials, limit_per_run=20)
    await made.asave("by-form", overwrite=True)
    await _setup("by-form", Console(width=200))
    assert "the studio by-form stays as it is saved" in capsys.readouterr().out
    name = f"videogen-apixo-sandbox-{credentials.account().fingerprint}-vidu-q3"
    async with get_client() as client:
        assert (await client.read_global_concurrency_limit_by_name(name)).limit == 10
    assert (await load_studio("by-form")).limit_per_run == 20


async def test_without_a_key_and_a_studio_setup_says_what_to_set(environment, monkeypatch, capsys):
    monkeypatch.delenv("VIDEOGEN_APIXO_API_KEY")
    await _setup("nowhere", Console(width=200))
    assert "no studio saved: set VIDEOGEN_APIXO_API_KEY" in capsys.readouterr().out


async def test_setup_saves_no_studio_that_every_run_would_refuse(environment, monkeypatch):
    monkeypatch.setenv("VIDEOGEN_CALLBACK_URL", "https://hooks.example.com/videogen")
    monkeypatch.delenv("VIDEOGEN_CALLBACK_SECRET", raising=False)
    with pytest.raises(StudioError, match=r"no secret.*\. Set VIDEOGEN_CALLBACK_SECRET"):
        await _setup("unsigned", Console(width=200))
    with pytest.raises(StudioError, match="no studio named 'unsigned'"):
        async with opened("unsigned"):
            pass
