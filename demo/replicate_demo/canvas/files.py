"""Files that Canvas hands out: ``/files/:id/download`` with a verifier, then a redirect to a store (fact sheet 1.7).

The store is another origin. It behaves like an object store with signed links: it takes no token beside the
signature, and a link is good for a while only.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlencode

from replicate_demo.canvas.answers import (
    LOGIN_PAGE,
    Answer,
    answer_html,
    answer_server_error,
    answer_xml_error,
    redirect,
)
from replicate_demo.canvas.model import format_stamp, make_id

if TYPE_CHECKING:
    from replicate_demo.canvas.site import Site


@dataclass(frozen=True)
class StoredFile:
    """``chunks`` starts anew with every call."""

    id: int
    uuid: str
    name: str
    content_type: str
    size: int
    created_at: str
    chunks: Callable[[], Iterator[bytes]]


def keep(
    site: Site, name: str, content_type: str, size: int, chunks: Callable[[], Iterator[bytes]], now: float
) -> StoredFile:
    file = StoredFile(make_id(site.files), uuid.uuid4().hex, name, content_type, size, format_stamp(now), chunks)
    site.files[file.id] = file
    return file


def keep_bytes(site: Site, name: str, content_type: str, content: bytes, now: float) -> StoredFile:
    return keep(site, name, content_type, len(content), lambda: iter([content]), now)


def build_attachment_json(file: StoredFile, origin: str) -> dict[str, Any]:
    """Fact sheet 1.6; mind the hyphen in ``content-type``."""
    return {
        "id": file.id,
        "uuid": file.uuid,
        "folder_id": None,
        "display_name": file.name,
        "filename": file.name,
        "workflow_state": "processed",
        "upload_status": "success",
        "content-type": file.content_type,
        "url": f"{origin}/files/{file.id}/download?download_frd=1&verifier={file.uuid}",
        "size": file.size,
        "created_at": file.created_at,
        "updated_at": file.created_at,
        "unlock_at": None,
        "locked": False,
        "hidden": False,
        "lock_at": None,
        "hidden_for_user": False,
        "thumbnail_url": None,
        "modified_at": file.created_at,
        "mime_class": "zip" if file.content_type == "application/zip" else "file",
        "media_entry_id": None,
        "locked_for_user": False,
    }


def download(site: Site, file_id: int, query: str, store_origin: str, now: float) -> Answer | None:
    """To the store, for who knows the verifier; None: this needs a login."""
    file = site.files.get(file_id)
    verifier = parse_qs(query).get("verifier", [""])[0]
    if file is None or not hmac.compare_digest(verifier.encode(), file.uuid.encode()):
        return None
    expires = str(now + site.options.link_seconds)
    signed = urlencode({"expires": expires, "signature": _sign(site, file.uuid, expires)})
    return redirect(f"{store_origin}/{file.uuid}/{quote(file.name)}?{signed}")


def answer_from_store(site: Site, name: str, query: str, *, authorization: bool, now: float) -> Answer:
    """What the store answers to a GET."""
    if authorization:
        return answer_xml_error(400, "InvalidArgument", "Only one auth mechanism allowed")
    given = {name: values[0] for name, values in parse_qs(query).items()}
    expires, signature = given.get("expires", "0"), given.get("signature", "")
    if not hmac.compare_digest(signature.encode(), _sign(site, name, expires).encode()):
        return answer_xml_error(403, "SignatureDoesNotMatch", "The signature does not match")
    if now >= float(expires) or site.faults.take("expired_link"):
        return answer_xml_error(403, "AccessDenied", "Request has expired")
    file = next((each for each in site.files.values() if each.uuid == name), None)
    return _answer_content(site, file) if file else answer_xml_error(404, "NoSuchKey", "There is no such file")


def _answer_content(site: Site, file: StoredFile) -> Answer:
    if fault := site.faults.take("store_error"):
        return answer_server_error(fault.status)
    if site.faults.take("html_file"):
        return answer_html(LOGIN_PAGE)
    answer = Answer(200, content_type=file.content_type, chunks=file.chunks(), length=file.size)
    if site.faults.take("truncated_file"):
        answer.length = file.size // 2
    if site.faults.take("reset_download"):
        answer.reset_after = file.size // 2
    return answer


def _sign(site: Site, name: str, expires: str) -> str:
    return hmac.new(site.store_key, f"{name} {expires}".encode(), hashlib.sha256).hexdigest()
