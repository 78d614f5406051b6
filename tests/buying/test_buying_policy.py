"""The table of ends, row by row: the record written, this run, and a later run."""

from __future__ import annotations

import httpx
import pytest

from prefect_videogen import errors
from prefect_videogen.buying import MOST_JOBS, VERDICTS, Buyer, Next, verdict_on, wait_for
from prefect_videogen.errors import VendorError
from prefect_videogen.fetching import fetch_clip
from prefect_videogen.waiting import Time

EVOLINK = "wan2.5-image-to-video"


class Killed(BaseException):
    """The process dies."""


async def die(_: float) -> None:
    raise Killed


def no(code: int, message: str) -> tuple[int, dict[str, object]]:
    """Say no as APIXO does."""
    return code, {"code": code, "message": message, "data": None}


async def ends(studio, key) -> list[tuple[str, str]]:
    history = await studio.records.history(key)
    return [(a.end.kind, a.end.error) if a.end else ("", a.state) for a in history.attempts]


def open_entries(tmp_path):
    return [path.name for path in (tmp_path / "media/open").rglob("*") if path.is_file()]


# -- certainly not accepted: again at once, and by a later run ------------------------------------

AGAIN = {
    "NotSent": (httpx.ConnectError("refused"), "not-sent"),
    "Throttled": (no(429, "Too many requests"), "throttled"),
    "queue-full": ((200, {"code": 429, "message": "The queue is full", "data": None}), "throttled"),
}


@pytest.mark.parametrize("name", AGAIN)
async def test_passing_no_is_tried_again_in_this_run(
    emulator, open_studio, ask, obtain, wire, tmp_path, name
):
    met, kind = AGAIN[name]
    vendors = emulator()
    studio = open_studio(vendors, transport=wire)
    request = await ask(studio)
    wire.script = [met, met]
    clip = await obtain(studio, request)
    assert clip.attempt == 3
    found = await ends(studio, request.key)
    assert [end for end, _ in found] == [kind, kind, ""]
    assert len(vendors.charges) == 1
    assert open_entries(tmp_path) == []


@pytest.mark.parametrize("name", AGAIN)
async def test_passing_no_leaves_no_claim_about_and_a_later_run_buys(
    emulator, open_studio, ask, obtain, wire, tmp_path, name
):
    met, kind = AGAIN[name]
    vendors = emulator()
    request = await ask(open_studio(vendors))
    wire.script = [met]
    dying = open_studio(vendors, transport=wire, time=Time(sleep=die))
    with pytest.raises(Killed):
        await obtain(dying, request)
    # Killed in its backoff, so nobody waits for a claim, and no slot stays taken.
    history = await dying.records.history(request.key)
    assert (history.state, history.latest.end.kind) == ("ended", kind)
    assert open_entries(tmp_path) == []
    clip = await obtain(open_studio(vendors), request)
    assert (clip.attempt, clip.how) == (2, "bought")
    assert len(vendors.charges) == 1


async def test_throttled_submissions_go_on_with_retry_after_until_patience_ends(
    emulator, open_studio, ask, obtain, hurry
):
    vendors = emulator(speed=60)
    vendors.faults.add("throttle-retry-after", times=None, seconds=20)
    studio = open_studio(vendors, time=hurry)
    request = await ask(studio)
    with pytest.raises(errors.Throttled):
        await obtain(studio, request)
    backoffs = [seconds for seconds in hurry.slept if seconds >= 20]
    assert 2 <= len(backoffs) <= 5  # 60 s of patience: 30 minutes at a speed of 60
    assert {end for end, _ in await ends(studio, request.key)} == {"throttled"}
    assert vendors.charges == []


async def test_endpoint_that_is_never_reached_ends_after_five_tries(
    emulator, open_studio, ask, obtain, wire
):
    vendors = emulator()
    studio = open_studio(vendors, transport=wire)
    request = await ask(studio)
    wire.script = [httpx.ConnectError("refused")] * 9
    with pytest.raises(errors.NotSent, match="kite"):
        await obtain(studio, request)
    assert await ends(studio, request.key) == [("not-sent", "NotSent")] * 5
    assert (await obtain(open_studio(vendors), request)).attempt == 6


async def test_long_throttled_submission_survives_a_moment_without_network(
    emulator, open_studio, ask, obtain, wire, hurry
):
    vendors = emulator()
    studio = open_studio(vendors, transport=wire, time=hurry)
    request = await ask(studio)
    wire.script = [no(429, "Too many requests")] * 5 + [httpx.ConnectError("no route")]
    assert (await obtain(studio, request)).attempt == 7


# -- a definite no: stop or fallback --------------------------------------------------------------

LASTING = {
    "ContentRefused": no(400, "CONTENT_VIOLATION: not allowed"),
    "BadParameters": no(400, "Invalid parameter: duration"),
}
MENDABLE = {
    "NoCredits": no(402, "Insufficient credits"),
    "no-credits-400": no(400, "Insufficient credits"),
    "KeyRefused": no(401, "Invalid API key"),
    "key-403": no(403, "Permission denied"),
    "ModelUnavailable": no(404, "Model not found"),
    "InputUnreachable": no(400, "INVALID_IMAGE_URL: cannot download image"),
    "Unavailable": (307, {}),
}
KINDS = {"no-credits-400": "NoCredits", "key-403": "KeyRefused"}


@pytest.mark.parametrize("name", [*LASTING, *MENDABLE])
async def test_definite_no_ends_the_attempt_and_stops_this_run(
    emulator, open_studio, ask, obtain, wire, tmp_path, name
):
    vendors = emulator()
    studio = open_studio(vendors, transport=wire)
    request = await ask(studio)
    wire.script = [{**LASTING, **MENDABLE}[name]]
    kind = KINDS.get(name, name)
    with pytest.raises(getattr(errors, kind)) as caught:
        await obtain(studio, request)
    assert caught.value.shot == "kite"
    assert caught.value.next_step
    assert caught.value.billed == "no"
    assert await ends(studio, request.key) == [("refused", kind)]
    assert len(wire.submitted) == 1
    assert open_entries(tmp_path) == []


@pytest.mark.parametrize("name", LASTING)
async def test_refused_request_is_not_sent_again_by_a_later_run(
    emulator, open_studio, ask, obtain, wire, name
):
    vendors = emulator()
    request = await ask(open_studio(vendors))
    wire.script = [LASTING[name]]
    for _ in range(2):
        with pytest.raises(errors.Refused) as caught:
            await obtain(open_studio(vendors, transport=wire), request)
        assert type(caught.value).__name__ == name
        assert caught.value.next_step
    assert len(wire.submitted) == 1
    assert vendors.charges == []


@pytest.mark.parametrize("name", MENDABLE)
async def test_mended_reason_is_bought_by_a_later_run(
    emulator, open_studio, ask, obtain, wire, name
):
    vendors = emulator()
    request = await ask(open_studio(vendors))
    wire.script = [MENDABLE[name]]
    with pytest.raises(errors.Unavailable):
        await obtain(open_studio(vendors, transport=wire), request)
    clip = await obtain(open_studio(vendors, transport=wire), request)
    assert (clip.attempt, clip.how) == (2, "bought")
    assert len(vendors.charges) == 1


# -- a job that failed ----------------------------------------------------------------------------


async def test_failed_job_is_recorded_and_never_bought_again_by_itself(
    emulator, open_studio, ask, obtain
):
    vendors = emulator()
    request = await ask(open_studio(vendors), prompt="a kite [fail:GENERATION_FAILED]")
    for _ in range(2):
        with pytest.raises(errors.JobFailed) as caught:
            await obtain(open_studio(vendors), request)
        assert caught.value.job_id == vendors.jobs[0].id
        assert not caught.value.transient
    assert await ends(open_studio(vendors), request.key) == [("failed", "JobFailed")]
    assert len(vendors.charges) == 1


async def test_job_that_breaks_content_rules_is_recorded_and_never_bought_again(
    emulator, open_studio, ask, obtain
):
    vendors = emulator()
    request = await ask(open_studio(vendors), prompt="a kite [violation]")
    for _ in range(2):
        with pytest.raises(errors.ContentRefused):
            await obtain(open_studio(vendors), request)
    assert await ends(open_studio(vendors), request.key) == [("failed", "ContentRefused")]
    assert len(vendors.charges) == 1


async def test_job_that_failed_for_a_passing_reason_is_bought_again(
    emulator, open_studio, ask, obtain, tmp_path
):
    vendors = emulator()
    vendors.faults.add("job-fails", times=1)
    request = await ask(open_studio(vendors))
    with pytest.raises(errors.JobFailed) as caught:
        await obtain(open_studio(vendors), request)
    assert caught.value.transient
    assert open_entries(tmp_path) == []
    clip = await obtain(open_studio(vendors), request)
    assert clip.attempt == 2
    assert len(vendors.charges) == 2


async def test_three_jobs_at_most_are_bought_for_one_key(emulator, open_studio, ask, obtain):
    vendors = emulator()
    vendors.faults.add("job-fails", times=None)
    request = await ask(open_studio(vendors))
    for _ in range(MOST_JOBS):
        with pytest.raises(errors.JobFailed):
            await obtain(open_studio(vendors), request)
    for _ in range(2):
        with pytest.raises(errors.JobFailed, match="no more are bought") as caught:
            await obtain(open_studio(vendors), request)
        assert not caught.value.transient
    assert len(vendors.charges) == MOST_JOBS


async def test_refused_submissions_do_not_count_as_jobs(emulator, open_studio, ask, obtain, wire):
    vendors = emulator()
    wire.script = [no(429, "Too many requests")] * 5
    request = await ask(open_studio(vendors))
    clip = await obtain(open_studio(vendors, transport=wire), request)
    assert (clip.attempt, clip.how) == (6, "bought")


# -- a result that expired ------------------------------------------------------------------------


async def test_expired_result_stops_and_is_bought_again_only_when_told(
    emulator, open_studio, ask, obtain, hurry
):
    vendors = emulator()
    request = await ask(open_studio(vendors))
    studio = open_studio(vendors, time=hurry)
    async with studio:
        job = await wait_for(studio, await Buyer(studio, request).buy())
        vendors.faults.add("result-expired")
        hurry.ahead += 15 * 86_400
        with pytest.raises(errors.ResultExpired) as caught:
            await fetch_clip(studio, job)
    assert caught.value.billed == "yes"
    assert "rebuy" in caught.value.next_step
    assert await ends(studio, request.key) == [("expired", "ResultExpired")]

    with pytest.raises(errors.ResultExpired, match="rebuy"):
        await obtain(open_studio(vendors), request)
    assert len(vendors.charges) == 1
    clip = await obtain(open_studio(vendors), request, on_expired="rebuy")
    assert (clip.attempt, clip.how) == (2, "bought")
    assert len(vendors.charges) == 2


# -- the table itself -----------------------------------------------------------------------------


def concrete(kind: type[VendorError]) -> set[type[VendorError]]:
    found = {kind}
    for below in kind.__subclasses__():
        found |= concrete(below)
    return found


def test_every_row_of_the_table_is_tested_here():
    tested = {*AGAIN, *LASTING, *MENDABLE} | {"SubmissionUnknown", "JobFailed", "ResultExpired"}
    assert {kind.__name__ for kind in VERDICTS} <= tested


@pytest.mark.parametrize("kind", sorted(concrete(VendorError), key=str))
def test_error_without_a_row_of_its_own_buys_nothing_again(kind):
    verdict = verdict_on(kind("something"))
    if verdict.now is Next.AGAIN:
        assert kind in {errors.NotSent, errors.Throttled}
    if kind not in VERDICTS:
        assert (verdict.end, verdict.now, verdict.later) == (None, Next.UNKNOWN, Next.UNKNOWN)


def test_only_transient_job_failures_are_tried_again():
    assert verdict_on(errors.JobFailed("x", transient=True)).later is Next.AGAIN
    assert verdict_on(errors.JobFailed("x")).later is Next.STOP
