"""A cap in clips: how many purchases a run, and each of its shots, may make."""

from __future__ import annotations

import math
from dataclasses import dataclass


class Cap:
    """How many more purchases a run may make than planned; for a run without a cap, any number.

    Args:
        most: Most purchases; 0 is no limit.
        planned: How many of them are planned.
    """

    def __init__(self, most: int, planned: int) -> None:
        self.room = most - planned if most else math.inf


@dataclass
class Allowance:
    """What one shot may buy: what was planned for it, then what the cap leaves.

    Attributes:
        cap: The run's cap.
        own: Purchases of its own.
    """

    cap: Cap
    own: int

    def take(self) -> bool:
        """Take one purchase; False means that there is none left."""
        if self.own > 0:
            self.own -= 1
        elif self.cap.room > 0:
            self.cap.room -= 1
        else:
            return False
        return True

    def give_back(self) -> None:
        """Give one back that was not made, or not billed; it stays with the shot."""
        self.own += 1
