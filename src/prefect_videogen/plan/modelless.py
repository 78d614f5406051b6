"""What is wrong with a shot whatever its model is, for one whose model is not known.

Pure. What some model might take is not judged: that waits until the shot names one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prefect_videogen.capabilities import Model
from prefect_videogen.errors import Fault
from prefect_videogen.plan.model import PictureUse, Unreadable
from prefect_videogen.plan.pictures import Stills, is_ratio, remedy_of
from prefect_videogen.plan.values import AT_THE_TOP, shown
from prefect_videogen.storyboard import Shot, Storyboard

NO_PROMPT = ("is missing", "say what is seen and how the camera moves")
WRITE_A_RATIO = "write width:height, for example 16:9"


def faults_of_any_model(
    board: Storyboard,
    shot: Shot,
    pictures: tuple[PictureUse, ...],
    stills: Stills,
    models: Mapping[str, Model],
) -> Iterator[Fault]:
    """Find what no model would take: no prompt, a still that can't be read, what is no shape.

    Args:
        board: The storyboard.
        shot: The shot.
        pictures: Its pictures.
        stills: What is known of every still, by its reference.
        models: The models that exist.
    """
    if not shot.prompt.strip():
        yield Fault(shot.id, "prompt", "", *NO_PROMPT)
    for use in pictures:
        still = stills.get(use.ref) if use.kind == "still" else None
        if isinstance(still, Unreadable):
            remedy = remedy_of(use, still)
            yield Fault(shot.id, f"{use.role}_frame", shown(use.ref), still.problem, remedy)
    ratio = shot.aspect_ratio or board.aspect_ratio
    inherited = not shot.aspect_ratio
    if not ratio or is_ratio(ratio) or (inherited and not _brings_to_shape(board, shot, pictures)):
        return
    params = (model.param("aspect_ratio") for model in models.values())
    if all(param is None or param.check(ratio) for param in params):
        problem = "is no shape" + (AT_THE_TOP if inherited else "")
        yield Fault(shot.id, "aspect_ratio", shown(ratio), problem, WRITE_A_RATIO)


def _brings_to_shape(board: Storyboard, shot: Shot, pictures: tuple[PictureUse, ...]) -> bool:
    """Whether pictures are cut to the board's shape; a clip without any might not have one."""
    return bool(pictures) and (shot.picture_fit or board.picture_fit) != "keep"
