"""Versions that meet: a newer peer may say more, a person may not; large numbers and decimals travel as texts."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from suanlian.model import charge, event, job, node, offer, party, placement, platform, protocol, report, usage, version
from suanlian.model.base import LongText, Name, Text, Utc, Value, Wire
from suanlian.model.errors import CODES, InvalidError
from suanlian.model.job import JobSpec
from suanlian.model.offer import NewOffer
from suanlian.model.party import NewEntity
from suanlian.model.platform import Site
from suanlian.model.protocol import Int64, LogCall, PollCall
from suanlian.model.reading import read
from suanlian.model.usage import UsageSegment
from suanlian.testing.strategies import moments, names, resources, texts

ROOMS = (charge, event, job, node, offer, party, placement, platform, protocol, report, usage, version)
INT64: TypeAdapter[int] = TypeAdapter(Int64)
UTC_MOMENT: TypeAdapter[datetime] = TypeAdapter(Utc)
TEXT: TypeAdapter[str] = TypeAdapter(Text)
NAME: TypeAdapter[str] = TypeAdapter(Name)

FROM_PEERS = {"protocol", "report", "node", "outlook"}
"""Rooms whose values come from another hub or connector; documents that are signed and kept stand elsewhere."""

PARTS_FROM_PEERS = {
    *("Footing", "LocalData", "ProviderAbout"),
    *("Candidate", "CostTerm", "Explanation", "FailedFilter", "MarketView", "Queueing", "Shut"),
}
"""Parts of such values that stand with their subject: of an instruction, of what a hub says of itself, of places."""


def values() -> list[type[BaseModel]]:
    found = [thing for room in ROOMS for thing in vars(room).values() if isinstance(thing, type)]
    return sorted({k for k in found if issubclass(k, BaseModel)} - {Value, Wire, BaseModel}, key=lambda k: k.__name__)


@pytest.mark.parametrize("kind", values(), ids=lambda kind: kind.__name__)
def test_what_peers_send_may_be_wider_and_what_people_send_may_not(kind: type[BaseModel]) -> None:
    is_from_peers = kind.__module__.rsplit(".", 1)[-1] in FROM_PEERS or kind.__name__ in PARTS_FROM_PEERS
    assert issubclass(kind, Wire) == is_from_peers
    assert kind.model_config["extra"] == ("ignore" if is_from_peers else "forbid")
    assert kind.model_config["frozen"] is True


def test_a_field_of_a_later_version_is_passed_over_in_a_call_and_refused_in_a_spec() -> None:
    assert PollCall.model_validate_json('{"revision": "7", "of_tomorrow": {"a": 1}}') == PollCall(revision=7)
    with pytest.raises(ValidationError, match="of_tomorrow"):
        NewEntity.model_validate({"name": "a", "of_tomorrow": 1})


@given(st.integers(0, 2**63 - 1))
def test_large_integers_travel_as_texts(number: int) -> None:
    text = PollCall(revision=number).model_dump_json()
    assert json.loads(text)["revision"] == str(number)
    assert PollCall.model_validate_json(text).revision == number
    assert INT64.validate_json(str(number)) == number


@pytest.mark.parametrize("given_", [-1, 2**63, "-1", str(2**63), "1.5", 1.5, "1e3", "", "x", None, float("nan")])
def test_what_is_no_64_bit_count_is_refused(given_: Any) -> None:  # noqa: ANN401 - anything
    with pytest.raises(ValidationError):
        INT64.validate_python(given_)


@given(resources(), moments, st.timedeltas(timedelta(0), timedelta(hours=1)), st.integers(0, 10**6))
def test_usage_travels_with_decimals_as_texts(granted: Any, start: datetime, length: timedelta, cpu: int) -> None:  # noqa: ANN401 - Resources
    one = UsageSegment.model_validate(
        {
            "attempt_id": "a",
            "sequence": 0,
            "started_at": start,
            "ended_at": start + min(length, datetime(9999, 12, 31, tzinfo=UTC) - start),
            "granted": granted,
            "cpu_s": Decimal(cpu).scaleb(-6),
            "peak_memory_mib": 1,
        }
    )
    said = json.loads(one.model_dump_json())
    assert UsageSegment.model_validate(said) == one
    assert all(isinstance(said[name], str) for name in ("cpu_s", "started_at", "ended_at"))
    assert all(isinstance(amount, str) for amount in said["granted"].values())


def test_a_segment_does_not_end_before_it_starts() -> None:
    fields = {"attempt_id": "a", "sequence": 0, "granted": {}, "cpu_s": "0", "peak_memory_mib": 0}
    with pytest.raises(ValidationError, match="ends before it starts"):
        UsageSegment.model_validate(fields | {"started_at": "2026-01-01T00:00:01Z", "ended_at": "2026-01-01T00:00:00Z"})


@given(moments, st.integers(-23, 23))
def test_a_moment_is_the_same_moment_in_utc(moment: datetime, hours: int) -> None:
    away = moment.astimezone(timezone(timedelta(hours=hours))) if 2 < moment.year < 9998 else moment
    back = UTC_MOMENT.validate_python(away)
    assert back == moment
    assert back.tzinfo is UTC
    text = json.loads(UTC_MOMENT.dump_json(back))
    assert text.endswith("Z")
    assert UTC_MOMENT.validate_json(json.dumps(text)) == moment


@pytest.mark.parametrize("text", ["2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-10:00", "x"])
def test_moments_without_a_zone_or_beyond_the_calendar_are_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        UTC_MOMENT.validate_python(text)


@pytest.mark.parametrize(
    "char", ["\x00", "\x07", "\x1b", "\n", "\r", "\t", "\x7f", "\x85", "\u200b", "\u202e", "\u2028"]
)
@pytest.mark.parametrize("kind", [Text, LongText])
def test_control_and_invisible_characters_are_named_and_refused(kind: Any, char: str) -> None:  # noqa: ANN401 - an annotation
    with pytest.raises(ValidationError, match=rf"U\+{ord(char):04X} at place 1"):
        TypeAdapter(kind).validate_python(f"a{char}b")


@given(texts)
def test_lines_in_any_script_are_taken_as_they_are(text: str) -> None:
    assert TEXT.validate_python(text) == text


@given(names)
def test_names_that_people_type_are_taken(name: str) -> None:
    assert NAME.validate_python(name) == name


@pytest.mark.parametrize("name", ["", "A", "-a", "a-", "a b", "a/b", "ａ", "é", "a\n", "a" * 64, "..", "_"])
def test_names_that_would_be_mistaken_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        NAME.validate_python(name)


def test_reading_a_document_names_all_faults() -> None:
    with pytest.raises(InvalidError) as refused:
        read(JobSpec, {"name": "A", "resources": {"cpu": 0.5, "memory": "1"}, "variants": [], "colour": 1})
    fields = {found.field for found in refused.value.faults}
    assert fields == {"name", "resources.cpu", "resources.memory", "variants", "colour"}
    assert refused.value.code in CODES
    assert all(found.wrong for found in refused.value.faults)


def test_an_offer_prices_each_kind_once() -> None:
    rate = {"kind": "cpu", "per_unit_hour": "0.1"}
    with pytest.raises(ValidationError, match="priced twice"):
        NewOffer.model_validate({"name": "o", "share": "s", "rates": [rate, rate]})


def test_an_inventory_names_only_what_it_brings() -> None:
    share = {"name": "s", "site": "gone", "flavor": "f", "capacity": {}}
    with pytest.raises(ValidationError, match="publish both with it"):
        platform.Inventory.model_validate({"sites": [], "flavors": [], "shares": [share]})
    site = Site(name="a", region="310000")
    with pytest.raises(ValidationError, match="stands twice"):
        platform.Inventory(sites=(site, site), flavors=(), shares=())


@pytest.mark.parametrize("data", ["a b", "a-b", "é", "====="])
def test_bytes_travel_as_base64_only(data: str) -> None:
    with pytest.raises(ValidationError):
        LogCall.model_validate({"attempt_id": "a", "token": "1", "stream": "stdout", "offset": "0", "data": data})
