"""Does the docs check see what it is there for?"""

import re
from pathlib import Path

import pytest
import typer
from fastapi import APIRouter

from scripts import surface
from scripts.check_docs import completeness, decisions, doubled_rows, links, private_words, twins


def absent() -> surface.Patterns:
    raise surface.AbsentError("there is no module x")


def test_a_command_is_described_only_by_its_full_name() -> None:
    wanted = {"suanlian job": surface.word("suanlian job")}
    assert completeness("`suanlian job-list` and `mysuanlian job`", {"command": lambda: wanted}).wrong == (
        "docs/reference: command 'suanlian job' is not described",
    )
    assert completeness("`suanlian job`", {"command": lambda: wanted}).wrong == ()


def test_what_is_absent_is_no_mistake_of_the_docs() -> None:
    found = completeness("", {"setting": absent})
    assert (found.wrong, found.absent) == ((), ("setting: there is no module x",))


def test_commands_are_found_down_to_the_leaves_and_hidden_ones_are_not() -> None:
    app, jobs = typer.Typer(), typer.Typer()
    jobs.command("submit")(lambda: None)
    jobs.command("secret", hidden=True)(lambda: None)
    jobs.command("list")(lambda: None)
    app.add_typer(jobs, name="job")
    app.command("demo")(lambda: None)
    assert sorted(surface.leaves("suanlian", typer.main.get_command(app))) == [
        "suanlian demo",
        "suanlian job list",
        "suanlian job submit",
    ]


@pytest.mark.parametrize("text", ["| `GET` | `/v1/jobs/{job}` |", "GET /v1/jobs/{job}", "`GET /v1/jobs/{job}`"])
def test_a_route_is_described_with_or_without_its_prefix(text: str) -> None:
    router = APIRouter()
    router.get("/jobs/{job}")(lambda job: job)
    wanted = surface.routes_of([router])
    assert completeness(text, {"route": lambda: wanted}).wrong == ()
    assert completeness(text.replace("{job}", "{job}/log"), {"route": lambda: wanted}).wrong != ()
    assert completeness(text.replace("GET", "POST"), {"route": lambda: wanted}).wrong != ()


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("[a](a.md#x) [web](https://example.org/x) [gone](b.md) `[code](c.md)`\n")
    assert list(links(tmp_path, "a.md")) == ["a.md: the link to b.md leads nowhere"]


def test_a_row_that_stands_twice_in_a_table_is_found_and_a_group_of_rows_is_none(tmp_path: Path) -> None:
    rows = [
        "| what | where |",
        "|---|---|",
        "| `a.b` | x |",
        "| work | x |",
        "| work | y |",
        "| change what it costs | x |",
    ]
    page = tmp_path / "a.md"
    page.write_text("\n".join([*rows, "", *rows]))
    assert not list(doubled_rows(tmp_path, "a.md"))
    page.write_text("\n".join([*rows, "| `a.b` | y |", "| work | x |", "| change what it costs | y |"]))
    assert [line.partition(": ")[0] for line in doubled_rows(tmp_path, "a.md")] == ["a.md:7", "a.md:8", "a.md:9"]


def test_a_decision_of_more_than_a_page_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "docs" / "decisions"
    folder.mkdir(parents=True)
    (folder / "1.md").write_text("x\n" * 60)
    (folder / "2.md").write_text("x\n" * 61)
    assert list(decisions(tmp_path)) == ["docs/decisions/2.md: 61 lines, a decision has 60 at most"]


def test_readmes_that_differ_in_headings_or_commands_are_found() -> None:
    english = "# A\n\n```sh\n# no heading\nmake demo\n```\n"
    assert list(twins(english, english.replace("# A", "# 甲"))) == []
    assert len(list(twins(english, english + "## B\n"))) == 1
    assert len(list(twins(english, english.replace("make demo", "make up")))) == 1
    assert len(list(twins(english, "# A\n"))) == 1


@pytest.mark.parametrize("parts", [("/home", "/ada/x"), ("/root", "/x"), ("pypi", ".org"), ("build", "box7")])
def test_a_path_or_host_of_a_machine_is_found(tmp_path: Path, parts: tuple[str, str]) -> None:
    (tmp_path / "a.txt").write_text("fine\nsee " + "".join(parts) + "\n")
    assert [line.partition(" ")[0] for line in private_words(tmp_path, "a.txt", "buildbox7")] == ["a.txt:2:"]


def test_a_picture_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\xff")
    assert list(private_words(tmp_path, "a.png", "localhost")) == []


def test_the_module_that_is_missing_is_told_from_one_that_is_broken() -> None:
    with pytest.raises(surface.AbsentError, match=re.escape("there is no module suanlian.nowhere")):
        surface.load("suanlian.nowhere")
