"""The examples that ship are jobs that a hub takes."""

from pathlib import Path

import pytest
import yaml

from suanlian.model.job import JobSpec

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))


def test_there_are_examples() -> None:
    assert EXAMPLES


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_a_job(path: Path) -> None:
    written = yaml.safe_load(path.read_text("utf-8"))
    for item in written.get("inputs", []):
        if (beside := item.pop("file", None)) is not None:  # the command line reads files that lie beside
            item |= {"path": beside, "content": (path.parent / beside).read_text("utf-8")}
    spec = JobSpec.model_validate(written)
    assert spec.name == path.stem
