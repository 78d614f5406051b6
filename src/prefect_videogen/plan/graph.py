"""The order of clips: what hangs on what, cycles, and the longest way through.

Pure. Chains run in sequence, everything else in parallel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Cycle = tuple[str, ...]
Dependencies = Mapping[str, Sequence[str]]


def find_cycle(dependencies: Dependencies) -> Cycle | None:
    """Find one cycle, or None. Names that are no key of the mapping are ignored."""
    done: set[str] = set()
    for start in dependencies:
        path: list[str] = []
        stack: list[tuple[str, bool]] = [(start, True)]
        while stack:
            name, entering = stack.pop()
            if not entering:
                done.add(path.pop())
            elif name in path:
                return tuple(path[path.index(name) :])
            elif name not in done and name in dependencies:
                path.append(name)
                stack.append((name, False))
                stack += [(needed, True) for needed in dependencies[name]]
    return None


def critical_path(dependencies: Dependencies, durations: Mapping[str, float]) -> float:
    """Length of the longest way through an acyclic graph, in the unit of the durations."""
    ends: dict[str, float] = {}
    waiting = list(dependencies)
    while waiting:
        for name in list(waiting):
            needed = [n for n in dependencies[name] if n in dependencies]
            if all(n in ends for n in needed):
                ends[name] = durations[name] + max((ends[n] for n in needed), default=0.0)
                waiting.remove(name)
    return max(ends.values(), default=0.0)
