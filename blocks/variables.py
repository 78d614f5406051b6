"""The environment variables that the program reads, in words, and those that only look like one.

A test finds them in the source; the reference is written from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType

VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        "VIDEOGEN_APIXO_API_KEY": "Key of the APIXO account. One of the two keys is needed.",
        "VIDEOGEN_APIXO_BASE_URL": "Address of APIXO's API, for a gateway or the emulator.",
        "VIDEOGEN_EVOLINK_API_KEY": "Key of the EvoLink account.",
        "VIDEOGEN_EVOLINK_BASE_URL": "Address of EvoLink's API, for a gateway or the emulator.",
        "VIDEOGEN_EVOLINK_FILES_URL": "Address of EvoLink's file upload. Not set: EvoLink's own "
        "for its own API, the base URL for a gateway or the emulator.",
        "VIDEOGEN_MEDIA_URL": "Where clips, films and records lie: `file:///...` or "
        "`s3://bucket/prefix`. Not set: the folder `videogen-media` below the current one.",
        "VIDEOGEN_MEDIA_OPTIONS": "Options of s3fs as JSON: `key`, `secret`, `endpoint_url` and so "
        "on. Not set: the machine's own, as Amazon's tools find them.",
        "VIDEOGEN_MEDIA_PUBLIC_URL": "Where the media store is served to the world, so that "
        "vendors can fetch pictures. Not needed for S3, which signs addresses.",
        "VIDEOGEN_MEDIA_VIEW_URL": "Where people open the media store in a browser, for links in "
        "Prefect's UI. Not set: the public URL.",
        "VIDEOGEN_CALLBACK_URL": "Public https address of the callback receiver. Not set: jobs "
        "are polled.",
        "VIDEOGEN_CALLBACK_SECRET": "Signs the receiver's paths: any long random text, the same "
        "for runs and receiver.",
        "VIDEOGEN_PRICES": "Prices as JSON, or the path of a JSON file.",
        "VIDEOGEN_ALLOW_UNPRICED": "`true` lets shots without a price be bought under a limit.",
        "VIDEOGEN_LIMIT_PER_RUN": "Most money for one run, in the prices' currency.",
        "VIDEOGEN_LIMIT_PER_MONTH": "Most money for all runs scheduled in one month (UTC).",
        "VIDEOGEN_LOW_BALANCE": "Below this balance, in the vendor's own unit, a run that has "
        "bought something warns and sends an event. Not set: never.",
        "VIDEOGEN_MODELS": "A YAML or JSON file with further models. It is read where flows run "
        "and where they are deployed, since run forms list the models.",
        "VIDEOGEN_SANDBOX": "Whether clips are kept apart from bought ones: `true`, `false` or "
        "`auto`. Not set: `auto`, which is true for addresses on this machine or network.",
        "VIDEOGEN_SPEED": "How much faster than a real vendor an emulator runs; it shortens "
        "waits and intervals. Not set: 1.",
    }
)
"""What each variable sets, by name, in the order of the documentation."""

PREFIX = "VIDEOGEN_"

LIKENESS = 0.85
"""From which likeness on (0 to 1, as difflib counts) a name is taken for a slip of the fingers."""


def unknown_variables(names: Iterable[str]) -> dict[str, str]:
    """Find variables that look like ours but set nothing.

    Args:
        names: Names of variables, usually `os.environ`.

    Returns:
        What each was probably meant to be, by name; empty if it is like none of ours.
    """
    unknown = sorted(name for name in names if name.startswith(PREFIX) and name not in VARIABLES)
    return {
        name: next(iter(get_close_matches(name, VARIABLES, 1, LIKENESS)), "") for name in unknown
    }
