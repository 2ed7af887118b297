"""Leases: which process may work on a key right now. The token only grows, so a late worker can see that it is late."""

from __future__ import annotations

import logging
import math
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from canvas_replicate.databases.ports import DuplicateKey, LedgerDatabase, Session
from canvas_replicate.errors import LeaseBusy, LeaseLost, ReplicateError
from canvas_replicate.ledger.mapper import insert, update

LEASE_SECONDS = 60
RENEW_SECONDS = 15
_TABLE, _OURS = "replicate_lease", "lease_key = :key AND token = :held"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lease:
    """``token`` is one more than that of the holder before."""

    key: str
    owner: str
    token: int


class Leases:
    """Leases over the ledger's database and its clock."""

    def __init__(self, database: LedgerDatabase, owner: str) -> None:
        self._database = database
        self.owner = owner
        self._confirmed: dict[str, tuple[int, float]] = {}  # key -> token, and when the database last confirmed it

    def acquire(self, key: str, seconds: float = LEASE_SECONDS) -> Lease:
        """Raises LeaseBusy while another process holds the key."""
        asked = time.monotonic()
        with self._database.transaction() as session:
            lease = acquire_in(session, key, self.owner, seconds)
        self._confirmed[key] = lease.token, asked
        return lease

    def renew(self, lease: Lease, seconds: float = LEASE_SECONDS) -> None:
        """Raises LeaseLost if another process has taken the key."""
        asked = time.monotonic()
        with self._database.transaction() as session:
            values = {"expires_at": session.now() + timedelta(seconds=seconds)}
            changed = update(session, _TABLE, values, _OURS, key=lease.key, held=lease.token)
        if not changed:
            raise _build_lost(lease)
        self._confirmed[lease.key] = lease.token, asked

    def release(self, lease: Lease) -> None:
        """Release the key; does nothing if another process has taken it."""
        with self._database.transaction() as session:
            release_in(session, lease.key, lease.owner, lease.token)

    def check(self, lease: Lease) -> None:
        """Raises LeaseLost unless the key is still ours: right before every step that changes something."""
        asked = time.monotonic()
        with self._database.transaction() as session:
            require_lease(session, lease)
        self._confirmed[lease.key] = lease.token, asked

    def check_quickly(self, lease: Lease) -> None:
        """As ``check``, for thousands of small steps: it does not ask again within RENEW_SECONDS of a confirmation,
        because no other process can have the key yet."""
        token, asked = self._confirmed.get(lease.key, (0, -math.inf))
        if token != lease.token or time.monotonic() - asked > RENEW_SECONDS:
            self.check(lease)

    def end_all(self) -> None:
        """End every worker's lease. Only for a caller that knows that all other processes are gone."""
        with self._database.transaction() as session:
            where = "owner IS NOT NULL AND lease_key NOT LIKE 'slot:%' AND lease_key NOT LIKE 'message:%'"
            update(session, _TABLE, {"owner": None, "expires_at": session.now()}, where)

    @contextmanager
    def held(self, key: str) -> Iterator[Lease]:
        """Hold the key for the length of a block, renewed in the background."""
        with self._renewed(self.acquire(key)) as lease:
            yield lease

    @contextmanager
    def one_of(self, key: str, places: int) -> Iterator[Lease]:
        """Hold one of several places, as ``held`` does. Raises LeaseBusy while all are taken."""
        first = secrets.randbelow(places)
        for number in range(first, first + places):
            try:
                lease = self.acquire(f"{key}:{number % places}")
            except LeaseBusy:
                continue
            with self._renewed(lease):
                yield lease
            return
        raise LeaseBusy(f"All {places} places of {key} are taken.", key=key)

    @contextmanager
    def _renewed(self, lease: Lease) -> Iterator[Lease]:
        done = threading.Event()
        name = f"renew {lease.key}"
        renewer = threading.Thread(target=self._keep, args=(lease, done.wait), name=name, daemon=True)
        renewer.start()
        try:
            yield lease
        finally:
            done.set()
            renewer.join(RENEW_SECONDS)
            self.release(lease)

    def _keep(self, lease: Lease, done: Callable[[float], bool]) -> None:
        while not done(RENEW_SECONDS):
            try:
                self.renew(lease)
            except LeaseLost:
                return  # the worker finds out at its next check
            except ReplicateError as error:
                log.warning("lease not renewed", extra={"lease_key": lease.key, "reason": error.message})


def acquire_in(session: Session, key: str, owner: str, seconds: float) -> Lease:
    """Acquire inside a transaction that does more. Raises LeaseBusy."""
    now = session.now()
    found = session.query("SELECT owner, token, expires_at FROM replicate_lease WHERE lease_key = :key", key=key)
    expires_at = now + timedelta(seconds=seconds)
    if not found:
        try:
            insert(session, _TABLE, {"lease_key": key, "owner": owner, "token": 1, "expires_at": expires_at})
        except DuplicateKey:
            raise LeaseBusy(f"{key} was taken by another process just now.", key=key) from None
        return Lease(key, owner, 1)
    holder, token, until = found[0]
    token = int(token)
    if holder is not None and until > now:
        raise LeaseBusy(f"{key} is held by {holder} until {until:%H:%M:%S} UTC.", key=key)
    values = {"owner": owner, "token": token + 1, "expires_at": expires_at}
    if not update(session, _TABLE, values, _OURS, key=key, held=token):
        raise LeaseBusy(f"{key} was taken by another process just now.", key=key)
    return Lease(key, owner, token + 1)


def release_in(session: Session, key: str, owner: str, token: int | None = None) -> None:
    same, held = ("", {}) if token is None else (" AND token = :held", {"held": token})
    values = {"owner": None, "expires_at": session.now()}
    update(session, _TABLE, values, f"lease_key = :key AND owner = :holder{same}", key=key, holder=owner, **held)


def revoke_in(session: Session, key: str) -> None:
    """Take the key from whoever holds it: its next check raises LeaseLost."""
    sql = "UPDATE replicate_lease SET owner = NULL, token = token + 1, expires_at = :now WHERE lease_key = :key"
    session.execute(sql, now=session.now(), key=key)


def require_lease(session: Session, lease: Lease) -> None:
    """An UPDATE and not a SELECT: it waits for a process that is taking the key over, and then sees it."""
    where = f"{_OURS} AND owner = :holder"
    if not update(session, _TABLE, {"owner": lease.owner}, where, key=lease.key, held=lease.token, holder=lease.owner):
        raise _build_lost(lease)


def _build_lost(lease: Lease) -> LeaseLost:
    return LeaseLost(f"The lease on {lease.key} was taken over; this work is discarded.")
