"""Where clips, films and records lie."""

from __future__ import annotations

from urllib.parse import urlsplit

from prefect.blocks.core import Block
from prefect.types import SecretDict
from pydantic import Field

from prefect_videogen.blocks.checks import Checkable
from prefect_videogen.blocks.logos import DOCUMENTATION, FOLDER_LOGO
from prefect_videogen.checking import CheckReport, failed, gathered, store_checks
from prefect_videogen.errors import StudioError, VideoGenError
from prefect_videogen.records import Store, open_store


class MediaStore(Checkable, Block):
    """The folder that holds clips, films, pictures and the record of every purchase.

    Everything that was paid for lies here. Several machines may share it.

    Example:
        ```python
        from prefect_videogen import MediaStore

        media = MediaStore.load("BLOCK_NAME")
        ```
    """

    _block_type_name = "Videogen Media Store"
    _block_type_slug = "videogen-media-store"
    _documentation_url = DOCUMENTATION
    _logo_url = FOLDER_LOGO

    url: str = Field(
        title="URL",
        description="Where the media lie: file:///srv/videogen or s3://bucket/prefix.",
    )
    options: SecretDict = Field(
        default_factory=lambda: SecretDict({}),
        title="Options",
        description="Options of s3fs for s3://: key, secret, endpoint_url and so on; empty takes "
        "them from the machine.",
    )
    public_url: str = Field(
        default="",
        title="Public URL",
        description="Where the same folder is served to the world, so that vendors can fetch "
        "pictures; empty if it is not served (S3 then signs URLs).",
    )
    view_url: str = Field(
        default="",
        title="View URL",
        description="Where people open the same folder in a browser, for links in Prefect's UI; "
        "empty takes the public URL.",
    )

    async def acheck(self) -> CheckReport:
        """Write, read and remove an object, race for one, and fetch it as vendors would.

        Returns:
            Whether it keeps records as buying once needs it, and whether it is served.
        """
        try:
            store = self.open()
        except VideoGenError as error:
            return CheckReport(checks=(failed("media store", error),))
        return await gathered(store_checks(store))

    def open(self) -> Store:
        """The store as the library knows it.

        Raises:
            StudioError: If the address is of a kind that is not supported, or an address under
                which it is served is more than a place.
        """
        _check_place("public_url", self.public_url)
        _check_place("view_url", self.view_url)
        return open_store(
            self.url, options=self.options.get_secret_value(), public_url=self.public_url
        )


def _check_place(name: str, url: str) -> None:
    """Refuse an address with a credential: it would stand in links that everybody sees."""
    try:
        parts = urlsplit(url)
        fine = not (parts.query or parts.fragment or parts.username or parts.password)
        _ = parts.port  # raises if it is none
    except ValueError:
        fine = False
    if not fine:
        message = f"the media store's {name} has a user, a query or a fragment, or is no address"
        step = "Give the address of the folder alone; what serves it has to allow the reading."
        raise StudioError(message, next_step=step)
