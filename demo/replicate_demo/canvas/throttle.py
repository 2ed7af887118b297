"""The leaky bucket of each token (fact sheet 5.5). Its unit is seconds of cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock


@dataclass(frozen=True)
class ThrottleLimits:
    """Canvas's defaults. ``request_cost`` stands for what Canvas measures; ``status`` was 403 until autumn 2025."""

    maximum: float = 800
    hwm: float = 600
    outflow: float = 10
    up_front_cost: float = 50
    request_cost: float = 0.05
    status: int = 429


@dataclass
class Bucket:
    """Not shared between tokens. ``enter`` before the work, ``leave`` after it, whether it was refused or not."""

    limits: ThrottleLimits
    level: float = 0.0
    leaked_at: float = 0.0
    lock: Lock = field(default_factory=Lock)

    def enter(self, now: float) -> bool:
        """Charge the up-front cost; False: refuse."""
        with self.lock:
            self._leak(now)
            self._add(self.limits.up_front_cost)
            return self.level < self.limits.hwm

    def leave(self, now: float) -> float:
        """Refund the up-front cost, charge the real one, and return what remains; it may be negative."""
        with self.lock:
            self._leak(now)
            self._add(self.limits.request_cost - self.limits.up_front_cost)
            return self.limits.hwm - self.level

    def _leak(self, now: float) -> None:
        self.level = max(0.0, self.level - max(0.0, now - self.leaked_at) * self.limits.outflow)
        self.leaked_at = now

    def _add(self, cost: float) -> None:
        self.level = min(max(0.0, self.level + cost), self.limits.maximum)
