from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from canvas_replicate.datfile.manifest import Manifest, ManifestColumn, MissingColumn, read_manifest
from canvas_replicate.datfile.statistics import Figures
from canvas_replicate.datfile.storage import Storage, compute_sha256, write_manifest, written_aside
from canvas_replicate.errors import DataError

RUN = "20300101T040000Z-hourly-0a1b2c"


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path)


def publish(storage: Storage, content: bytes = b"1#EOR#\n") -> Manifest:
    path = storage.path("dat", RUN, "tmp_x")
    with written_aside(path, 1) as part:
        part.write_bytes(content)
    manifest = Manifest(
        run_id=RUN,
        table="tmp_x",
        source="campus",
        query="SELECT 1",
        query_sha256="0" * 64,
        file=storage.relative(path),
        rows=1,
        bytes=len(content),
        sha256=compute_sha256(path),
        extracted_at=datetime(2030, 1, 1, tzinfo=UTC),
        seconds=0.1,
        columns=(ManifestColumn(name="a", type="NUMBER(1)", kind="number", precision=1, scale=0, figures=Figures()),),
    )
    write_manifest(storage.path("manifest", RUN, "tmp_x"), manifest, 1)
    return manifest


def test_missing_columns_are_written_only_where_there_are_some(storage: Storage) -> None:
    path = storage.path("manifest", RUN, "tmp_x")
    manifest = publish(storage)
    assert "missing_columns" not in path.read_text("utf-8")  # what an older reader understands
    assert read_manifest(path) == manifest
    lacking = manifest.model_copy(update={"missing_columns": (MissingColumn(name="b", renamed="c"),)})
    write_manifest(path, lacking, 2)
    assert read_manifest(path) == lacking


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a" / "x.dat"

    def fail_half_way() -> None:
        with written_aside(path, 7) as part:
            part.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert list(path.parent.iterdir()) == []
    with written_aside(path, 7) as part:
        assert part.name == "x.dat.7.part"
        part.write_bytes(b"whole")
    assert path.read_bytes() == b"whole"


def test_parts_of_dead_holders_of_the_lease_go_with_the_next_whole_file(tmp_path: Path) -> None:
    others = ["x.dat.8.part", "x.dat.plan.part", "x.dat.more.3.part", "y.dat.3.part"]
    for name in ("x.dat.3.part", "x.dat.6.part", *others):
        (tmp_path / name).write_bytes(b"half")
    with written_aside(tmp_path / "x.dat", 7) as part:
        part.write_bytes(b"whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["x.dat", *others])


def test_a_failed_rewrite_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.dat"
    path.write_bytes(b"old")

    def fail_half_way() -> None:
        with written_aside(path, 7) as part:
            part.write_bytes(b"new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert path.read_bytes() == b"old"


def test_a_published_file_verifies(storage: Storage) -> None:
    manifest = publish(storage)
    assert storage.verified(RUN, "tmp_x") == manifest
    assert storage.verify(manifest).read_bytes() == b"1#EOR#\n"


def test_without_its_manifest_a_file_is_not_there(storage: Storage) -> None:
    publish(storage)
    storage.path("manifest", RUN, "tmp_x").unlink()
    assert storage.verified(RUN, "tmp_x") is None


@pytest.mark.parametrize(
    ("change", "code"),
    [(b"2#EOR#\n", "file.sha256"), (b"1#EOR#\n1#EOR#\n", "file.size"), (None, "file.missing")],
)
def test_a_file_that_is_not_what_its_manifest_says_is_refused(
    storage: Storage, change: bytes | None, code: str
) -> None:
    manifest = publish(storage)
    path = storage.path("dat", RUN, "tmp_x")
    path.write_bytes(change) if change else path.unlink()
    with pytest.raises(DataError) as caught:
        storage.verify(manifest)
    assert caught.value.code == code
    assert "replicate rerun tmp_x" in caught.value.next_step
    assert storage.verified(RUN, "tmp_x") is None


@pytest.mark.parametrize("text", ["", "{", '{"version": 2}', "[]"])
def test_a_manifest_that_is_none_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tmp_x.manifest.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"tmp_x\.manifest\.json"):
        read_manifest(path)


@pytest.mark.parametrize(("run_id", "table"), [("../x", "tmp_x"), (RUN, "../x"), (RUN, "TMP"), (f"{RUN}/..", "t")])
def test_a_name_that_leaves_the_storage_is_refused(storage: Storage, run_id: str, table: str) -> None:
    with pytest.raises(ValueError, match="cannot be part of a path"):
        storage.path("dat", run_id, table)


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "dat/../../x"])
def test_a_message_cannot_name_a_file_elsewhere(storage: Storage, path: str) -> None:
    with pytest.raises(DataError, match="is not on the shared storage"):
        storage.absolute(path)


def test_old_runs_go_and_kept_ones_stay(storage: Storage) -> None:
    names = ["20300101T040000Z-hourly-aaaaaa", "20300102T040000Z-hourly-bbbbbb", "20300109T040000Z-hourly-cccccc"]
    for name in names:
        for kind in ("dat", "bad", "logs"):
            (storage.root / kind / name).mkdir(parents=True)
    (storage.root / "dat" / "something else").mkdir()
    gone = storage.expire(datetime(2030, 1, 5, tzinfo=UTC), keep={names[1]})
    assert gone == [names[0]]
    left = {path.name for path in storage.root.glob("*/*")}
    assert left == {names[1], names[2], "something else"}
