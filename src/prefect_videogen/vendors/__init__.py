"""The vendors' HTTP contracts: accounts, request bodies, clients, answers and errors.

Bodies and answers are pure functions; the clients send one request per call and retry nothing.
Whatever a vendor's endpoint does, only the errors of `prefect_videogen.errors` come out.
What is worth sending again, and when, is decided by `records`, `waiting` and the tasks.
"""

from __future__ import annotations

from prefect_videogen.vendors.account import (
    APIXO_URL,
    EVOLINK_FILES_URL,
    EVOLINK_URL,
    Account,
    Vendor,
    default_sandbox,
    is_private_host,
)
from prefect_videogen.vendors.answers import (
    Balance,
    JobState,
    JobStatus,
    Submitted,
    TaskSummary,
    UploadedFile,
)
from prefect_videogen.vendors.apixo import ApixoClient
from prefect_videogen.vendors.bodies import (
    asks_for_callback,
    encode_body,
    request_body,
    submit_path,
)
from prefect_videogen.vendors.clients import VendorClient, open_client
from prefect_videogen.vendors.evolink import EvolinkClient
from prefect_videogen.vendors.http import HttpSession, Timeouts

__all__ = [
    "APIXO_URL",
    "EVOLINK_FILES_URL",
    "EVOLINK_URL",
    "Account",
    "ApixoClient",
    "Balance",
    "EvolinkClient",
    "HttpSession",
    "JobState",
    "JobStatus",
    "Submitted",
    "TaskSummary",
    "Timeouts",
    "UploadedFile",
    "Vendor",
    "VendorClient",
    "asks_for_callback",
    "default_sandbox",
    "encode_body",
    "is_private_host",
    "open_client",
    "request_body",
    "submit_path",
]
