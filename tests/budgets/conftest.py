"""Studios, prices and histories for tests about money."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from prefect_videogen.records import Attempt, Claimed, End, History, LocalStore, Stored, Submitted
from prefect_videogen.studio import OpenStudio
from prefect_videogen.vendors import Account


@pytest.fixture
def purses(tmp_path: Path) -> Any:
    """Make studios on one media folder; each opening is an owner of its own."""

    def make(**more: Any) -> OpenStudio:
        account = Account(
            vendor="apixo", api_key=SecretStr("none"), base_url="http://127.0.0.1:9", sandbox=True
        )
        settings = {"name": "purse", "run": "run-1", **more}
        return OpenStudio(accounts={"apixo": account}, store=LocalStore(tmp_path), **settings)

    return make


@pytest.fixture
def spent(purses) -> Any:
    """What a budget's journal adds up to."""

    async def read(name: str) -> Decimal:
        return (await purses().journal(name).read()).spent

    return read


@pytest.fixture
def history() -> Any:
    """A history of attempts: `job`, `stored`, `claim`, or the kind of an end (`failed:no`)."""

    def made(*states: str, owner: str = "somebody") -> History:
        return History(
            key="k" * 64,
            attempts=tuple(attempt(n, state, owner) for n, state in enumerate(states, 1)),
        )

    return made


def attempt(number: int, state: str, owner: str) -> Attempt:
    claimed = Claimed(
        at=0,
        owner=owner,
        shot="kite",
        vendor="apixo@sandbox",
        model="wan-2-5",
        base_url="http://127.0.0.1",
        body="{}",
        idempotency_key="key",
        window=4,
    )
    kind, _, billed = state.partition(":")
    accepted = kind in {"job", "stored", "failed", "expired"}
    end = None
    stored = Stored(
        at=0, path="p", size=1, sha256="s", last_frame="l", last_frame_sha256="f" * 64, probe={}
    )
    error = {"failed": "JobFailed", "expired": "ResultExpired", "refused": "ContentRefused"}
    if kind not in {"job", "stored", "claim"}:
        end = End.model_validate(
            {
                "at": 0,
                "kind": kind,
                "error": error.get(kind, "NotSent"),
                "transient": kind == "failed",
                "billed": billed or "no",
            }
        )
    return Attempt(
        number=number,
        claimed=claimed,
        submitted=Submitted(at=0, job_id=f"job-{number}") if accepted else None,
        stored=stored if kind == "stored" else None,
        end=end,
    )
