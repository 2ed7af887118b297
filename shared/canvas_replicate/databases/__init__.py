"""The database ports and their adapters, one package per driver."""
