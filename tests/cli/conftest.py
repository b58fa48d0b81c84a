import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from suanlian.cli.main import run
from suanlian.i18n import set_language
from suanlian.testing.people_hub import PeopleHub


class Suanlian(Protocol):
    """Runs `suanlian` with these arguments: exit code, standard output, standard error."""

    def __call__(self, *arguments: object) -> tuple[int, str, str]: ...


@pytest.fixture
def hub() -> Iterator[PeopleHub]:
    with PeopleHub() as running:
        yield running


@pytest.fixture(params=["en", "zh"])
def lang(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in ("SUANLIAN_HUB", "SUANLIAN_KEY", "SUANLIAN_LANG", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def suanlian(environment: None, capsys: pytest.CaptureFixture[str]) -> Iterator[Suanlian]:  # noqa: ARG001 - set up first
    def call(*arguments: object) -> tuple[int, str, str]:
        code = run([str(argument) for argument in arguments])
        written = capsys.readouterr()
        return code, written.out, written.err

    yield call
    set_language(None)


@pytest.fixture
def logged_in(environment: None, monkeypatch: pytest.MonkeyPatch, hub: PeopleHub) -> PeopleHub:  # noqa: ARG001 - set up first
    monkeypatch.setenv("SUANLIAN_HUB", hub.url)
    monkeypatch.setenv("SUANLIAN_KEY", "sl_test")
    return hub
