"""What the processes that share a limit do; a program, so that it can be killed.

Arguments: name of the limit, its size, holders, seconds each holds. Prints `+` and `-` with the
time of the machine's clock as slots are taken and given back.
"""

from __future__ import annotations

import asyncio
import sys
import time

from prefect_videogen.blocks.limits import PrefectSlots
from prefect_videogen.waiting import Limit


def tell(sign: str) -> None:
    """Print a sign and the time."""
    sys.stdout.write(f"{sign} {time.monotonic()}\n")
    sys.stdout.flush()


async def hold(slots: PrefectSlots, limit: Limit, seconds: float) -> None:
    """Hold one slot for a while."""
    slot = await slots.take(limit)
    assert slot is not None
    tell("+")
    await asyncio.sleep(seconds)
    tell("-")
    await slot.give_back()


async def main() -> None:
    """Hold many slots at once, as far as the limit allows."""
    name, most, holders, seconds = sys.argv[1:]
    slots, limit = PrefectSlots(), Limit(name, int(most), 0.1)
    await asyncio.gather(*(hold(slots, limit, float(seconds)) for _ in range(int(holders))))
    await slots.aclose()


if __name__ == "__main__":
    asyncio.run(main())
