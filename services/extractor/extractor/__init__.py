"""Queries source tables into verified .dat files."""

import os

# Before polars is imported: fetching keeps one core busy, and more threads than cores only wait for each other.
os.environ.setdefault("POLARS_MAX_THREADS", "1")


def main() -> None:
    """The program `extractor`."""
    from canvas_replicate.cli.launch import launch

    launch("extractor.__main__")
