"""What a user may set for every engine, beside what plans decide. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .protocol import EngineOptions

NUMA = ("distribute", "isolate", "numactl")
"""llama.cpp's strategies: threads on all nodes, on the node that it started on, as numactl says."""


@dataclass(frozen=True)
class Tuning:
    """``threads`` None: one for each performance core, else for each physical core."""

    threads: int | None = None
    memory_lock: bool = False
    huge_pages: bool = False
    numa: str | None = None

    def applied(self, options: EngineOptions) -> EngineOptions:
        """A rung's options with what was set."""
        return replace(options, memory_lock=self.memory_lock, huge_pages=self.huge_pages, numa=self.numa)


USUAL = Tuning()
