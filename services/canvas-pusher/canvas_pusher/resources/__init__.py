"""The kinds of objects that a push changes over REST, one module each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from canvas_pusher.resources import courses, enrollments, sections, users, xlists
from canvas_pusher.resources.resource import Resource

RESOURCES: Mapping[str, Resource] = MappingProxyType(
    {"users": users, "courses": courses, "sections": sections, "xlists": xlists, "enrollments": enrollments}
)
