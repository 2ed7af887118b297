from __future__ import annotations

from tests.behaviours.ledger import LedgerBehaviour


class TestLedgerOnDuckDb(LedgerBehaviour):
    pass
