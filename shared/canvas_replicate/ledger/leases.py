"""Leases: who may work on a key right now. A token that only grows tells a late worker that it is late."""

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

LEASE_SECONDS = 60
RENEW_SECONDS = 15

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lease:
    """``token`` is one more than that of whoever held the key before."""

    key: str
    owner: str
    token: int


class Leases:
    """Leases over the ledger's database and its clock."""

    def __init__(self, database: LedgerDatabase, owner: str) -> None:
        self._database = database
        self.owner = owner
        self._confirmed: dict[str, tuple[int, float]] = {}  # key -> token, when the database last said it is ours

    def acquire(self, key: str, seconds: float = LEASE_SECONDS) -> Lease:
        """Raises LeaseBusy while somebody else holds the key."""
        asked = time.monotonic()
        with self._database.transaction() as session:
            lease = acquire_in(session, key, self.owner, seconds)
        self._confirmed[key] = lease.token, asked
        return lease

    def renew(self, lease: Lease, seconds: float = LEASE_SECONDS) -> None:
        """Raises LeaseLost when the key was taken over."""
        asked = time.monotonic()
        with self._database.transaction() as session:
            expires_at = session.now() + timedelta(seconds=seconds)
            changed = session.execute(
                "UPDATE replicate_lease SET expires_at = :expires_at WHERE lease_key = :key AND token = :token",
                expires_at=expires_at,
                key=lease.key,
                token=lease.token,
            )
        if not changed:
            raise _lost(lease)
        self._confirmed[lease.key] = lease.token, asked

    def release(self, lease: Lease) -> None:
        """Give the key back; does nothing when it was taken over already."""
        with self._database.transaction() as session:
            release_in(session, lease.key, lease.owner, lease.token)

    def check(self, lease: Lease) -> None:
        """Raises LeaseLost unless the key is still ours: right before every step that changes something."""
        asked = time.monotonic()
        with self._database.transaction() as session:
            require_lease(session, lease)
        self._confirmed[lease.key] = lease.token, asked

    def check_quickly(self, lease: Lease) -> None:
        """As ``check``, for thousands of small steps: the database is not asked again while nobody else can have the
        key yet, because it was ours less than RENEW_SECONDS ago."""
        token, asked = self._confirmed.get(lease.key, (0, -math.inf))
        if token != lease.token or time.monotonic() - asked > RENEW_SECONDS:
            self.check(lease)

    def break_all(self) -> None:
        """End every worker's lease: only for whoever knows that all other processes are gone."""
        with self._database.transaction() as session:
            session.execute(
                "UPDATE replicate_lease SET owner = NULL, expires_at = :now WHERE owner IS NOT NULL"
                " AND lease_key NOT LIKE 'slot:%'",
                now=session.now(),
            )

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
            session.execute(
                "INSERT INTO replicate_lease (lease_key, owner, token, expires_at)"
                " VALUES (:key, :owner, 1, :expires_at)",
                key=key,
                owner=owner,
                expires_at=expires_at,
            )
        except DuplicateKey:
            raise LeaseBusy(f"{key} was taken by somebody else this moment.", key=key) from None
        return Lease(key, owner, 1)
    holder, token, until = found[0]
    token = int(token)
    if holder is not None and until > now:
        raise LeaseBusy(f"{key} is held by {holder} until {until:%H:%M:%S} UTC.", key=key)
    changed = session.execute(
        "UPDATE replicate_lease SET owner = :owner, token = token + 1, expires_at = :expires_at"
        " WHERE lease_key = :key AND token = :token",
        owner=owner,
        expires_at=expires_at,
        key=key,
        token=token,
    )
    if not changed:
        raise LeaseBusy(f"{key} was taken by somebody else this moment.", key=key)
    return Lease(key, owner, token + 1)


def release_in(session: Session, key: str, owner: str, token: int | None = None) -> None:
    same = "" if token is None else " AND token = :token"
    values = {} if token is None else {"token": token}
    session.execute(
        f"UPDATE replicate_lease SET owner = NULL, expires_at = :now WHERE lease_key = :key AND owner = :owner{same}",
        now=session.now(),
        key=key,
        owner=owner,
        **values,
    )


def require_lease(session: Session, lease: Lease) -> None:
    """An UPDATE and not a SELECT: it waits for, and then sees, whoever is just taking the key over."""
    changed = session.execute(
        "UPDATE replicate_lease SET owner = :owner WHERE lease_key = :key AND token = :token AND owner = :owner",
        owner=lease.owner,
        key=lease.key,
        token=lease.token,
    )
    if not changed:
        raise _lost(lease)


def _lost(lease: Lease) -> LeaseLost:
    return LeaseLost(f"The lease on {lease.key} was taken over; this work is discarded.")
