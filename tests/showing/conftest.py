"""The emulator, the studio `env` and the Prefect server of the whole films' tests."""

from __future__ import annotations

from tests.emulated.conftest import artifact, inbox, module_stage, stage

__all__ = ["artifact", "inbox", "module_stage", "stage"]
