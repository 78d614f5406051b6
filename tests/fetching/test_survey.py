"""What is read before a run: frames that are handed over, footage, music, and earlier films."""

from __future__ import annotations

import io
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.conftest import SCHEDULED

from prefect_videogen.buying import Buyer, wait_for
from prefect_videogen.errors import StoryboardError
from prefect_videogen.fetching import fetch_clip
from prefect_videogen.forecasting import forecast
from prefect_videogen.inspecting import inspect_board
from prefect_videogen.media import VideoWriter
from prefect_videogen.pictures import publish
from prefect_videogen.plan import Price
from prefect_videogen.records import Claimed
from prefect_videogen.references import Folder
from prefect_videogen.storyboard import FilmOptions, Lora, Shot, Storyboard, read_storyboard
from prefect_videogen.studio import OpenStudio
from prefect_videogen.survey import Board, load_board, shareable, standalone, survey

PRICES = (Price(model="wan-2-5", amount=Decimal(1), per="clip"),)


@pytest.fixture
async def studio(emulator, open_studio, ask):
    """A studio in which the shot `kite` is bought and stored."""
    opened = open_studio(emulator(), prices=PRICES)
    async with opened as place:
        request = await ask(place)
        await fetch_clip(place, await wait_for(place, await Buyer(place, request).buy()))
        yield place


def flight(**kite) -> Storyboard:
    """The stored shot, trimmed or not, and one chained to it."""
    return Storyboard(
        title="Flight",
        model="wan-2-5",
        shots=[
            Shot(id="kite", prompt="a kite", **kite),
            Shot(id="on", prompt="it flies on", first_frame="previous"),
        ],
    )


async def looked_at(studio, board: Storyboard, *, keep: bool = False):
    return await survey(studio, Board(board), variables={}, scheduled=SCHEDULED, keep=keep)


def files(studio) -> list[str]:
    return sorted(str(path) for path in studio.store.root.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "kite", [{}, {"trim": [0, 2.5]}, {"trim": [1, 2.5]}, {"hand_over": "steady", "trim": [0, 3]}]
)
async def test_everything_before_a_run_agrees_on_the_frame_handed_over(studio, kite):
    before = files(studio)
    surveyed = await looked_at(studio, flight(**kite))
    plan = surveyed.check()
    key = plan.clip("on").key
    assert key is not None
    assert plan.clip("kite").state == "stored"
    ahead = await forecast(studio, plan, surveyed.digests)
    assert [purchase.shot for purchase in ahead.purchases] == ["on"]
    reports = {report.shot: report for report in await inspect_board(studio, surveyed)}
    assert reports["on"].key == key
    assert files(studio) == before  # looking writes nothing
    kept = (await looked_at(studio, flight(**kite), keep=True)).check()
    assert kept.clip("on").key == key
    frames = [name for name in files(studio) if "/frames/" in name]
    assert len(frames) == bool(kite)


async def test_purchases_behind_different_frames_have_names_of_their_own_in_a_budget(studio):
    names, keys = set(), set()
    for kite in ({}, {"trim": [0, 2.5]}, {"trim": [0, 3]}, {"hand_over": "steady"}):
        surveyed = await looked_at(studio, flight(**kite))
        keys.add(surveyed.check().clip("on").key)
        ahead = await forecast(studio, surveyed.check(), surveyed.digests)
        names.add(ahead.purchases[0].name)
    assert len(names) == 4
    assert len(keys) == 3  # nothing is wrong with the clip's end: steady is its last frame


@pytest.fixture
def own(tmp_path) -> Path:
    path = tmp_path / "own.mp4"
    with VideoWriter(path, 128, 72, Fraction(8), sound=True) as writer:
        for number in range(8):
            writer.write_rgb(np.full((72, 128, 3), 40 + 20 * number, np.uint8))
        writer.write_sound(np.zeros((2, 48_000), np.float32))
    return path


async def test_footage_that_is_chained_from_twice_hands_over_each_shots_own_frame(studio, own):
    board = Storyboard(
        model="wan-2-5",
        shots=[
            Shot(id="all", video=str(own)),
            Shot(id="a", prompt="x", first_frame="previous"),
            Shot(id="half", video=str(own), trim=[0, 0.5]),
            Shot(id="b", prompt="x", first_frame="previous"),
            Shot(id="unused", video=str(own), trim=[0.5, 0]),
        ],
    )
    before = files(studio)
    surveyed = await looked_at(studio, board)
    plan = surveyed.check()
    assert {name: frame.index for name, frame in surveyed.handed.items()} == {"all": 7, "half": 3}
    assert list(surveyed.footage) == [str(own)]
    assert plan.clip("a").key != plan.clip("b").key
    ahead = await forecast(studio, plan, surveyed.digests)
    assert [purchase.shot for purchase in ahead.purchases] == ["a", "b"]
    assert len({purchase.name for purchase in ahead.purchases}) == 2
    assert files(studio) == before


async def test_music_is_known_by_its_digest_or_is_a_fault_of_the_film(studio, own):
    board = flight()
    board.film = FilmOptions(music=str(own))
    surveyed = await looked_at(studio, board, keep=True)
    assert surveyed.music is not None
    assert (studio.store.root / surveyed.music.path).read_bytes() == own.read_bytes()
    board.film = FilmOptions(music="gone.mp3")
    with pytest.raises(StoryboardError) as caught:
        (await looked_at(studio, board)).check()
    (fault,) = caught.value.faults
    assert (fault.shot, fault.field, fault.value) == ("", "film.music", "gone.mp3")
    assert "can't be read" in fault.problem
    brief = own.with_name("brief.mp4")
    with VideoWriter(brief, 128, 72, Fraction(8), sound=True) as writer:
        writer.write_rgb(np.zeros((72, 128, 3), np.uint8))
        writer.write_sound(np.zeros((2, 24_000), np.float32))
    board.film = FilmOptions(music=str(brief))
    (fault,) = (await looked_at(studio, board)).plan.faults
    assert (fault.shot, fault.field, fault.value) == ("", "film.music", str(brief))
    assert "too little for music" in fault.problem


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://u:hidden@{host}/gone board.yaml?sig=hidden", "HTTP 404"),
        ("http://u:hidden@{host}/?sig=hidden#hidden", "HTTP 404"),
        ("ftp://u:hidden@h.example/board.yaml", "ftp:// can't be read"),
        ("https://u:hidden@[h/board.yaml", "Invalid IPv6 URL"),
        ("http://u:hidden@h\u2100/board.yaml", "ValueError"),
    ],
)
async def test_board_that_can_not_be_read_is_named_without_its_password(emulator, address, reason):
    host = emulator().media_url.removeprefix("http://")
    with pytest.raises(StoryboardError, match=reason) as caught:
        await load_board(address.format(host=host))
    assert "hidden" not in f"{caught.value} {caught.value!r} {caught.value.__dict__!r}"


async def test_relative_board_that_is_not_found_names_the_folder_and_what_a_worker_needs(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoryboardError) as caught:
        await load_board("boards/daily.yaml")
    (fault,) = caught.value.faults
    assert fault.problem == "can't be read: No such file or directory"
    assert fault.remedy == (
        f"it was looked for in {tmp_path}/boards; a run on a worker needs a full path or an "
        "s3:// address"
    )
    with pytest.raises(StoryboardError, match="check path and encoding"):
        await load_board(str(tmp_path / "daily.yaml"))


async def test_faults_of_a_board_name_its_address_without_its_query(emulator, tmp_path):
    vendors = emulator()
    (tmp_path / "media").mkdir()
    (tmp_path / "media/board.yaml").write_text("shots: [")
    with pytest.raises(StoryboardError) as caught:
        await load_board(f"{vendors.media_url}/board.yaml?sig=hidden")
    assert str(caught.value).startswith(f"{vendors.media_url}/board.yaml has 1 fault:")


async def test_plan_that_is_given_out_holds_no_query_and_the_same_keys(studio, own):
    signed = "https://u:hidden@h.example/x?sig=hidden"
    board = Storyboard(
        title="Given out",
        model="ltx-2-19b",
        shots=[
            Shot(id="own", video=str(own), trim=[0, 0.5]),
            Shot(
                id="a",
                prompt="x",
                first_frame=f"vendor:{signed}",
                loras=[Lora(path=signed, scale=0.8)],
                fallback=["vidu-q3"],
            ),
        ],
    )
    made = (await looked_at(studio, board)).plan
    given = shareable(made)
    assert "hidden" in made.model_dump_json()
    assert "hidden" not in given.model_dump_json()
    assert given.clip("a").pictures[0].ref == "https://h.example/x"
    assert given.clip("a").key == made.clip("a").key
    plain = board.model_copy(update={"shots": board.shots[:1]})
    kept = (await looked_at(studio, plain)).check()
    assert shareable(kept) == kept


async def test_faulty_trim_of_footage_that_is_chained_from_is_a_fault_and_no_error(studio, own):
    board = Storyboard(
        model="wan-2-5",
        shots=[
            Shot(id="own", video=str(own), trim=[3, 4], hand_over="steady"),
            Shot(id="a", prompt="x", first_frame="previous", seconds=7),
        ],
    )
    with pytest.raises(StoryboardError) as caught:
        (await looked_at(studio, board)).check()
    assert {(fault.shot, fault.field) for fault in caught.value.faults} == {
        ("own", "trim"),
        ("a", "seconds"),
    }


async def test_cut_picture_is_a_fault_before_anything_is_bought(studio, stills, tmp_path):
    whole = io.BytesIO()
    Image.open(stills["sky"]).save(whole, "JPEG")
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(whole.getvalue()[: len(whole.getvalue()) // 3])
    board = Storyboard(model="wan-2-5", shots=[Shot(id="a", prompt="x", first_frame=str(cut))])
    before = files(studio)
    with pytest.raises(StoryboardError) as caught:
        (await looked_at(studio, board, keep=True)).check()
    (fault,) = caught.value.faults
    assert (fault.shot, fault.field) == ("a", "first_frame")
    assert "cut off" in fault.problem
    assert files(studio) == before


async def test_claim_that_nobody_settles_any_more_is_noted_with_the_way_to_settle_it(
    emulator, open_studio, hurry
):
    board = Storyboard(model="wan-2-5", shots=[Shot(id="lost", prompt="a lost letter")])
    async with open_studio(emulator(), time=hurry) as studio:
        (clip,) = (await looked_at(studio, board)).plan.clips
        claimed = Claimed(
            at=hurry.now(),
            owner="somebody who died",
            shot="lost",
            vendor=clip.vendor,
            model=clip.model,
            base_url="http://127.0.0.1",
            body="{}",
            idempotency_key="none",
            window=60,
        )
        assert await studio.records.claim(clip.key, 1, claimed)
        (note,) = (await looked_at(studio, board)).plan.notes
        assert note.startswith("shot lost: a run is buying it, or died while it did")
        hurry.ahead += 120
        plan = (await looked_at(studio, board)).plan
    (found,) = plan.clips
    assert (found.state, found.to_buy) == ("claimed", False)
    (note,) = plan.notes
    assert note.startswith("shot lost: whether its purchase was accepted is not known. Look ")
    assert f"`prefect-videogen settle {clip.key[:12]} --job ID`" in note


@pytest.fixture
def real(studio) -> OpenStudio:
    """The studio, as if its accounts were no sandboxes; its media store is served at home."""
    changes = {"sandbox": False, "speed": 1.0}
    studio.accounts = {
        name: account.model_copy(update=changes) for name, account in studio.accounts.items()
    }
    return studio


async def test_media_store_served_at_home_hands_no_picture_to_a_real_vendor(real, stills):
    def board(model: str) -> Storyboard:
        return Storyboard(model=model, shots=[Shot(id="a", prompt="x", first_frame=stills["sky"])])

    (fault,) = (await looked_at(real, board("wan-2-5"))).plan.faults
    assert (fault.shot, fault.field, fault.value) == ("a", "first_frame", stills["sky"])
    assert "nowhere to publish a picture that it can reach" in fault.problem
    (await looked_at(real, board("wan2.5-image-to-video"))).check()
    real.store.served_at = "https://media.example.org"
    (await looked_at(real, board("wan-2-5"))).check()


async def test_picture_is_uploaded_where_the_vendor_can_not_reach_the_media_store(
    real, ask, stills
):
    request = await ask(real, model="wan2.5-image-to-video", first_frame=stills["sky"])
    (picture,) = request.pictures
    model = real.model(request.clip)
    url = await publish(real, model, picture.use, picture.path)
    assert not url.startswith(real.store.public_url(""))


def test_standalone_board_means_the_same_everywhere():
    board = Storyboard(
        shots=[Shot(video="own.mp4"), Shot(prompt="x", first_frame="previous")],
        film=FilmOptions(music="song.mp3", loudness=-16),
    )
    made = standalone(Board(board, place=Folder("/films")))
    assert made.shots[0].video == "/films/own.mp4"
    assert made.shots[1].video == ""
    assert (made.film.music, made.film.loudness) == ("/films/song.mp3", -16)


ONE = "  - {id: one, prompt: x}\n"
TWO = "  - {id: two, prompt: x}\n"
OWN = "  - {id: own, prompt: x, model: wan-2-6}\n"


@pytest.mark.parametrize(
    ("top", "shots", "told"),
    [
        (
            "model: vido-q3",
            ONE + TWO,
            ["storyboard (line 2): model = vido-q3: is not a known model; did you mean `vidu-q3`?"],
        ),
        ("model: vido-q3", ONE, ["storyboard (line 2): model = vido-q3: is not a known model; "]),
        (
            "model: vido-q3",
            ONE + TWO + OWN,
            ["storyboard (line 2): model = vido-q3: ", "shot own (line 6): model = wan-2-6: "],
        ),
        (
            "model: wan-2-5\nseconds: 7",
            ONE + TWO,
            ["storyboard (line 3): seconds = 7: is not allowed here on wan-2-5; use 5 or 10"],
        ),
        (
            "model: vidu-q3\nseconds: 7",
            ONE + TWO + OWN.replace("wan-2-6", "wan-2-5"),
            ["shot own (line 3): seconds = 7: is not allowed here on wan-2-5 (set at the top); "],
        ),
        (
            "model: vidu-q3\noptions: {movement: wild}",
            ONE + TWO + "  - {id: calm, prompt: x, options: {movement: small}}\n",
            ["storyboard (line 3): options.movement = wild: is not a choice here on vidu-q3; "],
        ),
        (
            "model: vidu-q3\nseconds: 4",
            "  - {id: one, prompt: x, seconds: five}\n",
            ["shot one (line 5): seconds = five: is not a number; use a number"],
        ),
        ("title: x", ONE + TWO, ["shot one (line 4): model: ", "shot two (line 5): model: "]),
    ],
)
async def test_fault_of_a_value_at_the_top_is_told_once_at_its_line(studio, top, shots, told):
    text = read_storyboard(f"look: fog\n{top}\nshots:\n{shots}")
    found = await survey(
        studio, Board(text.board, text=text), variables={}, scheduled=SCHEDULED, keep=False
    )
    says = [str(fault) for fault in found.plan.faults]
    assert [one[: len(start)] for one, start in zip(says, told, strict=True)] == told
