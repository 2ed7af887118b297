"""A Canvas to try things on: reports, downloads, terms, SIS imports, enrollments, throttling and accidents.

"Fact sheet" in this package means this project's collection of what Canvas's source and vendor say of its REST API.
"""

from __future__ import annotations

from replicate_demo.canvas.seeding import seed
from replicate_demo.canvas.simulator import CanvasSimulator, serve
from replicate_demo.canvas.site import Options
from replicate_demo.canvas.throttle import ThrottleLimits

__all__ = ["CanvasSimulator", "Options", "ThrottleLimits", "seed", "serve"]
