"""The callback receiver: takes vendors' deliveries, and settles what they hint at.

A program of its own, on top of everything; several of them may run side by side.
"""

from prefect_videogen.callbacks.app import build_app
from prefect_videogen.callbacks.clerk import Clerk, Finished
from prefect_videogen.callbacks.deliveries import Delivery
from prefect_videogen.callbacks.inbox import Inbox
from prefect_videogen.callbacks.serving import serve

__all__ = ["Clerk", "Delivery", "Finished", "Inbox", "build_app", "serve"]
