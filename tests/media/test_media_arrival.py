"""A clip that arrives: the same facts in one pass as in three, here and in a child process."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from prefect_videogen.errors import MediaError
from prefect_videogen.media import last_frame_png, probe
from prefect_videogen.media.arrival import look_over
from prefect_videogen.media.inspectors import Inspectors
from prefect_videogen.media.tails import tail_of


@pytest.fixture
def inspectors():
    found = Inspectors()
    yield found
    found.end()


def test_one_pass_tells_what_three_do(make_clip):
    clip = make_clip("clip.mp4")
    arrival = look_over(clip)
    assert arrival.probe == probe(clip)
    assert arrival.last_frame == last_frame_png(clip)
    assert arrival.tail == tail_of(clip)


def test_child_process_tells_the_same_and_is_used_again(make_clip, inspectors):
    clip = make_clip("clip.mp4")
    arrivals = [inspectors.look_over(clip) for _ in range(3)]
    assert arrivals == [look_over(clip)] * 3
    assert len(children()) == 1
    inspectors.end()
    assert children() == []


def test_damaged_clip_is_refused_in_the_same_words_and_the_child_goes_on(
    make_clip, inspectors, tmp_path
):
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(b"<html>not here</html>")
    with pytest.raises(MediaError) as here:
        look_over(damaged)
    with pytest.raises(MediaError) as there:
        inspectors.look_over(damaged)
    assert (there.value.message, there.value.next_step) == (
        here.value.message,
        here.value.next_step,
    )
    before = children()
    assert inspectors.look_over(make_clip("clip.mp4")).probe.frame_count
    assert children() == before


def test_clip_that_kills_its_decoder_costs_a_clip_and_not_the_process(
    make_clip, inspectors, tmp_path
):
    clip = make_clip("clip.mp4")
    inspectors.look_over(clip)
    (child,) = children()
    os.kill(child, signal.SIGKILL)
    with pytest.raises(MediaError, match="ended the process that decodes it"):
        inspectors.look_over(clip)
    assert inspectors.look_over(clip) == look_over(clip)
    assert child not in children()


def test_child_knows_no_key(make_clip, inspectors, monkeypatch):
    monkeypatch.setenv("VIDEOGEN_APIXO_API_KEY", "a key that nobody shall take")
    inspectors.look_over(make_clip("clip.mp4"))
    (child,) = children()
    assert b"a key that nobody" not in Path(f"/proc/{child}/environ").read_bytes()


def test_what_is_put_back_after_the_end_is_ended(make_clip, inspectors):
    inspectors.look_over(make_clip("clip.mp4"))
    inspector = inspectors._idle.pop()
    inspectors.end()
    inspectors._put(inspector)
    assert children() == []


def children() -> list[int]:
    """Processes of ours that decode."""
    return [int(folder.name) for folder in Path("/proc").glob("[0-9]*") if decodes_for_us(folder)]


def decodes_for_us(folder: Path) -> bool:
    try:
        ours = f"\nPPid:\t{os.getpid()}\n" in (folder / "status").read_text()
        return ours and b"media.inspectors" in (folder / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return False


def test_where_no_child_finds_the_package_clips_are_decoded_here(
    make_clip, inspectors, monkeypatch, tmp_path, caplog
):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program))
    clip = make_clip("clip.mp4")
    assert [inspectors.look_over(clip) for _ in range(2)] == [look_over(clip)] * 2
    # A handler of other tests may pass a record on to the root, where caplog meets it again.
    told = {id(line) for line in caplog.records if "decoded in this process" in line.getMessage()}
    assert len(told) == 1
    assert children() == []
