"""The command line. Prefect is imported only by the commands that need it, so `--help` is quick.

Exit codes: 0 all films, 1 some shots or films failed (the rest is kept), 2 the storyboard or the
settings are wrong, 3 stopped by a limit on spending; 130 and 143 stopped by Ctrl-C and SIGTERM.
"""

from __future__ import annotations

import sys
from typing import NoReturn

from prefect_videogen.cli.app import app, exit_code_of, show_error
from prefect_videogen.errors import VideoGenError


def main() -> None:
    """Run a command and end with its exit code."""
    try:
        app()
    except VideoGenError as error:
        _fail(error)
    except Exception as error:
        from prefect_videogen.cli.reaching import server_fault

        fault = server_fault(error)
        if fault is None:
            raise
        _fail(fault)


def _fail(error: VideoGenError) -> NoReturn:
    show_error(error)
    sys.exit(exit_code_of(error))


__all__ = ["main"]
