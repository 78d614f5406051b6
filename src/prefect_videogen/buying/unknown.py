"""Finding out what became of a submission whose answer nobody has, where a vendor lets us.

EvoLink has a list of tasks and an idempotency key; neither is guaranteed by its documents. So the
list comes first: one stranger in it is our job; none means that nothing was accepted, and the
very bytes are sent again under the same key, once; anything else stays unknown.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from prefect_videogen.buying.lasting import record_accepted, to_the_end
from prefect_videogen.capabilities import Model
from prefect_videogen.errors import VendorError
from prefect_videogen.records import Claimed, Repeated
from prefect_videogen.studio import OpenStudio
from prefect_videogen.vendors import EvolinkClient, TaskSummary
from prefect_videogen.vendors.evolink import PAGE_SIZE

logger = logging.getLogger(__name__)

REPEATABLE = 600.0
"""Seconds after the claim in which EvoLink's idempotency key is trusted."""

SHORTEST_REPEATABLE = 60.0
SKEW = 10.0
"""Seconds by which the vendor's clock may differ from ours, to take a job of the list for ours."""

FAR_OFF = 600.0
"""Seconds by which it may differ, to send again since no job in the list is ours."""


@dataclass(frozen=True)
class UnknownSubmission:
    """A claim without a job id, whose window is over.

    Attributes:
        studio: The open studio.
        model: The model that was asked.
        key: Key of the clip.
        number: Number of the attempt.
        claimed: The claim.
    """

    studio: OpenStudio
    model: Model
    key: str
    number: int
    claimed: Claimed

    async def settle(self) -> bool:
        """Settle it if that is safe; what was found is recorded.

        Returns:
            Whether it is settled: the records then hold the job.

        Raises:
            RecordError: If the media store does not answer as it must.
        """
        client = await self.studio.client(self.model.vendor)
        speed = self.studio.account(self.model.vendor).speed
        age = self.studio.time.now() - self.claimed.at
        too_late = age > max(REPEATABLE / speed, SHORTEST_REPEATABLE)
        if too_late or not isinstance(client, EvolinkClient):
            return False
        if not await self._is_open():
            return True
        try:
            listed = await client.list_tasks(self.model.id)
            strangers = await self._strangers(listed, SKEW)
            if len(strangers) == 1 and await self._is_only_open_claim():
                await self._adopt(client, strangers[0])
                return True
            if strangers or not await self._is_nowhere(listed):
                return False
            return not await self._is_open() or await self._repeat(client)
        except VendorError as error:
            # A no to the second question says nothing about the first one.
            logger.warning("Attempt %s of %.12s stays unknown: %s", self.number, self.key, error)
            return False

    async def _is_open(self) -> bool:
        """Whether nobody else has settled it: whoever was held up may come late."""
        now = await self.studio.records.attempt(self.key, self.number)
        return now is not None and now.state == "claimed"

    async def _is_nowhere(self, listed: list[TaskSummary]) -> bool:
        """Whether the list proves that nothing was accepted, even if our clock is far off."""
        if await self._strangers(listed, FAR_OFF):
            return False
        if len(listed) < PAGE_SIZE:
            return True
        begun = [task.created_at for task in listed if task.created_at is not None]
        return bool(begun) and min(begun) < self.claimed.at - FAR_OFF

    async def _strangers(self, listed: list[TaskSummary], skew: float) -> list[TaskSummary]:
        """Tasks of the model from the time of the claim that no record knows."""
        first, last = self.claimed.at - skew, self.claimed.at + self.claimed.window + skew
        recent = [t for t in listed if t.created_at is None or first <= t.created_at <= last]
        known = await self.studio.records.job_ids() if recent else frozenset()
        return [task for task in recent if task.job_id not in known]

    async def _is_only_open_claim(self) -> bool:
        """Whether no other claim of this model could have made the stranger."""
        prefix = f"open/{self.claimed.vendor}/{self.claimed.model}"
        for entry in await self.studio.store.list(prefix):
            key, _, number = entry.rpartition("/")[2].rpartition("-")
            if (key, number) == (self.key, str(self.number)):
                continue
            attempt = await self.studio.records.attempt(key, int(number))
            if attempt is not None and attempt.state == "claimed":
                return False
        return True

    async def _adopt(self, client: EvolinkClient, task: TaskSummary) -> None:
        await client.status(self.model.id, task.job_id)
        logger.warning(
            "Shot %s: found job %s in EvoLink's list; it is taken for the one whose answer was "
            "lost, being the only one of that time that no record knows",
            self.claimed.shot,
            task.job_id,
        )
        await self._record(task.job_id, {"found": "in the list of tasks"})

    async def _repeat(self, client: EvolinkClient) -> bool:
        """Send the claim's exact bytes again under its key: once, by whoever comes first."""
        mark = Repeated(at=self.studio.time.now(), owner=self.studio.owner)
        if not await self.studio.records.repeated(self.key, self.number, mark):
            return False
        if not await self._is_open():
            return True
        logger.info("Shot %s: asking again under the same idempotency key", self.claimed.shot)
        await to_the_end(self._send_again(client))
        return True

    async def _send_again(self, client: EvolinkClient) -> None:
        accepted = await client.submit(
            self.model,
            self.claimed.body.encode(),
            idempotency_key=self.claimed.idempotency_key,
        )
        await self._record(accepted.job_id, accepted.answer)

    async def _record(self, job_id: str, answer: dict[str, object]) -> None:
        await record_accepted(self.studio, self.key, self.number, job_id, answer)
