"""Buying a clip once, whatever dies when.

The records decide: a stored clip is used, a ready one fetched, a submitted one waited for. Only
then is an attempt claimed, and the claim is the last thing before the POST. A claim without a job
id is never simply repeated: who meets one waits its window out and calls the outcome unknown.
"""

from __future__ import annotations

import logging
import uuid
from contextlib import suppress
from dataclasses import dataclass

from prefect_videogen.buying.body import RequestBody
from prefect_videogen.buying.lasting import end_own, record_accepted, to_the_end, written
from prefect_videogen.buying.places import Places
from prefect_videogen.buying.policy import (
    MOST_JOBS,
    Next,
    end_of,
    error_of,
    verdict_on,
    verdict_on_end,
)
from prefect_videogen.buying.request import ClipRequest, How, Job, OnExpired, OnUnknown
from prefect_videogen.buying.unknown import UnknownSubmission
from prefect_videogen.errors import (
    BudgetExceeded,
    JobFailed,
    NotSent,
    RecordError,
    SubmissionUnknown,
    Throttled,
    VendorError,
    how_to_settle,
)
from prefect_videogen.plan import PlannedClip
from prefect_videogen.progress import tell
from prefect_videogen.records import Attempt, Claimed, End, History
from prefect_videogen.reserving import Purse
from prefect_videogen.studio import OpenStudio
from prefect_videogen.vendors import Submitted as Accepted
from prefect_videogen.waiting import fair_interval

logger = logging.getLogger(__name__)

WINDOW = 120.0
"""Seconds a claim holds; its owner sends within the first half or not at all."""

AFTER_WINDOW = 30.0
"""Seconds more that somebody else waits before calling the outcome unknown."""

SHORTEST_WINDOW = 4.0
REPEAT_AFTER = 60.0
UNSENT_TRIES = 5
SHORTEST_BACKOFF = 0.25
PATIENCE = 1800.0
"""Seconds for which a throttled submission is tried again."""


def window_of(speed: float) -> float:
    """Seconds that a claim holds at a vendor of some speed."""
    return max(WINDOW / speed, SHORTEST_WINDOW)


def undecided_within(speed: float) -> float:
    """Seconds after which an open entry that nobody has claimed for is nobody's."""
    return window_of(speed) + max(AFTER_WINDOW / speed, 1.0)


@dataclass
class Buyer:
    """Buys one clip for one request.

    Attributes:
        studio: The open studio.
        request: What is asked for.
        on_unknown: What to do about an earlier submission whose outcome is unknown.
        on_expired: What to do about a bought clip whose result has expired.
        may_buy: Whether a new purchase is allowed at all.
        purse: What pays for it, if a limit is set.
    """

    studio: OpenStudio
    request: ClipRequest
    on_unknown: OnUnknown = "stop"
    on_expired: OnExpired = "stop"
    may_buy: bool = True
    purse: Purse | None = None

    def __post_init__(self) -> None:
        """Look up what every step needs."""
        self.clip: PlannedClip = self.request.clip
        self.key = self.request.key
        self.records = self.studio.records
        self.time = self.studio.time
        self.account = self.studio.account(self.clip.vendor)
        self.model = self.studio.model(self.clip)
        self._window = window_of(self.account.speed)
        undecided = undecided_within(self.account.speed)
        self._places = Places(self.studio, self.model, undecided=undecided)
        self._body = RequestBody(self.studio, self.request)
        self._tries = 0
        self._unsent = 0
        self._throttled_until: float | None = None

    async def buy(self) -> Job:
        """Return the clip's job: an earlier one if there is one, else a newly bought one.

        Raises:
            VendorError: What the vendor said, or `SubmissionUnknown`; names the shot.
            RecordError: If the media store does not answer as it must; nothing is bought then.
        """
        try:
            return await self._buy()
        except BaseException as error:
            await self.studio.give_back(self.key)
            if isinstance(error, VendorError):
                error.for_shot(self.clip.shot)
            raise

    async def _buy(self) -> Job:
        while True:
            history = await self.records.history(self.key)
            job = self._job_in(history)
            if job:
                await self.records.note_run(self.studio.run, self.key, job.attempt)
                if job.how != "bought":
                    logger.info("Shot %s: job %s is %s", job.shot, job.job_id, job.how)
                return job
            latest = history.latest
            if latest is None:
                number = 1
            elif latest.state == "claimed":
                await self._meet_claim(latest)
                continue
            else:
                number = self._after_end(history, latest)
            job = await self._attempt(number, history)
            if job:
                return job

    # -- what is there already ----------------------------------------------------------------

    def _job_in(self, history: History) -> Job | None:
        """The job to go on with, if the records hold one."""
        attempt = history.stored or history.latest
        if attempt is None or attempt.submitted is None:
            return None
        if attempt.state == "stored":
            return self._job(attempt, "reused")
        return self._job(attempt, "resumed") if attempt.end is None else None

    def _job(self, attempt: Attempt, how: How) -> Job:
        submitted = attempt.submitted
        if submitted is None or attempt.state not in {"submitted", "ready", "stored"}:
            message = f"attempt {attempt.number} of {self.key} has no job"
            raise ValueError(message)
        return Job(
            shot=self.clip.shot,
            key=self.key,
            attempt=attempt.number,
            vendor=self.clip.vendor,
            model=self.clip.model,
            mode=self.clip.mode,
            job_id=submitted.job_id,
            state="stored" if attempt.stored else "ready" if attempt.ready else "submitted",
            how=how,
            submitted_at=submitted.at,
            expected=self.clip.expected,
        )

    def _after_end(self, history: History, latest: Attempt) -> int:
        """The number of the next attempt, or the recorded reason why there is none."""
        end = latest.end
        if end is None:
            message = f"attempt {latest.number} of {self.key} has not ended"
            raise ValueError(message)
        verdict = verdict_on_end(end).later
        error = error_of(end, self.clip.shot)
        untold = verdict is Next.IF_TOLD and self.on_expired != "rebuy"
        if untold or verdict in {Next.STOP, Next.FALLBACK}:
            raise error
        if history.jobs >= MOST_JOBS and end.kind == "failed":
            message = f"{history.jobs} jobs have failed ({error.message}); no more are bought"
            raise JobFailed(
                message,
                vendor=error.vendor,
                code=error.code,
                job_id=end.job_id,
                next_step="Change the shot, or raise its take to try again.",
            )
        return latest.number + 1

    async def _meet_claim(self, found: Attempt) -> None:
        """Wait a foreign claim's window out; return when its outcome is recorded."""
        claimed = found.claimed
        if claimed is None:
            message = f"attempt {found.number} of {self.key} is not claimed"
            raise ValueError(message)
        window = claimed.window + max(AFTER_WINDOW / self.account.speed, 1.0)
        tell(self.clip.shot, "waiting", "an earlier submission is being settled", (0, window))
        deadline = self.time.monotonic() + window
        while self.time.monotonic() < deadline:
            await self.time.sleep(min(window / 20, 2.0))
            now = await self.records.attempt(self.key, found.number)
            if now is not None and now.state != "claimed":
                return
        await self._settle_unknown(found.number, claimed)

    async def _settle_unknown(self, number: int, claimed: Claimed) -> None:
        """Settle a submission whose answer nobody has, or raise `SubmissionUnknown`."""
        if await self._settled(number, claimed):
            return
        # What this very run could not settle is a later one's to decide: a run that slept wakes as
        # the owner that it was, while one that is retried or started again is another.
        ours = claimed.owner.startswith(f"{self.studio.owner}-")
        if self.on_unknown == "resubmit" and not ours and not await self._is_repeated(number):
            self._check_cap()  # what could not be bought again is not given up
            logger.warning(
                "Shot %s: attempt %s is given up as unknown; it may have been billed",
                self.clip.shot,
                number,
            )
            message = "given up by on_unknown=resubmit; the job may exist and be billed"
            end = End(at=self.time.now(), kind="abandoned", message=message, billed="unknown")
            await self.records.end(self.key, number, end)
            await self._close(number)
            return
        raise self._unknown()

    async def _is_repeated(self, number: int) -> bool:
        """Whether somebody has sent the bytes again so lately that an answer may still come."""
        repeated = await self.records.repetition(self.key, number)
        if repeated is None:
            return False
        return self.time.now() < repeated.at + undecided_within(self.account.speed)

    async def _settled(self, number: int, claimed: Claimed) -> bool:
        unknown = UnknownSubmission(self.studio, self.model, self.key, number, claimed)
        return await unknown.settle()

    def _unknown(self, reason: str = "an earlier submission got no answer") -> SubmissionUnknown:
        message = f"{reason}, so whether {self.clip.model} made this clip is not known"
        return SubmissionUnknown(
            message,
            vendor=self.model.vendor,
            shot=self.clip.shot,
            next_step=(
                f"Nothing is bought again by itself. {how_to_settle(self.key)}; or run again with "
                "on_unknown=resubmit (`--on-unknown resubmit`) to buy it once more."
            ),
        )

    # -- a new attempt ------------------------------------------------------------------------

    async def _attempt(self, number: int, history: History) -> Job | None:
        """Claim and send the attempt after a history; None to look at the records again."""
        self._check_cap()
        tell(self.clip.shot, "buying", self.clip.model)
        await self.studio.take_slot(self.key, self.model)
        if self.purse:
            await self.purse.cover(self.studio, history)
        body = await self._body.written(number)
        await self.records.describe(self.key, self._body.described())
        await self.studio.client(self.clip.vendor)  # what can't be opened must leave no claim
        async with self.studio.sending(self.model):
            return await self._claim_and_send(number, body)

    def _check_cap(self) -> None:
        if not self.may_buy:
            message = "has to be bought, but no more purchases are allowed in this run"
            step = "Raise max_new_clips, or run again."
            raise BudgetExceeded(message, shot=self.clip.shot, next_step=step)

    async def _claim_and_send(self, number: int, body: bytes) -> Job | None:
        opened = await self._take_place(number)
        if opened is None:
            return None
        claimed = Claimed(
            at=self.time.now(),
            # Not the studio's alone: two shots of one film may ask for the very same clip.
            owner=f"{self.studio.owner}-{uuid.uuid4().hex}",
            run=self.studio.run,
            shot=self.clip.shot,
            vendor=self.clip.vendor,
            model=self.clip.model,
            base_url=self.account.base_url,
            body=body.decode(),
            idempotency_key=f"videogen-{self.key[:48]}-{number}",
            window=self._window,
        )
        try:
            await self.records.note_run(self.studio.run, self.key, number)
            won = await to_the_end(self.records.claim(self.key, number, claimed))
        except BaseException:
            await self._take_back(number, claimed, opened)
            await self._places.leave(self.key, number)
            raise
        if not won:
            await self._lost(number)
            return None
        return await self._send(number, claimed, opened)

    async def _take_place(self, number: int) -> float | None:
        """Enter the job into the running ones; gives the moment, or None to look again."""
        while True:
            await self.studio.pace(self.model).turn()
            opened = self.time.monotonic()
            met = await self._places.enter(self.key, number)
            if met == "entered":
                return opened
            if met == "taken":
                await self.time.sleep(min(self._window / 20, 2.0))
                return None
            tell(self.clip.shot, "waiting", f"{self.clip.model} has no room for another job")
            await self._places.wait(self.key)

    async def _take_back(self, number: int, claimed: Claimed, opened: float) -> None:
        """End a claim of ours that nothing follows, if it was written after all."""
        message = "the run was stopped, or the media store was away; nothing was sent"
        end = end_of(NotSent(message), "not-sent", self.time.now())
        with suppress(RecordError):  # whoever meets it then calls it unknown
            found = await self.records.attempt(self.key, number)
            if found is not None and found.claimed and found.claimed.owner == claimed.owner:
                await self._end(number, claimed, end, opened)

    async def _end(self, number: int, claimed: Claimed, end: End, opened: float) -> bool:
        """End an attempt of ours; False if others may have taken it over."""
        late = self.time.monotonic() >= opened + self._window
        return await end_own(self.studio, self.key, number, claimed, end, late=late)

    async def _lost(self, number: int) -> None:
        """Take our open entry back if the winner's job ended before we wrote it."""
        winner = await self.records.attempt(self.key, number)
        if winner is not None and winner.state in {"ready", "stored", "ended"}:
            await self._close(number)

    async def _send(self, number: int, claimed: Claimed, opened: float) -> Job | None:
        try:
            job_id = await to_the_end(self._post_and_record(number, claimed, opened))
        except SubmissionUnknown as error:
            if self.model.vendor == "evolink":
                await self.time.sleep(REPEAT_AFTER / self.account.speed)
                if await self._settled(number, claimed):
                    return None
            unknown = self._unknown(error.message)
            unknown.status, unknown.code = error.status, error.code
            unknown.job_id = error.job_id
            raise unknown from None
        except VendorError as error:
            await self._after_no(error)
            return None
        attempt = await self.records.attempt(self.key, number)
        if job_id is None or attempt is None:
            return None
        if attempt.state == "ended":
            if attempt.end and attempt.end.kind == "abandoned":
                text = "Shot %s: attempt %s had been given up, yet it is job %s now: it was paid"
                logger.warning(text, self.clip.shot, number, job_id)
            return None
        job = self._job(attempt, "bought")
        logger.info("Shot %s: %s accepted it as job %s", job.shot, job.model, job.job_id)
        return job

    async def _post_and_record(self, number: int, claimed: Claimed, opened: float) -> str | None:
        """Send the claim's bytes, and write down the answer: a job, or a definite no.

        Returns:
            The job's id; None if others have taken the attempt over, so that a no counts nothing.
        """
        try:
            if self.time.monotonic() > opened + self._window / 2:
                message = "the claim took too long to write; nothing was sent"
                raise NotSent(message, vendor=self.model.vendor)
            accepted = await self._post(claimed.body.encode(), claimed.idempotency_key)
        except VendorError as error:
            if await self._end_attempt(number, claimed, error, opened):
                raise
            return None
        await record_accepted(self.studio, self.key, number, accepted.job_id, accepted.answer)
        return accepted.job_id

    async def _post(self, body: bytes, idempotency_key: str) -> Accepted:
        client = await self.studio.client(self.clip.vendor)
        self.studio.count_request(self.key)
        return await client.submit(self.model, body, idempotency_key=idempotency_key)

    async def _end_attempt(
        self, number: int, claimed: Claimed, error: VendorError, opened: float
    ) -> bool:
        """End an attempt that was certainly not accepted; False if others have taken it over."""
        kind = verdict_on(error).end
        if kind is None:
            return True
        end = end_of(error, kind, self.time.now())
        what = f"{self.key[:12]}: that nothing was accepted"
        ended = await written(lambda: self._end(number, claimed, end, opened), what, self.time)
        if ended:
            await self._close(number)
        return ended

    async def _after_no(self, error: VendorError) -> None:
        """Raise what the vendor said; return if this run tries again."""
        verdict = verdict_on(error)
        if verdict.end is None:
            raise self._unknown(error.message) from None
        if verdict.now is not Next.AGAIN:
            raise error
        await self._back_off(error)

    async def _back_off(self, error: VendorError) -> None:
        self._tries += 1
        speed = self.account.speed
        if isinstance(error, Throttled):
            now = self.time.monotonic()
            if self._throttled_until is None:
                self._throttled_until = now + max(PATIENCE / speed, 60.0)
            delay = error.retry_after
            if delay is None:
                delay = min(5 * 1.5 ** (self._tries - 1), 60) / speed
            if now + delay > self._throttled_until:
                raise error
            self.studio.pace(self.model).slow_down(delay)
            # A slot's requests keep an interval apart, or all slots' together could be too many.
            delay = max(delay, SHORTEST_BACKOFF, fair_interval(self.model) / speed)
        else:
            self._unsent += 1
            if self._unsent >= UNSENT_TRIES:
                raise error
            delay = min(2.0 ** (self._unsent - 1), 15.0) / speed
        delay += delay * 0.2 * self.time.chance()
        logger.warning(
            "Shot %s: try %s: %s; next in %.1f s", self.clip.shot, self._tries, error.message, delay
        )
        await self.time.sleep(delay)

    async def _close(self, number: int) -> None:
        await self.records.close(self.clip.vendor, self.clip.model, self.key, number)
