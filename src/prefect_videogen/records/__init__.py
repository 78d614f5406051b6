"""What is known about every clip, in the media store, created once and never overwritten.

Everything is written before money is spent. Prefect's state is a convenience; this is the truth.
"""

from prefect_videogen.records.clips import ClipRecords, open_path
from prefect_videogen.records.model import (
    Attempt,
    Claimed,
    End,
    EndKind,
    History,
    Opened,
    Ready,
    Record,
    Repeated,
    Stored,
    Submitted,
)
from prefect_videogen.records.opening import open_store
from prefect_videogen.records.store import LocalStore, Store

__all__ = [
    "Attempt",
    "Claimed",
    "ClipRecords",
    "End",
    "EndKind",
    "History",
    "LocalStore",
    "Opened",
    "Ready",
    "Record",
    "Repeated",
    "Store",
    "Stored",
    "Submitted",
    "open_path",
    "open_store",
]
