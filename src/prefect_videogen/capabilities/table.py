"""The five models of the first release, as the vendors' documents describe them.

Source marks are those of the vendor contracts: `seed` (one of the five seed pages), `doc: page`
(another public page), `inferred` (our conclusion). Where they disagree the seed wins.
A model with a known envelope is one more entry here, or in a user's own file.
"""

from __future__ import annotations

from collections.abc import Sequence

from prefect_videogen.capabilities.spec import (
    Advice,
    GenerationTime,
    Images,
    Limits,
    Mode,
    Model,
    Param,
    Scalar,
    Timings,
)

MIB = 1024 * 1024
DAY = 86_400
LARGEST_INT = 2_147_483_647
ROUTING = ("auto", "value", "official")


def _prompt(longest: int, source: str) -> Param:
    return Param(
        name="prompt",
        type="string",
        field="prompt",
        required=True,
        max_length=longest,
        source=source,
    )


def _negative_prompt(source: str) -> Param:
    return Param(
        name="negative_prompt",
        type="string",
        field="negative_prompt",
        max_length=500,
        source=source,
    )


def _resolution(choices: Sequence[str], source: str, *, required: bool = True) -> Param:
    return Param(
        name="resolution",
        type="string",
        field="resolution",
        default="720p",
        required=required,
        choices=tuple(choices),
        source=source,
    )


def _ratio(
    choices: Sequence[str], modes: tuple[str, ...], source: str, *, required: bool = False
) -> Param:
    return Param(
        name="aspect_ratio",
        type="string",
        field="aspect_ratio",
        default="16:9",
        choices=tuple(choices),
        modes=modes,
        required=required,
        source=source,
    )


def _duration(
    source: str, *, default: int = 5, choices: Sequence[Scalar] = (), required: bool = True
) -> Param:
    return Param(
        name="duration",
        type="integer",
        field="seconds",
        default=default,
        required=required,
        choices=tuple(choices),
        source=source,
    )


def _whole_seconds(
    least: int, most: int, default: int, source: str, *, required: bool = True
) -> Param:
    duration = _duration(source, default=default, required=required)
    return duration.model_copy(update={"minimum": least, "maximum": most})


WAN_2_5 = Model(
    id="wan-2-5",
    vendor="apixo",
    mode_field="mode",
    modes=(
        Mode(name="text-to-video", images=(0, 0)),
        Mode(name="image-to-video", images=(1, 1)),
    ),
    params=(
        _prompt(800, "doc: wan-2-5 new, legacy"),
        _resolution(("720p", "1080p"), "seed; default doc: wan-2-5 legacy"),
        _duration("seed; default doc: wan-2-5 legacy", choices=(5, 10)),
        _ratio(("16:9", "9:16", "1:1"), ("text-to-video",), "seed; text only doc: wan-2-5 new"),
        _negative_prompt("seed; length doc: wan-2-5 legacy"),
        Param(name="seed", type="integer", field="seed", source="seed; range not published"),
        Param(
            name="enable_prompt_expansion",
            type="boolean",
            field="expand_prompt",
            default=True,
            source="seed",
        ),
    ),
    images=Images(source="seed"),
    limits=Limits(requests_per_minute=10_000, concurrent=1_000, source="seed"),
    timings=Timings(
        first_poll=50,
        interval=5,
        generation=(
            GenerationTime(when={"resolution": ("720p",)}, seconds=(50, 70)),
            GenerationTime(when={"resolution": ("1080p",)}, seconds=(70, 90)),
        ),
        source="seed",
    ),
    result_seconds=15 * DAY,
    routing=ROUTING,
    billed_per="second",
)

_VIDU_TEXT = ("text-to-video", "turbo-text-to-video")

VIDU_Q3 = Model(
    id="vidu-q3",
    vendor="apixo",
    mode_field="mode",
    modes=(
        Mode(name="text-to-video", images=(0, 0), tier="standard"),
        Mode(name="image-to-video", images=(1, 2), tier="standard"),
        Mode(name="turbo-text-to-video", images=(0, 0), tier="turbo"),
        Mode(name="turbo-image-to-video", images=(1, 2), tier="turbo"),
    ),
    params=(
        _prompt(5_000, "doc: vidu-q3 ru"),
        _resolution(("540p", "720p", "1080p"), "doc: vidu-q3 ru; default inferred", required=False),
        _whole_seconds(1, 16, 5, "doc: vidu-q3 new; default inferred", required=False),
        _ratio(("16:9", "9:16", "4:3", "3:4", "1:1"), _VIDU_TEXT, "seed; default inferred"),
        Param(
            name="style",
            type="string",
            default="general",
            choices=("general", "anime"),
            modes=_VIDU_TEXT,
            source="seed; default inferred",
        ),
        Param(
            name="movement",
            type="string",
            default="auto",
            choices=("auto", "small", "medium", "large"),
            source="seed; default inferred",
        ),
        Param(
            name="sound",
            type="boolean",
            default=True,
            source="seed; default doc: vidu-q3 ru",
        ),
        Param(name="bgm", type="boolean", default=True, source="doc: vidu-q3 ru"),
        Param(
            name="seed",
            type="integer",
            field="seed",
            minimum=-1,
            maximum=LARGEST_INT,
            source="doc: vidu-q3 ru",
        ),
    ),
    images=Images(source="inferred: the sister models' rule"),
    limits=Limits(requests_per_minute=60, concurrent=10, source="seed"),
    timings=Timings(
        first_poll=60,
        interval=5,
        generation=(GenerationTime(seconds=(60, 120)),),
        source="seed; generation time inferred from the first poll and the sample's 120 s",
    ),
    result_seconds=15 * DAY,
    routing=ROUTING,
    routing_open=True,
    billed_per="second",
)

_LTX_TEXT = ("text-to-video", "text-to-video-LoRA")
_LTX_LORA = ("text-to-video-LoRA", "image-to-video-LoRA")

LTX_2_19B = Model(
    id="ltx-2-19b",
    vendor="apixo",
    mode_field="mode",
    modes=(
        Mode(name="text-to-video", images=(0, 0)),
        Mode(name="image-to-video", images=(1, 1)),
        Mode(name="text-to-video-LoRA", images=(0, 0), loras=True),
        Mode(name="image-to-video-LoRA", images=(1, 1), loras=True),
    ),
    params=(
        _prompt(5_000, "doc: ltx-2-19b zh"),
        _resolution(("480p", "720p", "1080p"), "seed; default doc: ltx-2-19b zh"),
        _whole_seconds(5, 20, 10, "seed; default doc: ltx-2-19b zh"),
        _ratio(("16:9", "9:16"), _LTX_TEXT, "seed; default doc: ltx-2-19b es"),
        Param(
            name="seed",
            type="integer",
            field="seed",
            minimum=1,
            maximum=LARGEST_INT,
            also=(-1,),
            source="doc: ltx-2-19b zh; -1 doc: ltx-2-19b new",
        ),
        Param(
            name="loras",
            type="loras",
            field="loras",
            required=True,
            maximum=3,
            advised=(0.5, 2.0),
            modes=_LTX_LORA,
            source="seed; at least one inferred; hard range of scale not published",
        ),
    ),
    images=Images(source="seed"),
    limits=Limits(requests_per_minute=10_000, concurrent=1_000, source="seed"),
    timings=Timings(
        first_poll=60,
        interval=5,
        generation=(
            GenerationTime(when={"resolution": ("480p",)}, seconds=(40, 60)),
            GenerationTime(when={"resolution": ("720p",)}, seconds=(60, 90)),
            GenerationTime(when={"resolution": ("1080p",)}, seconds=(90, 120)),
            GenerationTime(when={"mode": _LTX_LORA}, seconds=(10, 20), adds=True),
        ),
        source="seed",
    ),
    result_seconds=15 * DAY,
    routing=ROUTING,
    billed_per="second",
    advice=(
        Advice(
            text="LoRA links work best with a download query, `...safetensors?download=true`",
            source="seed",
        ),
    ),
)

KLING_2_1 = Model(
    id="kling-2-1",
    vendor="apixo",
    mode_field="mode",
    modes=(
        Mode(name="standard-image-to-video", images=(1, 1), tier="standard"),
        Mode(name="pro-image-to-video", images=(1, 2), tier="pro"),
        Mode(name="master-text-to-video", images=(0, 0), tier="master"),
        Mode(name="master-image-to-video", images=(1, 1), tier="master"),
    ),
    params=(
        _prompt(5_000, "doc: kling-2-1 ru"),
        _duration("seed; default doc: kling-2-1 ru", choices=(5, 10)),
        _ratio(
            ("16:9", "9:16", "1:1"),
            ("master-text-to-video",),
            "seed; default doc: kling-2-1 ru",
            required=True,
        ),
        _negative_prompt("seed; length doc: kling-2-1 ru"),
        Param(
            name="cfg_scale",
            type="number",
            default=0.5,
            minimum=0,
            maximum=1,
            step=0.1,
            advised=(0.3, 0.7),
            source="doc: kling-2-1 ru; advice seed; default inferred",
        ),
    ),
    images=Images(source="seed"),
    limits=Limits(requests_per_minute=10_000, concurrent=1_000, source="seed"),
    timings=Timings(
        first_poll=60,
        interval=5,
        generation=(
            GenerationTime(when={"duration": (5,)}, seconds=(60, 90)),
            GenerationTime(when={"duration": (10,)}, seconds=(90, 120)),
        ),
        source="seed",
    ),
    result_seconds=15 * DAY,
    routing=ROUTING,
    billed_per="clip",
    advice=(
        Advice(text="two pictures (first and last frame) need `tier: pro`", source="seed"),
        Advice(text="a shot without a picture needs `tier: master`", source="seed"),
    ),
)

WAN_2_5_EVOLINK = Model(
    id="wan2.5-image-to-video",
    vendor="evolink",
    modes=(Mode(name="image-to-video", images=(1, 1)),),
    params=(
        _prompt(1_000, "seed"),
        Param(
            name="quality",
            type="string",
            field="resolution",
            default="720p",
            choices=("480p", "720p", "1080p"),
            send="when_set",
            source="doc: wan2.5 i2v new",
        ),
        _duration("seed; default inferred from the example", choices=(5, 10), required=False),
        Param(
            name="prompt_extend",
            type="boolean",
            field="expand_prompt",
            default=True,
            send="when_set",
            source="doc: wan2.5 i2v new",
        ),
    ),
    images=Images(
        formats=("jpeg", "png", "bmp", "webp"),
        min_side=360,
        max_side=2_000,
        alpha=False,
        source="seed",
    ),
    limits=Limits(source="unknown"),
    timings=Timings(
        first_poll=60,
        interval=8,
        generation=(GenerationTime(seconds=(60, 120)),),
        source="seed: estimated_time 120; interval doc: evolink-mcp",
    ),
    result_seconds=DAY,
    billed_per="second",
)

BUILT_IN: tuple[Model, ...] = (WAN_2_5, VIDU_Q3, LTX_2_19B, KLING_2_1, WAN_2_5_EVOLINK)
