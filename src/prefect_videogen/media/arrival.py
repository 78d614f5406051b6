"""Looking a clip over when it arrives: that it decodes to its end, its last frame, and how it ends.

Promises what `probe`, `last_frame_png` and `tail_of` tell, with the picture decoded once instead of
once for each: of a thousand clips that arrive at once, decoding is most of the work.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from prefect_videogen.errors import MediaError
from prefect_videogen.media.canvas import shown_rgb
from prefect_videogen.media.containers import open_media, picture_stream
from prefect_videogen.media.frames import Frame
from prefect_videogen.media.probe import Probe, probe
from prefect_videogen.media.tails import Measure, TailFacts, tail_in


@dataclass(frozen=True)
class Arrival:
    """What is known of a clip that was looked over.

    Attributes:
        probe: What it holds.
        last_frame: Its last frame as PNG.
        tail: How it ends.
    """

    probe: Probe
    last_frame: bytes
    tail: TailFacts


def look_over(path: Path) -> Arrival:
    """Look a clip over.

    Args:
        path: A video file. All packets are read, every frame is decoded, one is held at a time.

    Returns:
        The same as `probe`, `last_frame_png` and `tail_of` give.

    Raises:
        MediaError: Not a video, cut short, damaged, or it has no frame.
    """
    found = probe(path)
    measure, last = Measure(), None
    with open_media(path) as container:
        stream = picture_stream(container, path)
        stream.codec_context.thread_count = 1  # costs least where many clips arrive at once
        for last in container.decode(stream):
            measure.add(last)
        aspect = stream.sample_aspect_ratio
    if last is None:
        raise MediaError(f"{path} has no frame.", next_step="The file is damaged; fetch it again.")
    facts = measure.facts()
    frame = Frame(shown_rgb(last, aspect), len(facts) - 1)
    return Arrival(found, frame.png(), tail_in(facts))
