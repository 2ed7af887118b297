"""python -m bench [--quick] [--long] [--page] [CASE ...]: measure, print, write results; of all, docs/benchmarks.md."""

from __future__ import annotations

import argparse
import os
import time

import extractor  # noqa: F401  # first: it says how many threads polars takes
from bench.cases import CASES
from bench.harness import Result, Scale
from bench.measuring import measure_cases
from bench.report import describe_machine, print_result, write_page, write_results
from bench.rivals import install_rivals

# Ten minutes for all: after these each way is measured once.
FULL_SECONDS = 400


def main(words: list[str] | None = None) -> None:
    options = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    options.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(case.key for case in CASES))
    options.add_argument("--quick", action="store_true", help="the smoke form: little input, each way once, no page")
    options.add_argument("--long", action="store_true", help="also what takes more than ten minutes in all")
    options.add_argument("--page", action="store_true", help="write docs/benchmarks.md of the named cases alone")
    options.add_argument("--offline", action="store_true", help="install no rival; measure those that are there")
    asked = options.parse_args(words)
    unknown = set(asked.cases) - {case.key for case in CASES}
    if unknown:
        options.error(f"no such case: {', '.join(sorted(unknown))}")
    # What is long comes last: it must not use up the time of the others.
    usual = sorted((case for case in CASES if asked.long or not case.is_long), key=lambda case: case.is_long)
    chosen = [case for case in CASES if case.key in asked.cases] or usual
    started = time.monotonic()
    rivals = install_rivals(offline=asked.offline)
    scale = Scale(asked.quick, rivals, until=time.monotonic() + FULL_SECONDS)
    machine = describe_machine(rivals.versions)
    name = "quick" if asked.quick else "some" if asked.cases else "benchmark"
    results: list[Result] = []
    for result, took in measure_cases(chosen, scale):
        results.append(result)
        print_result(result, quick=asked.quick, took=took)
        path = write_results(name, machine, results)  # after each: an interrupted run keeps what it has
    if name == "benchmark" or asked.page:
        write_page(machine, results)
    print(f"\n{time.monotonic() - started:.0f} s; written: {path.relative_to(path.parents[2])}")
    if failed := [result.key for result in results if result.failed]:
        raise SystemExit(f"failed: {', '.join(failed)}")


def hide_settings() -> None:
    """Remove REPLICATE_ variables: programs take each for a setting, and the cases have read those of the tests."""
    for name in [name for name in os.environ if name.startswith("REPLICATE_")]:
        del os.environ[name]


if __name__ == "__main__":
    hide_settings()
    main()
