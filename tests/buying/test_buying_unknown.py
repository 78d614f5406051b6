"""Submissions whose outcome nobody knows: never simply repeated."""

from __future__ import annotations

import json

import httpx
import pytest

from prefect_videogen import errors
from prefect_videogen.buying import Buyer
from prefect_videogen.buying.lasting import record_accepted
from prefect_videogen.records import Claimed

EVOLINK = "wan2.5-image-to-video"


async def claim_and_die(studio, request, *, at: float | None = None, body=None) -> None:
    """Leave a claim without a job id, as a process does that is killed before its POST."""
    claimed = Claimed(
        at=studio.time.now() if at is None else at,
        owner="somebody who died",
        shot="kite",
        vendor=request.clip.vendor,
        model=request.clip.model,
        base_url="http://127.0.0.1",
        body=json.dumps(body or {"model": request.clip.model, "prompt": "a kite"}),
        idempotency_key=f"videogen-{request.key[:48]}-1",
        window=4,
    )
    assert await studio.records.claim(request.key, 1, claimed)


@pytest.mark.parametrize(
    "fault",
    ["drop-after-accept", "502-after-accept", "504-after-accept", "malformed-json", "foreign-json"],
)
async def test_lost_answer_at_apixo_is_unknown_in_this_run_and_later(
    emulator, open_studio, ask, obtain, hurry, fault
):
    vendors = emulator()
    vendors.faults.add(fault, at="submit")
    request = await ask(open_studio(vendors))
    with pytest.raises(errors.SubmissionUnknown) as caught:
        await obtain(open_studio(vendors, time=hurry), request)
    assert (caught.value.billed, caught.value.shot) == ("unknown", "kite")
    assert "on_unknown=resubmit" in caught.value.next_step
    assert hurry.ahead == 0

    with pytest.raises(errors.SubmissionUnknown):
        await obtain(open_studio(vendors, time=hurry), request)
    history = await open_studio(vendors).records.history(request.key)
    assert [attempt.state for attempt in history.attempts] == ["claimed"]
    assert len(vendors.charges) == 1


async def test_claim_met_is_waited_out_by_a_whole_window_and_more(
    emulator, open_studio, ask, obtain, hurry
):
    vendors = emulator(speed=1)
    studio = open_studio(vendors, time=hurry)
    request = await ask(studio)
    await claim_and_die(studio, request)
    begin = hurry.ahead
    with pytest.raises(errors.SubmissionUnknown):
        await obtain(studio, request)
    waited = hurry.ahead - begin
    assert 4 + 30 - 0.01 <= waited <= 4 + 30 + 2.5  # its own window, then 30 s
    assert vendors.requests == []


async def test_old_claim_is_waited_out_too_since_no_clock_but_ones_own_counts(
    emulator, open_studio, ask, obtain, hurry
):
    vendors = emulator()
    studio = open_studio(vendors, time=hurry)
    request = await ask(studio)
    await claim_and_die(studio, request, at=1.0)
    with pytest.raises(errors.SubmissionUnknown):
        await obtain(studio, request)
    assert hurry.ahead >= 4


async def test_claim_settled_while_it_is_waited_for_is_resumed(emulator, open_studio, ask, obtain):
    vendors = emulator()
    request = await ask(open_studio(vendors))
    owner = open_studio(vendors)
    client = await owner.client("apixo")
    await claim_and_die(owner, request)

    async with owner:
        buyer = Buyer(owner, request)
        accepted = await client.submit(owner.model(request.clip), await buyer._body.written(1))

        class Settle:
            async def __call__(self, seconds: float) -> None:
                answer = accepted.answer
                await record_accepted(owner, request.key, 1, accepted.job_id, answer)

        rival = open_studio(vendors)
        rival.time.sleep = Settle()
        job = await Buyer(rival, request).buy()
    assert (job.how, job.attempt, job.job_id) == ("resumed", 1, accepted.job_id)
    assert len(vendors.charges) == 1


async def test_resubmit_abandons_the_unknown_attempt_and_buys_once_more(
    emulator, open_studio, ask, obtain, hurry, tmp_path
):
    vendors = emulator()
    vendors.faults.add("drop-after-accept")
    request = await ask(open_studio(vendors))
    studio = open_studio(vendors, time=hurry)
    with pytest.raises(errors.SubmissionUnknown):
        await obtain(studio, request, on_unknown="resubmit")  # only the next run may
    assert len(vendors.charges) == 1

    clip = await obtain(open_studio(vendors, time=hurry), request, on_unknown="resubmit")
    assert (clip.attempt, clip.how) == (2, "bought")
    assert len(vendors.charges) == 2
    history = await studio.records.history(request.key)
    end = history.attempts[0].end
    assert (end.kind, end.billed) == ("abandoned", "unknown")
    assert not [path for path in (tmp_path / "media/open").rglob("*") if path.is_file()]
    again = await obtain(open_studio(vendors), request, on_unknown="resubmit")
    assert again.how == "reused"
    assert len(vendors.charges) == 2


async def test_run_that_may_buy_no_more_does_not_give_an_unknown_attempt_up(
    emulator, open_studio, ask, obtain, hurry
):
    vendors = emulator()
    vendors.faults.add("drop-after-accept")
    request = await ask(open_studio(vendors))
    with pytest.raises(errors.SubmissionUnknown):
        await obtain(open_studio(vendors, time=hurry), request)
    with pytest.raises(errors.BudgetExceeded):
        await obtain(
            open_studio(vendors, time=hurry), request, on_unknown="resubmit", may_buy=False
        )
    history = await open_studio(vendors).records.history(request.key)
    assert [attempt.state for attempt in history.attempts] == ["claimed"]


async def test_run_that_wakes_again_does_not_resubmit_what_it_could_not_settle_itself(
    emulator, open_studio, ask, obtain, hurry
):
    vendors = emulator()
    vendors.faults.add("drop-after-accept")
    request = await ask(open_studio(vendors))
    for _ in range(2):
        studio = open_studio(vendors, time=hurry, run="run-1", owner="sleeper")
        with pytest.raises(errors.SubmissionUnknown):
            await obtain(studio, request, on_unknown="resubmit")
    assert len(vendors.charges) == 1
    retried = open_studio(vendors, time=hurry, run="run-1")
    assert (await obtain(retried, request, on_unknown="resubmit")).attempt == 2


LOST = ["drop-after-accept", "502-after-accept", "paid-outcome-unknown"]
NEVER_ARRIVED = httpx.ReadError("reset")


@pytest.mark.parametrize("replay", [True, False], ids=["replay", "no-replay"])
@pytest.mark.parametrize("fault", LOST)
async def test_lost_answer_at_evolink_is_found_in_its_list_and_not_sent_again(
    emulator, open_studio, ask, obtain, hurry, wire, stills, fault, replay
):
    vendors = emulator(replay=replay)
    vendors.faults.add(fault, at="submit")
    studio = open_studio(vendors, time=hurry, transport=wire)
    request = await ask(studio, model=EVOLINK, first_frame=stills["sky"])
    clip = await obtain(studio, request)
    assert clip.attempt == 1
    assert len(vendors.charges) == len(wire.submitted) == 1


async def test_submission_lost_on_its_way_to_evolink_is_repeated_with_the_same_key_and_bytes(
    emulator, open_studio, ask, obtain, hurry, wire, stills
):
    vendors = emulator()
    wire.script = [NEVER_ARRIVED]
    studio = open_studio(vendors, time=hurry, transport=wire)
    request = await ask(studio, model=EVOLINK, first_frame=stills["sky"])
    clip = await obtain(studio, request)
    assert clip.attempt == 1
    assert len(vendors.charges) == 1
    first, second = wire.submitted
    assert first == second
    assert first[0].startswith("videogen-")


async def test_repeat_is_sent_once_by_all_runs_together(
    emulator, open_studio, ask, obtain, hurry, wire, stills
):
    vendors = emulator()
    wire.script = [NEVER_ARRIVED] * 9
    request = await ask(open_studio(vendors), model=EVOLINK, first_frame=stills["sky"])
    for _ in range(3):
        with pytest.raises(errors.SubmissionUnknown):
            await obtain(open_studio(vendors, time=hurry, transport=wire), request)
    assert len(wire.submitted) == 2
    assert vendors.charges == []


async def test_claim_of_a_dead_process_at_evolink_is_settled_by_a_later_run(
    emulator, open_studio, ask, hurry, wire, stills
):
    vendors = emulator()
    studio = open_studio(vendors, time=hurry, transport=wire)
    request = await ask(studio, model=EVOLINK, first_frame=stills["sky"])
    body = {"model": EVOLINK, "prompt": "a kite", "image_urls": [f"{vendors.media_url}/x.png"]}
    await claim_and_die(studio, request, body=body)
    async with studio:
        job = await Buyer(studio, request).buy()
    assert (job.attempt, job.how) == (1, "resumed")
    assert len(vendors.charges) == 1
    assert [json.loads(sent) for _, sent in wire.submitted] == [body]


async def test_claim_older_than_ten_minutes_at_evolink_is_not_repeated(
    emulator, open_studio, ask, obtain, hurry, wire, stills
):
    vendors = emulator(speed=1)
    studio = open_studio(vendors, time=hurry, transport=wire)
    request = await ask(studio, model=EVOLINK, first_frame=stills["sky"])
    await claim_and_die(studio, request, at=hurry.now() - 600)
    with pytest.raises(errors.SubmissionUnknown):
        await obtain(studio, request)
    assert wire.submitted == []


async def test_two_strangers_in_evolinks_list_settle_nothing(
    emulator, open_studio, ask, obtain, hurry, wire, stills
):
    vendors = emulator()
    studio = open_studio(vendors, time=hurry, transport=wire)
    request = await ask(studio, model=EVOLINK, first_frame=stills["sky"])
    async with open_studio(vendors) as elsewhere:
        client = await elsewhere.client("evolink")
        foreign = json.dumps({"model": EVOLINK, "prompt": "x", "image_urls": ["http://x.example"]})
        await client.submit(elsewhere.model_named(EVOLINK), foreign.encode())
    vendors.faults.add("drop-after-accept")
    with pytest.raises(errors.SubmissionUnknown):
        await obtain(studio, request)
    assert len(wire.submitted) == 1
    assert len(vendors.charges) == 2


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "content_policy_violation"),
        (401, "unauthorized"),
        (402, "insufficient_quota"),
        (404, "model_not_found"),
        (409, "idempotency_conflict"),
        (429, "rate_limit_exceeded"),
        (503, "service_unavailable"),
    ],
)
async def test_no_to_a_repeat_settles_nothing(
    emulator, open_studio, ask, obtain, hurry, wire, stills, status, code
):
    """An account that was emptied by the first POST must not make it look refused."""
    vendors = emulator()
    no = {"error": {"code": code, "message": "No", "type": "x"}}
    wire.script = [NEVER_ARRIVED, (status, no)]
    studio = open_studio(vendors, time=hurry, transport=wire)
    request = await ask(studio, model=EVOLINK, first_frame=stills["sky"])
    with pytest.raises(errors.SubmissionUnknown):
        await obtain(studio, request)
    history = await studio.records.history(request.key)
    assert [attempt.state for attempt in history.attempts] == ["claimed"]
    assert len(wire.submitted) == 2
