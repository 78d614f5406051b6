"""The parameters that flows share, as one object, and what holds them against the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from prefect.runtime import flow_run

from prefect_videogen.buying import OnExpired, OnUnknown
from prefect_videogen.errors import BudgetExceeded, StudioError
from prefect_videogen.filming.delivering import check_target
from prefect_videogen.flows.sleeping import can_suspend
from prefect_videogen.flows.waiting_mode import Wait
from prefect_videogen.forecasting import Forecast
from prefect_videogen.reviewing import IfUnreviewed, Review


@dataclass(frozen=True)
class RunOptions:
    """The parameters that every generate-* flow ends with, and those of generate-storyboard.

    Attributes:
        studio: Name of the studio.
        plan_only: Publish the plan and buy nothing.
        wait: How to wait for jobs.
        budget: Most money to spend; 0 is no limit.
        budget_name: Name of the journal that the budget is kept in.
        max_new_clips: Most clips to buy; 0 is no limit.
        on_unknown: What to do about an earlier submission whose outcome is unknown.
        on_expired: What to do about a bought clip whose result has expired.
        deliver_to: Where to copy the film to.
        variables: Values for the storyboard's variables.
        review: When a person approves.
        review_after: Minutes after which nobody's answer is one too; 0 waits for a person.
        if_unreviewed: What that answer is.
    """

    studio: str = "default"
    plan_only: bool = False
    wait: Wait = "auto"
    budget: float = 0.0
    budget_name: str = ""
    max_new_clips: int = 0
    on_unknown: OnUnknown = "stop"
    on_expired: OnExpired = "stop"
    deliver_to: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    review: Review = "none"
    review_after: int = 0
    if_unreviewed: IfUnreviewed = "reject"

    @property
    def is_reviewed(self) -> bool:
        """Whether the run asks anybody."""
        return self.review != "none" and not self.plan_only

    def check(self) -> None:
        """Refuse what can't be kept, before anything is read or spent.

        Raises:
            StudioError: Naming the parameter and what would do.
        """
        if self.max_new_clips < 0:
            message = f"max_new_clips = {self.max_new_clips} is below 0"
            raise StudioError(message, next_step="Use 0 for no limit.")
        if self.review_after < 0:
            message = f"review_after = {self.review_after} is below 0"
            raise StudioError(message, next_step="Use 0 to wait for a person.")
        if self.review_after and self.review == "none":
            message = f"review_after = {self.review_after}, but review = none"
            raise StudioError(message, next_step="Use review = shots or film, or review_after = 0.")
        if self.is_reviewed and not can_suspend():
            message = f"review = {self.review}, but Prefect suspends only a deployment's own run"
            step = "Start it as a run of a deployment and not inside another run; or review = none."
            raise StudioError(message, next_step=step)
        if self.deliver_to:
            check_target(self.deliver_to)


def scheduled_start() -> datetime:
    """The run's scheduled start, the same on every retry; now outside a run."""
    return flow_run.get_scheduled_start_time()


def check_cap(ahead: Forecast, most: int, bought: int = 0) -> None:
    """Refuse to buy more clips than allowed; 0 allows all.

    Args:
        ahead: What has to be bought.
        most: Most clips that the run may buy.
        bought: How many it has bought, before it slept.

    Raises:
        BudgetExceeded: Before anything is bought.
    """
    count = len(ahead.purchases) + bought
    if most and count > most:
        message = f"{count} clips would have to be bought, max_new_clips is {most}"
        raise BudgetExceeded(message, next_step="Nothing was bought. Raise it or drop shots.")
