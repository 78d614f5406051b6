"""The request that a flow would hand to `submit`, for tests that go without Prefect."""

from __future__ import annotations

from prefect_videogen.buying import ClipRequest, PictureInput
from prefect_videogen.survey import Survey


def request_of(surveyed: Survey) -> ClipRequest:
    """The request of a survey's first clip, whose pictures are all known."""
    clip = surveyed.check().clips[0]
    assert clip.key is not None
    pictures = tuple(
        PictureInput(
            use=use,
            sha256=surveyed.stills[use.ref].picture.sha256,
            path=surveyed.stills[use.ref].path,
        )
        for use in clip.pictures
    )
    return ClipRequest(clip=clip, key=clip.key, pictures=pictures)
