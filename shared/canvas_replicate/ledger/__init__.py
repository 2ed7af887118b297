"""The run ledger: the one record of what happened, kept in the target database."""
