"""What is sent to buy a clip: its exact bytes, with pictures that the vendor can fetch."""

from __future__ import annotations

import json

from prefect_videogen.buying.request import ClipRequest
from prefect_videogen.keys import without_queries
from prefect_videogen.pictures import probe_lora, publish
from prefect_videogen.progress import tell
from prefect_videogen.studio import OpenStudio
from prefect_videogen.vendors import encode_body, request_body


class RequestBody:
    """The body of one clip's submissions; only the callback address differs between them.

    Args:
        studio: The open studio.
        request: What is asked for.
    """

    def __init__(self, studio: OpenStudio, request: ClipRequest) -> None:
        self._studio = studio
        self._request = request
        self._clip = request.clip
        self._model = studio.model(request.clip)
        self._images: list[str] | None = None

    async def written(self, number: int) -> bytes:
        """Write the exact bytes to send; pictures are published and LoRAs probed once.

        Args:
            number: Number of the attempt.

        Raises:
            InputUnreachable: If a picture or LoRA can't be fetched from where the vendor would.
        """
        if self._images is None:
            self._images = await self._publish()
        mode = self._model.mode(self._clip.mode)
        if mode is None:
            message = f"{self._clip.model} has no mode {self._clip.mode}"
            raise ValueError(message)
        body = request_body(
            self._model,
            mode,
            self._clip.params,
            self._images,
            routing=self._clip.routing,
            callback_url=self._callback_url(number),
            extra=self._clip.extra,
        )
        return encode_body(body)

    def described(self) -> dict[str, object]:
        """What is asked for, in plain data, for people."""
        asked = json.loads(self._clip.model_dump_json(exclude={"fallback", "state", "job_id"}))
        asked["pictures"] = [json.loads(p.model_dump_json()) for p in self._request.pictures]
        asked["key"] = self._request.key
        return dict(without_queries(asked))

    async def _publish(self) -> list[str]:
        for lora in self._clip.params.get("loras", ()):
            await probe_lora(lora["path"], self._model.vendor)
        if self._request.pictures:
            tell(self._clip.shot, "pictures")
        return [
            await publish(self._studio, self._model, picture.use, picture.path)
            for picture in self._request.pictures
        ]

    def _callback_url(self, number: int) -> str:
        """Where the vendor announces this attempt's end; empty if it is polled."""
        addresses = self._studio.callbacks
        if addresses is None:
            return ""
        sandbox = self._studio.account(self._clip.vendor).sandbox
        return addresses.job_url(self._request.key, number, sandbox=sandbox)
