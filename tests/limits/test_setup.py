"""`prefect-videogen setup` creates the limits, and the studio it saves keeps to them."""

from __future__ import annotations

from typing import Any

import pytest
from prefect.client.orchestration import get_client
from rich.console import Console

from prefect_videogen.blocks import opened
from prefect_videogen.cli.installing import _setup

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
