"""The command ``replicate-demo``: a campus to copy, and accidents to try on it."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import duckdb
import typer

from replicate_demo.campus import SEED, CampusError, build_campus, empty_table, kept_campus, restore_table

app = typer.Typer(
    help="A deterministic campus to try canvas-replicate on.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
CampusFile = Annotated[Path, typer.Argument(help="The DuckDB file of the campus.")]
TableName = Annotated[str, typer.Argument(help="A table of the campus, such as enrollments.")]


@app.command()
def campus(
    path: CampusFile,
    scale: Annotated[float, typer.Option(help="Times the usual size; 1 has 178,018 enrollments.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other people.")] = SEED,
    fresh: Annotated[bool, typer.Option("--fresh", help="Build even where this campus exists.")] = False,
) -> None:
    """Build the campus, or keep the file that already is it, with all of its rows."""
    kept = None if fresh else kept_campus(path, seed=seed, scale=scale)
    if kept:
        print(f"{path}: kept, it is complete: {_listed(kept)}")
        return
    started = time.monotonic()
    rows = build_campus(path, seed=seed, scale=scale)
    print(f"{path}: built in {time.monotonic() - started:.1f} s: {_listed(rows)}")


@app.command("campus-server")
def campus_server(
    url: Annotated[str, typer.Argument(help="postgresql://user@host/database or oracle://user@host:1521/service.")],
    password: Annotated[str | None, typer.Option(envvar="DEMO_DATABASE_PASSWORD", help="That user's.")] = None,
    reader: Annotated[str | None, typer.Option(help="A user who may then read the campus.")] = None,
    scale: Annotated[float, typer.Option(help="Times the usual size; 1 has 178,018 enrollments.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other people.")] = SEED,
) -> None:
    """Put the campus into the schema sis of a database server, unless it is there."""
    from replicate_demo.campus_server import fill_server

    rows = fill_server(url, password, reader=reader, seed=seed, scale=scale)
    print(f"{url}: built: {_listed(rows)}" if rows else f"{url}: kept, it is complete")


@app.command()
def empty(path: CampusFile, table: TableName) -> None:
    """Take all rows out of one table, as an upstream accident would."""
    print(f"{path}: {table} is empty now, it had {empty_table(path, table):,} rows")


@app.command()
def restore(path: CampusFile, table: TableName) -> None:
    """Put one table back as it was built."""
    print(f"{path}: {table} has its {restore_table(path, table):,} rows again")


@app.command()
def canvas(
    port: Annotated[int, typer.Option(help="Of the API; its file store listens on the next one. 0: any.")] = 8765,
    state: Annotated[Path | None, typer.Option(help="Keep what is changed in this file.")] = None,
    scale: Annotated[float, typer.Option(help="Size of the campus that Canvas has; 1 is all of it.")] = 0.05,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    token: Annotated[str, typer.Option(help="The access token that is taken.")] = "simulated",  # noqa: S107  # it opens nothing else
    report_seconds: Annotated[float, typer.Option(help="How long a report takes.")] = 2.0,
) -> None:
    """Play a Canvas with this campus in it until SIGTERM."""
    from replicate_demo.canvas import serve

    serve(port, state, token=token, scale=scale, host=host, report_seconds=report_seconds)


@app.command()
def fault(
    url: Annotated[str, typer.Argument(help="The simulated Canvas.")],
    name: Annotated[str, typer.Argument(help="An accident of docs/canvas-simulator.md; `clear` ends all.")],
    count: Annotated[int, typer.Option(help="How often it happens.")] = 1,
    option: Annotated[list[str] | None, typer.Option(help="More of it, as name=value.")] = None,
) -> None:
    """Make an accident happen to a simulated Canvas."""
    path = f"{url.rstrip('/')}/_simulator/faults"
    more = {name: _typed(value) for name, _, value in (given.partition("=") for given in option or ())}
    body = None if name == "clear" else json.dumps({"fault": name, "count": count, **more}).encode()
    asked = Request(path, data=body, method="DELETE" if body is None else "POST")  # noqa: S310  # given by hand
    asked.add_header("Content-Type", "application/json")
    try:
        with urlopen(asked, timeout=10) as answer:  # noqa: S310
            armed = json.loads(answer.read())["armed"]
    except HTTPError as error:
        raise CampusError(json.loads(error.read()).get("error", str(error)), exit_code=2) from None
    print(
        f"{len(armed)} accidents wait: {', '.join(each['name'] for each in armed)}" if armed else "No accident waits."
    )


def _typed(value: str) -> object:
    """``12`` and ``0.5`` are numbers to the simulator, which takes no text in their place."""
    return json.loads(value) if re.fullmatch(r"(0|[1-9]\d*)(\.\d+)?", value) else value


def main(arguments: Sequence[str] | None = None) -> None:
    """Exit codes: 0 done, 1 failed, 2 wrong usage or file, 6 the file is open in another process."""
    try:
        app(arguments)
    except CampusError as error:
        print(f"replicate-demo: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from error
    except (duckdb.Error, OSError) as error:
        print(f"replicate-demo: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(1) from error


def _listed(rows: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in rows.items())


if __name__ == "__main__":
    main()
