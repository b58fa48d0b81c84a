"""Does a call travel safely: only where it may, repeated only where that is harmless, refused with the right error?"""

import json
import socket

import pytest

from suanlian.model.errors import (
    CODES,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    SuanlianError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
)
from suanlian.model.job import JobSpec
from suanlian.model.party import NewPrincipal, Role
from suanlian.sdk.client import Client
from suanlian.testing.people_hub import Answer, PeopleHub, problem
from suanlian.testing.people_samples import MINTED, PRINCIPAL, job, spec

SPEC = JobSpec.model_validate(spec())
DOWN = problem(503, "hub_unavailable", "busy")


@pytest.mark.parametrize(
    "url", ["http://hub.example", "http://10.0.0.1:80", "http://127.0.0.1.example", "http://[::2]"]
)
def test_plain_http_to_another_machine_is_refused(url: str) -> None:
    with pytest.raises(InvalidError) as refused:
        Client(url)
    assert refused.value.code == "not_over_loopback"


@pytest.mark.parametrize(
    "url", ["https://hub.example/x/", "http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1", "http://127.9.9.9"]
)
def test_tls_anywhere_and_plain_http_on_this_machine_are_taken(url: str) -> None:
    with Client(url) as client:
        assert client.url == url.rstrip("/")


@pytest.mark.parametrize("url", ["", "ftp://a", "hub", "https://u:p@a", "https://a?x=1", "https://[", "https://a:b"])
def test_what_is_no_address_of_a_hub_is_refused(url: str) -> None:
    with pytest.raises(InvalidError) as refused:
        Client(url)
    assert refused.value.code == "field_invalid"


def test_the_key_travels_and_its_absence_too(hub: PeopleHub, client: Client) -> None:
    hub.says("GET /v1/me", PRINCIPAL)
    assert client.parties.me().name == "ling"
    with Client(hub.url) as nobody:
        nobody.parties.me()
    assert [asked.headers.get("authorization") for asked in hub.asked] == ["Bearer sl_test", None]


def test_a_creation_is_repeated_with_its_idempotency_key(hub: PeopleHub, client: Client) -> None:
    hub.says("POST /v1/jobs", DOWN, DOWN, job())
    assert client.jobs.submit(SPEC).name == "pi"
    client.jobs.submit(SPEC)
    keys = [asked.headers["idempotency-key"] for asked in hub.asked]
    assert len(keys) == 4
    assert len(set(keys[:3])) == 1
    assert keys[3] != keys[0]


def test_an_idempotency_key_of_ones_own_is_used(hub: PeopleHub, client: Client) -> None:
    hub.says("POST /v1/jobs", job())
    client.jobs.submit(SPEC, idempotency_key="night-7")
    assert hub.asked[0].headers["idempotency-key"] == "night-7"


def test_what_mints_a_key_is_never_repeated_after_the_hub_has_it(hub: PeopleHub, client: Client) -> None:
    hub.says("POST /v1/principals", DOWN, MINTED)
    with pytest.raises(UnavailableError):
        client.parties.add_principal(NewPrincipal(name="li", role=Role.BUYER, entity="anhui"))
    assert len(hub.asked) == 1


def test_a_refusal_is_not_repeated(hub: PeopleHub, client: Client) -> None:
    hub.says("GET /v1/me", problem(403, "forbidden", "no"))
    with pytest.raises(ForbiddenError):
        client.parties.me()
    assert len(hub.asked) == 1


def test_a_hub_that_stays_away_ends_in_unavailable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with Client(url, retry_wait_s=0.001) as client, pytest.raises(UnavailableError) as error:
            client.parties.me()
    assert error.value.code == "hub_unavailable"
    assert url in error.value.wrong


def test_a_hub_that_is_silent_ends_in_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Client(url, timeout_s=0.1, retry_wait_s=0.001) as client, pytest.raises(UnavailableError) as error:
            client.parties.me()
    assert "within 0.1 s" in error.value.wrong


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidError),
        (401, UnauthenticatedError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (409, ConflictError),
        (413, TooLargeError),
        (422, InvalidError),
        (500, SuanlianError),
        (502, UnavailableError),
    ],
)
def test_a_status_is_its_error_with_or_without_a_problem(
    hub: PeopleHub, client: Client, status: int, kind: type[SuanlianError]
) -> None:
    hub.says("GET /v1/me", problem(status, "quota_exceeded", "used up", todo="wait"))
    with pytest.raises(kind) as told:
        client.parties.me()
    assert (type(told.value), told.value.code, told.value.todo) == (kind, "quota_exceeded", "wait")
    hub.says("GET /v1/node", Answer(status, b"<html>"))
    with pytest.raises(kind) as bare:
        client.identifiers.node()
    assert bare.value.code in CODES
    assert str(status) in bare.value.wrong


def test_every_fault_of_a_problem_arrives(hub: PeopleHub, client: Client) -> None:
    faults = [{"field": "resources.cpu", "wrong": "negative"}, {"field": "name", "wrong": "empty", "todo": "name it"}]
    hub.says("POST /v1/jobs", problem(422, "field_invalid", "two faults", faults=faults))
    with pytest.raises(InvalidError) as refused:
        client.jobs.submit(SPEC)
    assert [fault.field for fault in refused.value.faults] == ["resources.cpu", "name"]


@pytest.mark.parametrize("body", [b"<html>", b'{"name": 1}', b"[]"])
def test_an_answer_of_another_form_is_told(hub: PeopleHub, client: Client, body: bytes) -> None:
    hub.says("GET /v1/me", Answer(body=body))
    with pytest.raises(SuanlianError) as odd:
        client.parties.me()
    assert odd.value.code == "protocol_unsupported"


def test_a_redirect_is_not_followed(hub: PeopleHub, client: Client) -> None:
    hub.says("GET /v1/me", Answer(302, b"", {"Location": "/v1/node"}))
    with pytest.raises(SuanlianError):
        client.parties.me()
    assert len(hub.asked) == 1


def test_a_list_is_read_page_by_page_as_it_is_needed(hub: PeopleHub, client: Client) -> None:
    hub.says(
        "GET /v1/jobs",
        {"items": [job(name="a"), job(name="b")], "next": "c2"},
        {"items": [job(name="c")], "next": None},
    )
    jobs = client.jobs.list()
    assert next(jobs).name == "a"
    assert len(hub.asked) == 1
    assert [one.name for one in jobs] == ["b", "c"]
    assert [asked.query.get("cursor") for asked in hub.asked] == [None, "c2"]


def test_a_cursor_that_does_not_move_is_told_and_nothing_comes_twice(hub: PeopleHub, client: Client) -> None:
    hub.says("GET /v1/jobs", {"items": [job()], "next": "same"})
    jobs = client.jobs.list()
    assert next(jobs).name == "pi"
    with pytest.raises(SuanlianError, match="does not move on"):
        next(jobs)


@pytest.mark.parametrize("page", [[], {"items": 3}, {}, {"items": [{"odd": 1}]}, {"items": [7]}])
def test_a_page_of_another_form_is_told(hub: PeopleHub, client: Client, page: object) -> None:
    hub.says("GET /v1/jobs", page)
    with pytest.raises(SuanlianError) as odd:
        list(client.jobs.list())
    assert odd.value.code == "protocol_unsupported"


def test_a_name_stays_one_part_of_the_path(hub: PeopleHub, client: Client) -> None:
    with pytest.raises(NotFoundError):
        client.platforms.get("../me?x=1#")
    assert hub.asked[0].path == "/v1/platforms/../me?x=1#"
    assert not hub.asked[0].query


def test_a_spec_survives_the_way(hub: PeopleHub, client: Client) -> None:
    hub.says("POST /v1/jobs", job(spec=spec()))
    seen = client.jobs.submit(SPEC)
    assert JobSpec.model_validate_json(hub.asked[0].body) == SPEC == seen.spec
    assert json.loads(hub.asked[0].body)["resources"]["cpu"] == "0.5"
