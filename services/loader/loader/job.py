"""One load: what is loaded, under which lease, by what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from canvas_replicate.config.tables import Table
from canvas_replicate.databases.ports import BulkLoader, Session, Tag, ViewRefresher
from canvas_replicate.datfile.manifest import Manifest
from canvas_replicate.errors import Interrupted
from canvas_replicate.ledger.items import require_loading
from canvas_replicate.ledger.leases import Lease, require_lease
from canvas_replicate.ledger.records import Run, RunItem
from canvas_replicate.runtime import Runtime


@dataclass(frozen=True)
class LoadJob:
    """``published``: the load that readers see, which nobody else can replace while the lease is held."""

    run: Run
    row: RunItem
    table: Table
    manifest: Manifest
    published: RunItem | None
    lease: Lease
    runtime: Runtime
    loader: BulkLoader
    views: ViewRefresher

    @property
    def tag(self) -> Tag:
        return Tag("loader", self.run.run_id, self.table.name)

    def path(self, what: str) -> Path:
        return self.runtime.storage.path(what, self.run.run_id, self.table.name)

    def check(self, session: Session | None) -> None:
        """Raises LeaseLost or Interrupted if the load must stop. An item of a run that was closed is final."""
        self.require_running()
        if session is None:
            self.runtime.ledger.items.require_loading(self.run.run_id, self.table.name, self.lease)
        else:
            require_lease(session, self.lease)
            require_loading(session, self.run.run_id, self.table.name)

    def require_running(self) -> None:
        if self.runtime.stop.is_set():
            raise Interrupted(f"Stopped while loading {self.table.name}.", next_step="Run it again to resume.")
