"""Metrics (DESIGN section 12). Base units; a run id is never a label."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram, Info

from canvas_replicate import __version__

_SECONDS = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 10800)

messages = Counter("replicate_messages", "Messages by how they ended.", ["stage", "type", "outcome"])
handler_seconds = Histogram("replicate_handler_seconds", "Time in a handler.", ["stage", "outcome"], buckets=_SECONDS)
in_progress = Gauge("replicate_in_progress", "Messages being worked on.", ["stage"])
in_progress_start = Gauge(
    "replicate_in_progress_start_timestamp_seconds",
    "Start of the work in progress; 0 when idle.",
    ["stage"],
)
rows_extracted = Counter("replicate_rows_extracted", "Rows written to .dat files.", ["table"])
bytes_written = Counter("replicate_bytes_written", "Bytes written to .dat files.", ["table"])
rows_loaded = Counter("replicate_rows_loaded", "Rows loaded and verified.", ["table"])
tables_unchanged = Counter("replicate_tables_unchanged", "Tables whose file was what is published already.", ["table"])
rows_rejected = Counter("replicate_rows_rejected", "Records that went to a bad file.", ["table"])
view_refresh_seconds = Histogram("replicate_view_refresh_seconds", "View refreshes.", ["view"], buckets=_SECONDS)
table_last_success = Gauge(
    "replicate_table_last_success_timestamp_seconds", "Time of the rows that readers see.", ["table"]
)
table_expected = Gauge(
    "replicate_table_expected_info", "1 for each table that a schedule publishes.", ["table", "schedule"]
)
report_seconds = Histogram("replicate_report_seconds", "From start to file here.", ["report"], buckets=_SECONDS)
run_last = Gauge(
    "replicate_run_last_timestamp_seconds", "When a schedule's runs last ended this way.", ["schedule", "status"]
)
held_artifacts = Gauge("replicate_held_artifacts", "Artifacts that wait for a decision.", ["gate"])
guard_holds = Counter("replicate_guard_holds", "Artifacts that a gate stopped.", ["gate"])
push_operations = Counter(
    "replicate_push_operations",
    "Changes that were pushed to Canvas: applied, adopted (found there already), rejected.",
    ["process", "action", "outcome"],
)
build = Info("replicate_build", "The running version.")
build.info({"version": __version__})
