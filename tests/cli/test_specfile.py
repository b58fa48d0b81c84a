"""Does a file say what it seems to say? Names of fields are names, whatever YAML makes of them elsewhere."""

from pathlib import Path

import pytest

from suanlian.cli.specfile import load, parse
from suanlian.model.demand import AfterWhen

HEAD = """\
name: second
resources: { cpu: 0.5, memory: 64MiB }
network: no
variants: [{ architecture: x86_64, environment: python, command: [python3, -V] }]
"""


@pytest.mark.parametrize("written", ["on: end", '"on": end', "on: 'end'"])
def test_a_field_called_on_is_no_truth_value(tmp_path: Path, written: str) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(f"{HEAD}after: [{{ job: first, {written} }}]\n")
    spec = load(file, (), len)
    assert [one.on for one in spec.after] == [AfterWhen.END]
    assert spec.network is False


def test_names_are_kept_and_what_is_merged_is_merged(tmp_path: Path) -> None:
    file = tmp_path / "any.yaml"
    file.write_text("base: &base { yes: 1, null: 2 }\nmore: { <<: *base, off: no }\n")
    assert parse(file) == {"base": {"yes": "1", "null": "2"}, "more": {"yes": "1", "null": "2", "off": False}}
