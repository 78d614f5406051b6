"""How soon `prefect-videogen --help` answers, beside Python alone and Python with Prefect.

`python benchmarks/bench_startup.py` takes the median of five starts of each, one after the other
in turn. Files are in the page cache, as they are on any machine in use; the first start of each is
printed too. Ends with 1 if the median of `--help` is above a second, or it imports Prefect.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

STARTS = 5
AT_MOST = 1.0
"""Seconds."""

PROGRAM = str(Path(sys.executable).with_name("prefect-videogen"))
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    'python -c "import prefect"': [sys.executable, "-c", "import prefect"],
    "prefect-videogen --help": [PROGRAM, "--help"],
}
HEAVY = """
import sys
from prefect_videogen.cli import main
try:
    main()
except SystemExit:
    pass
sys.stderr.write(" ".join(sorted({"prefect", "av", "s3fs", "uvicorn", "numpy"} & set(sys.modules))))
"""


def seconds_of(command: list[str]) -> tuple[float, float]:
    """How long one start takes, and how much of a processor: where they differ, others work too."""
    began, before = time.perf_counter(), processor_time()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began, processor_time() - before


def processor_time() -> float:
    """Processor time of all children so far, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    """Measure and print; the exit code says whether it is quick enough."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for _ in range(STARTS):
        for name, command in COMMANDS.items():
            taken[name].append(seconds_of(command))
    medians = {}
    for name, starts in taken.items():
        times, used = zip(*starts, strict=True)
        medians[name] = statistics.median(times)
        print(
            f"{name:<28} median {medians[name]:.2f} s, first {times[0]:.2f} s, "
            f"slowest {max(times):.2f} s; processor {statistics.median(used):.2f} s"
        )
    command = [sys.executable, "-c", HEAVY, "--help"]
    heavy = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    print(f"heavy modules that --help imports: {heavy or 'none'}")
    slow = medians["prefect-videogen --help"] > AT_MOST
    return int(slow or "prefect" in heavy.split())


if __name__ == "__main__":
    sys.exit(main())
