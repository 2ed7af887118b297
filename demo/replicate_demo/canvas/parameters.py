"""Parameters of a request as Rails reads them (fact sheet 4.0): query, form, JSON or multipart, nested by brackets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl

Parameters = dict[str, Any]

_TRUE = {"true", "t", "yes", "y", "on", "1"}
_BRACKETS = re.compile(r"\[([^\]]*)\]")


class Unreadable(Exception):
    """The body is not what its Content-Type says."""


@dataclass(frozen=True)
class Upload:
    filename: str
    content_type: str
    content: bytes


def read_parameters(query: str, body: bytes, content_type: str) -> tuple[Parameters, Upload | None]:
    """Query and body together, the body's value first; and the file of a multipart body. Raises Unreadable."""
    pairs = parse_qsl(query, keep_blank_values=True)
    kind = _parse_header(content_type)
    if kind.get_content_type() == "application/json" and body:
        return {**nest(pairs), **_read_json_object(body)}, None
    if kind.get_content_type() == "application/x-www-form-urlencoded":
        pairs += parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    if kind.get_content_type() == "multipart/form-data":
        fields, upload = _read_multipart(body, str(kind.get_param("boundary", "")))
        return nest(pairs + fields), upload
    return nest(pairs), None


def nest(pairs: Iterable[tuple[str, str]]) -> Parameters:
    """``a[b]=1`` is ``{"a": {"b": "1"}}``, ``ids[]=1&ids[]=2`` is ``{"ids": ["1", "2"]}``."""
    found: Parameters = {}
    for name, value in pairs:
        _put(found, name, value)
    return found


def is_true(value: object) -> bool:
    return str(value).lower() in _TRUE


def split_texts(value: object) -> list[str]:
    """A list, or one text with commas, as a list."""
    if value is None:
        return []
    return [str(each).strip() for each in (value if isinstance(value, list) else str(value).split(","))]


def _put(found: Parameters, name: str, value: str) -> None:
    first = name.partition("[")[0]
    keys = [first, *_BRACKETS.findall(name[len(first) :])]
    inside: Any = found
    for key, following in pairwise(keys):
        inside = inside.setdefault(key, [] if following == "" else {})
        if not isinstance(inside, list if following == "" else dict):
            raise Unreadable(f"{name} is both a value and a collection")
    if keys[-1] == "":
        inside.append(value)
    else:
        inside[keys[-1]] = value


def _read_json_object(body: bytes) -> Parameters:
    try:
        value = json.loads(body)
    except ValueError:
        raise Unreadable("the body is not JSON") from None
    if not isinstance(value, dict):
        raise Unreadable("the body is not a JSON object")
    return value


def _parse_header(content_type: str) -> Message:
    header = Message()
    header["content-type"] = content_type or "application/octet-stream"
    return header


def find_charset(content_type: str) -> str | None:
    found = _parse_header(content_type).get_param("charset")
    return str(found).lower() if found else None


def _read_multipart(body: bytes, boundary: str) -> tuple[list[tuple[str, str]], Upload | None]:
    fields: list[tuple[str, str]] = []
    upload = None
    for part in body.split(b"--" + boundary.encode())[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        headers = BytesParser().parsebytes(head, headersonly=True)
        content = content.removesuffix(b"\r\n")
        filename = headers.get_filename()
        if filename is None:
            name = str(headers.get_param("name", "", header="content-disposition"))
            fields.append((name, content.decode("utf-8", "replace")))
        else:
            upload = Upload(filename, headers.get_content_type(), content)
    return fields, upload
