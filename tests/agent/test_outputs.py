"""Is nothing brought back but plain files of the job's own directory?"""

import os
from pathlib import Path

import pytest

from suanlian.agent.outputs import OutputError, collect
from suanlian.agent.stage import Sources, stage
from suanlian.model.errors import InvalidError
from suanlian.model.job import MAX_INLINE_BYTES, Input
from tests.agent.bench import run, spec

NOWHERE = Sources(lambda _sha256: "", lambda _url, _sha256, _target: None, lambda _sha256, _start, _length: "")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("not the job's")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/x").write_text("not the job's")
    folder = tmp_path / "work"
    (folder / "d/e").mkdir(parents=True)
    (folder / "d/e/f").write_bytes(b"1")
    (folder / "d/a").write_bytes(b"22")
    return folder


def test_files_and_directories_come_back_each_once_in_order(work: Path) -> None:
    found = [(each.file.path, each.data) for each in collect(work, ["d", "d/a"])]
    assert found == [("d/a", b"22"), ("d/e/f", b"1")]


@pytest.mark.parametrize("target", ["../secret", "d/a", "/etc/passwd", "nothing"])
def test_a_link_is_not_followed(work: Path, target: str) -> None:
    (work / "link").symlink_to(target)
    with pytest.raises(OutputError, match="'link' cannot be read: it is a symbolic link"):
        list(collect(work, ["link"]))


def test_a_link_on_the_way_and_a_link_within_are_not_followed(work: Path) -> None:
    (work / "way").symlink_to("../outside")
    with pytest.raises(OutputError, match="'way/x' cannot be read"):
        list(collect(work, ["way/x"]))
    (work / "d/link").symlink_to("../../secret")
    with pytest.raises(OutputError, match="'d/link' cannot be read"):
        list(collect(work, ["d"]))


def test_a_working_directory_that_became_a_link_is_not_followed(work: Path, tmp_path: Path) -> None:
    (tmp_path / "moved").symlink_to(work)
    with pytest.raises(OutputError, match="the working directory"):
        list(collect(tmp_path / "moved", ["d"]))


def test_a_pipe_is_refused_at_once(work: Path) -> None:
    os.mkfifo(work / "pipe")
    with pytest.raises(OutputError, match="neither a file nor a directory"):
        list(collect(work, ["pipe"]))


def test_what_is_missing_too_large_or_badly_named_is_named(work: Path) -> None:
    with pytest.raises(OutputError, match="'no' is missing"):
        list(collect(work, ["no"]))
    with (work / "large").open("wb") as stream:
        stream.truncate(MAX_INLINE_BYTES + 1)
    with pytest.raises(OutputError, match="'large' is larger than 16 MiB"):
        list(collect(work, ["large"]))
    (work / "d/\x1b[2J").write_bytes(b"")
    with pytest.raises(OutputError, match="control character"):
        list(collect(work, ["d"]))


def test_inputs_whose_paths_collide_or_climb_are_refused(tmp_path: Path) -> None:
    both = run(spec(inputs=(Input(path="a", content="1"), Input(path="a/b", content="2"))))
    with pytest.raises(InvalidError) as caught:
        stage(both, tmp_path / "s", NOWHERE)
    assert caught.value.code == "path_escapes"
    other = run(spec(inputs=(Input(path="a/b", content="1"), Input(path="a", content="2"))))
    with pytest.raises(InvalidError, match="directory of another input"):
        stage(other, tmp_path / "s", NOWHERE)
    climbs = Input.model_construct(**{**dict(Input(path="a", content="1")), "path": "../a"})
    with pytest.raises(InvalidError) as caught:
        stage(run(spec().model_copy(update={"inputs": (climbs,)})), tmp_path / "s", NOWHERE)
    assert caught.value.code == "path_escapes"
    assert not (tmp_path / "a").exists()
