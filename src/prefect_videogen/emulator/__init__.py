"""A local APIXO and EvoLink: real HTTP, real clips, real limits, no money.

For users' tests as much as for ours. `Emulator` runs both on a thread; `Faults` and `MENU` make
things go wrong on purpose. It holds to the vendors' documents, and where they are silent says so.
"""

from prefect_videogen.emulator.faults import MENU, Entry, Fault, Faults
from prefect_videogen.emulator.jobs import VIOLATION
from prefect_videogen.emulator.ledger import Charge, Delivery, Job, Picture, SeenRequest
from prefect_videogen.emulator.server import Emulator, run_forever
from prefect_videogen.emulator.timeline import ManualClock

__all__ = [
    "MENU",
    "VIOLATION",
    "Charge",
    "Delivery",
    "Emulator",
    "Entry",
    "Fault",
    "Faults",
    "Job",
    "ManualClock",
    "Picture",
    "SeenRequest",
    "run_forever",
]
