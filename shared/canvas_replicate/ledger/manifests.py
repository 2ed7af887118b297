"""The manifest of an item, compared with what the ledger recorded of it."""

from __future__ import annotations

from canvas_replicate.datfile.manifest import Manifest, read_manifest
from canvas_replicate.datfile.storage import Storage
from canvas_replicate.errors import DataError
from canvas_replicate.ledger.records import RunItem


def read_item_manifest(storage: Storage, item: RunItem) -> Manifest:
    """The manifest of the item's file. Raises DataError where it is missing, or no longer the one that was recorded."""
    manifest = read_manifest(storage.absolute(item.manifest or ""))
    recorded = {
        "table": item.table,
        "source": item.source,
        "rows": item.rows,
        "sha256": item.file_sha256,
        "query_sha256": item.query_sha256,
        "extracted_at": item.extracted_at,
    }
    altered = [name for name, value in recorded.items() if getattr(manifest, name) != value]
    if altered:
        message = f"{item.manifest} is not the manifest that was published (changed: {', '.join(altered)})."
        step = f"Extract the table again: replicate rerun {item.table}"
        raise DataError(message, code="manifest.altered", next_step=step)
    return manifest
