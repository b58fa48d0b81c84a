"""A secret is read from standard input or a terminal, goes to the hub, and is printed nowhere."""

import io
import json

import pytest

from suanlian.testing.people_hub import Answer, PeopleHub, problem

from .conftest import Suanlian

SECRET = "swordfish-of-the-deep"
ABOUT = {"name": "db", "created_at": "2026-03-01T00:00:00.000000Z", "changed_at": "2026-03-02T00:00:00.000000Z"}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (f"{SECRET}\n", SECRET),
        (SECRET, SECRET),
        (f"{SECRET}\nsecond line\n", f"{SECRET}\nsecond line\n"),
        (f"  {SECRET} \n", f"  {SECRET} "),
    ],
)
def test_it_is_read_from_standard_input(
    suanlian: Suanlian, logged_in: PeopleHub, monkeypatch: pytest.MonkeyPatch, given: str, sent: str
) -> None:
    logged_in.says("PUT /v1/secrets/db", ABOUT)
    monkeypatch.setattr("sys.stdin", io.StringIO(given))
    code, out, err = suanlian("secret", "set", "db")
    assert code == 0
    assert SECRET not in out + err
    assert "Nobody is told it again" in err
    assert logged_in.asked[-1].document() == {"value": sent}


def test_at_a_terminal_it_is_asked_for_unseen(
    suanlian: Suanlian, logged_in: PeopleHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged_in.says("PUT /v1/secrets/db", ABOUT)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("suanlian.cli.secrets.getpass", lambda _prompt: SECRET)
    code, out, err = suanlian("secret", "set", "db", "--json")
    assert (code, json.loads(out), err) == (0, ABOUT, "")
    assert logged_in.asked[-1].document() == {"value": SECRET}


def test_it_cannot_be_given_on_the_command_line(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    code, _out, _err = suanlian("secret", "set", "db", SECRET)
    assert code == 2
    assert logged_in.asked == []


def test_a_short_one_is_refused_here_and_not_repeated(
    suanlian: Suanlian, logged_in: PeopleHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("swordfi\n"))
    code, out, err = suanlian("secret", "set", "db")
    assert code == 1
    assert "at least 8 characters" in err
    assert "swordfi" not in out + err
    assert logged_in.asked == []


def test_names_are_listed_and_one_is_removed(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    logged_in.says("GET /v1/secrets", {"items": [ABOUT], "next": None}, {"items": [], "next": None})
    code, out, _err = suanlian("secrets")
    assert (code, "db" in out, "2026-03-02" in out) == (0, True, True)
    absent = problem(404, "no_such_secret", "You have no secret 'db'.")
    logged_in.says("DELETE /v1/secrets/db", Answer(204, b""), absent)
    assert suanlian("secret", "rm", "db")[:2] == (0, "The secret db is removed.\n")
    code, _out, err = suanlian("secret", "rm", "db")
    assert (code, "You have no secret 'db'." in err) == (1, True)
