"""Read by every Python that a test starts: a Prefect server there collects garbage in a thread.

Seen with gdb in servers of these tests (Prefect 3.8.8, Python 3.11): a statement that was cancelled
leaves a cursor in a cycle of a traceback. When the collector happens to run in the event loop's
thread, it resets that cursor and waits for its connection's mutex, which belongs to a statement
that waits for the write lock, which belongs to a transaction of that same event loop. All stand
still until SQLite's busy timeout ends it after 60 s, and whichever test is running then fails.
Another thread waits without the interpreter's lock, and the loop goes on.
"""

import sys

SERVER = "prefect.server.api.server:"
EVERY = 10.0
"""Seconds between two collections."""

if any(argument.startswith(SERVER) for argument in sys.orig_argv):
    import gc
    import threading
    import time

    def collect() -> None:
        """Collect garbage for as long as the process lives."""
        while True:
            time.sleep(EVERY)
            gc.collect()

    gc.disable()
    threading.Thread(target=collect, name="garbage", daemon=True).start()
