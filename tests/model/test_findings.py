"""Do the faults of a document come in words that say what to write, each once?"""

import json

import pytest

from suanlian.api.deps import parsed
from suanlian.model.errors import InvalidError
from suanlian.model.findings import IMAGE_RULE, MOMENT_RULE, NAME_RULE
from suanlian.model.job import JobSpec
from suanlian.model.reading import read
from suanlian.testing.people_samples import spec


def faults(document: dict[str, object]) -> dict[str, str]:
    """Field -> what was wrong, as told to whoever reads a file, and the same as told by a hub."""
    with pytest.raises(InvalidError) as read_here:
        read(JobSpec, document)
    with pytest.raises(InvalidError) as sent:
        parsed(json.dumps(document).encode(), JobSpec)
    assert read_here.value.faults == sent.value.faults
    return {fault.field: f"{fault.wrong} {fault.todo}".rstrip() for fault in sent.value.faults}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"wants": {"platfrom": "x"}}, {"wants.platfrom": "is no field here Did you mean platform?"}),
        ({"zzz": 1}, {"zzz": "is no field here"}),
        ({"name": "Big!"}, {"name": NAME_RULE}),
        ({"env": ["A"]}, {"env": "write fields with their values"}),
        ({"variants": []}, {"variants": "write at least 1"}),
        ({"array_size": 0}, {"array_size": "write at least 1"}),
        ({"array_size": 100_001}, {"array_size": "write at most 100000"}),
        ({"budget": 0}, {"budget": "write more than 0"}),
        ({"purpose": "x" * 201}, {"purpose": "write at most 200 characters"}),
        ({"deadline": "2026-11-27 10:00"}, {"deadline": MOMENT_RULE}),
        ({"deadline": "tomorrow"}, {"deadline": MOMENT_RULE}),
        ({"wants": {"detour": "0.5"}}, {"wants.detour": "write at most 0.05"}),
        ({"estimate_s": "long"}, {"estimate_s": "write a whole number"}),
    ],
)
def test_a_fault_says_what_to_write(changes: dict[str, object], told: dict[str, str]) -> None:
    found = faults(spec(**changes))
    assert found.keys() == told.keys()
    for field, words in told.items():
        assert words in found[field]


def test_a_mistyped_field_of_a_list_names_its_neighbour_and_the_list_is_not_called_short() -> None:
    variant = {"architecture": "x86_64", "environment": "python", "comand": ["python"]}
    assert faults(spec(variants=[variant])) == {
        "variants.0.comand": "is no field here Did you mean command?",
        "variants.0.command": "is missing",
    }


def test_a_text_where_a_list_belongs_is_told_so() -> None:
    variant = {"architecture": "x86_64", "environment": "python", "command": "python pi.py"}
    assert faults(spec(variants=[variant])) == {"variants.0.command": "write a list"}


def test_an_image_by_its_tag_is_told_to_be_named_by_its_digest() -> None:
    variant = {"architecture": "x86_64", "image": "python:3.13", "command": ["python"]}
    assert faults(spec(variants=[variant])) == {"variants.0.image": IMAGE_RULE}
