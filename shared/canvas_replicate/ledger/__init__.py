"""The run ledger: the single record of all runs, kept in the target database."""
