"""The long-running worker: it consumes one queue, tends the ledger and serves its state over HTTP."""
