"""Callbacks: both vendors' bodies, timeouts, acknowledgements and retries, and ways to go wrong.

APIXO wants a 200 within 30 s and tries three times more after 30 s and growing delays [doc:
webhooks]; EvoLink wants any 2xx within 10 s and tries again after 1, 2 and 4 s [seed].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import httpx

from prefect_videogen.emulator.checks import host_of, is_private
from prefect_videogen.emulator.ledger import Delivery, Job, View
from prefect_videogen.emulator.pictures import tls
from prefect_videogen.emulator.world import World

# A scaled timeout is never shorter than this (real seconds): a receiver answers no faster because
# the vendor is emulated.
LEAST_TIMEOUT = 2.0
FORGED_RESULT = "https://clips.example.net/forged.mp4"

What = Literal["genuine", "forged"]


class Describe(Protocol):
    """Words a job as its vendor does."""

    def __call__(self, job: Job, view: View) -> dict[str, Any]:
        """Give the body that tells of `job` what `view` says."""


@dataclass(frozen=True)
class Rules:
    """A vendor's rules for callbacks.

    Attributes:
        timeout: How long it waits for an answer, in its own seconds.
        delays: Waits before the second and later tries, in its own seconds.
        acknowledged: Whether an answer's status ends the tries.
    """

    timeout: float
    delays: tuple[float, ...]
    acknowledged: Callable[[int], bool]


RULES: Mapping[str, Rules] = {
    # The second and third delay are lost from every copy of the page; growing is all it says.
    "apixo": Rules(30.0, (30.0, 60.0, 120.0), lambda status: status == httpx.codes.OK),
    "evolink": Rules(10.0, (1.0, 2.0, 4.0), httpx.codes.is_success),
}


class Announcer:
    """Delivers the callbacks of one emulator; close it at the end.

    Args:
        world: The emulator's shared state.
        describe: How each vendor words a job.
    """

    def __init__(self, world: World, describe: Mapping[str, Describe]) -> None:
        self._world = world
        self._describe = describe
        self._clients: dict[bool, httpx.AsyncClient] = {}

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.aclose()

    async def announce(self, job: Job) -> None:
        """Deliver a job's end, if its submission asked for it."""
        if not job.callback_url:
            return
        if "callback-lost" in job.faults:
            self._note(job, job.callback_url, 0, None, "lost")
            return
        urls = (self._world.result_url(job),) if job.state == "completed" else ()
        fault = self._world.faults.take(
            "callback", "view", vendor=job.vendor, model=job.model.id, state=job.state
        )
        body = self._describe[job.vendor](job, View(job.state, urls).bent(fault))
        for _ in range(2 if "callback-doubled" in job.faults else 1):
            await self._deliver(job, body)

    async def forge(self, job: Job) -> None:
        """Let a stranger announce a running job's success, if that is scripted."""
        fault = job.faults.get("callback-forged")
        if fault is None:
            return
        result = str(fault.options.get("result", FORGED_RESULT))
        view = View("completed", (result,))
        body = self._describe[job.vendor](job, view)
        url = str(fault.options.get("url", job.callback_url))
        await self._post(job, url, body, 1, RULES[job.vendor], "forged")

    async def _deliver(self, job: Job, body: dict[str, Any]) -> None:
        rules = RULES[job.vendor]
        for attempt, delay in enumerate((0.0, *rules.delays), 1):
            await self._world.timeline.sleep(self._world.timeline.scaled(delay))
            status = await self._post(job, job.callback_url, body, attempt, rules, "genuine")
            if status is not None and rules.acknowledged(status):
                return

    async def _post(  # noqa: PLR0917 - all of it is one delivery
        self,
        job: Job,
        url: str,
        body: dict[str, Any],
        attempt: int,
        rules: Rules,
        what: What,
    ) -> int | None:
        timeout = self._world.timeline.scaled(rules.timeout, floor=LEAST_TIMEOUT)
        try:
            answer = await self._client(url).post(url, json=body, timeout=timeout)
        except (httpx.HTTPError, httpx.InvalidURL):
            status = None
        else:
            status = answer.status_code
        self._note(job, url, attempt, status, what)
        return status

    def _note(
        self,
        job: Job,
        url: str,
        attempt: int,
        status: int | None,
        what: Literal["genuine", "forged", "lost"],
    ) -> None:
        now = self._world.timeline.now()
        delivery = Delivery(now, job.vendor, job.id, url, attempt, status, what)
        self._world.deliveries.append(delivery)
        if what != "forged":
            job.told.set()

    def _client(self, url: str) -> httpx.AsyncClient:
        outside = not is_private(host_of(url))
        if outside not in self._clients:
            # Redirects are not followed: no document says that they are.
            self._clients[outside] = httpx.AsyncClient(verify=tls(), trust_env=outside)
        return self._clients[outside]
