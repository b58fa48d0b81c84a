"""Does signing in hold against a provider that others wrote: the `oidc-provider` of npm, over real HTTP?

The very laws of ``tests/hub/test_sign_in.py`` and ``tests/cli/test_sign_in.py``, which run against a small one of ours.
"""

import html
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import httpx2
import pytest

from scripts.install_engines import OIDC_LIBRARY
from suanlian.commands.initialise import Wish, initialise
from suanlian.sdk.oidc import Metadata, OidcProvider, Pending, Tokens
from suanlian.settings import HubSettings
from suanlian.testing.hub import IN_PROCESS, InProcessHub, ServedHub
from suanlian.testing.processes import free_port, until

NODE: Final = shutil.which("node")
HERE: Final = Path(__file__).parent
pytestmark = [
    pytest.mark.engine("oidc-provider"),
    pytest.mark.skipif(
        NODE is None or not OIDC_LIBRARY.exists(), reason="make test-engines installs npm's oidc-provider"
    ),
    pytest.mark.timeout(300),
]
_FORM: Final = re.compile(r"<form[^>]*action=\"([^\"]+)\"[^>]*>(.*?)</form>", re.DOTALL)
_FIELD: Final = re.compile(r"<input[^>]*?name=\"([^\"]+)\"[^>]*?>")
_VALUE: Final = re.compile(r"value=\"([^\"]*)\"")


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    port = free_port()
    environment = {**os.environ, "OIDC_LIBRARY": OIDC_LIBRARY.as_uri(), "OIDC_PORT": str(port)}
    command = [str(NODE), str(HERE / "oidc" / "provider.mjs")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        url = f"http://127.0.0.1:{port}"
        with httpx2.Client(trust_env=False) as http:
            until("the provider listens", lambda: _answers(http, url) or process.poll() is not None)
        assert process.poll() is None, process.stderr.read().decode() if process.stderr else ""
        yield url
        process.terminate()
        process.communicate()


def _answers(http: httpx2.Client, url: str) -> bool:
    try:
        return http.get(f"{url}/.well-known/openid-configuration").status_code == 200
    except httpx2.TransportError:
        return False


class Browser:
    """A person at a browser: follows redirects, logs in under a name, agrees to whatever is asked."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.http = httpx2.Client(trust_env=False, follow_redirects=False)

    def close(self) -> None:
        self.http.close()

    def visit(self, url: str, *, stop: str = " ") -> str:
        """Open a page and answer every form; the address that begins with ``stop``, or the text of the last page."""
        answer = self.http.get(url)
        for _step in range(30):
            if answer.is_redirect:
                url = urljoin(str(answer.url), answer.headers["location"])
                if url.startswith(stop):
                    return url
                answer = self.http.get(url)
                continue
            form = _FORM.search(answer.text)
            if form is None:
                return str(answer.text)
            target = urljoin(str(answer.url), html.unescape(form[1]))
            answer = self.http.post(target, data=self._filled(form[2]))
        raise AssertionError("the provider asks for ever")

    def _filled(self, form: str) -> dict[str, str]:
        fields = {}
        for found in _FIELD.finditer(form):
            value = _VALUE.search(found[0])
            fields[found[1]] = html.unescape(value[1]) if value else ""
        return {**fields, **{name: self.name for name in ("login", "password") if name in fields}}


@pytest.fixture
def people() -> Iterator[Callable[[str], Browser]]:
    browsers: list[Browser] = []

    def make(name: str) -> Browser:
        browsers.append(Browser(name))
        return browsers[-1]

    yield make
    for browser in browsers:
        browser.close()


@dataclass
class Shift:
    """A clock that may go ahead."""

    ahead: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def settings(tmp_path: Path, issuer: str) -> HubSettings:
    secret = tmp_path / "secret"
    secret.write_text("a secret: of + the hub\n")
    made = HubSettings(
        hub_home=tmp_path / "hub",
        oidc_issuer=issuer,
        oidc_client_id="hub",
        oidc_device_client_id="suanlian-cli",
        oidc_client_secret_file=secret,
    )
    initialise(made, Wish("national", IN_PROCESS, prefix="CN"))
    return made


@pytest.fixture
def clock() -> Shift:
    return Shift()


@pytest.fixture
def hub(settings: HubSettings, clock: Shift) -> Iterator[InProcessHub]:
    with InProcessHub(settings, clock=clock) as running:
        yield running


def by_device(issuer: str, browser: Browser, client_id: str = "suanlian-cli") -> tuple[OidcProvider, Metadata, Tokens]:
    provider = OidcProvider(issuer)
    metadata = provider.metadata()
    grant = provider.begin_device(metadata, client_id)
    with pytest.raises(Pending):
        provider.ask_device(metadata, client_id, grant)
    browser.visit(grant.verification_uri_complete)
    return provider, metadata, provider.ask_device(metadata, client_id, grant)


def enter(hub: InProcessHub, token: str) -> Any:  # noqa: ANN401 - a response
    return hub.person().post("/v1/sessions", {"id_token": token})


def test_the_device_flow_and_renewal(hub: InProcessHub, issuer: str, people: Callable[[str], Browser]) -> None:
    provider, metadata, tokens = by_device(issuer, people("ling"))
    first = enter(hub, tokens.id_token)
    assert first.status_code == 200, first.text
    replayed = enter(hub, tokens.id_token)
    assert (replayed.status_code, replayed.json()["code"]) == (401, "token_replayed")
    renewed = provider.renew(metadata, "suanlian-cli", tokens.refresh_token)
    assert renewed.refresh_token != tokens.refresh_token
    # this provider gives two tokens of one second the same bytes, and such a one was used
    while renewed.id_token == tokens.id_token:
        renewed = provider.renew(metadata, "suanlian-cli", renewed.refresh_token)
    again = enter(hub, renewed.id_token)
    assert again.status_code == 200, again.text
    assert again.json()["principal"] == first.json()["principal"]
    other = enter(hub, by_device(issuer, people("wei"))[2].id_token)
    assert other.json()["principal"]["id"] != first.json()["principal"]["id"]


def test_a_token_for_another_application_is_refused(
    hub: InProcessHub, issuer: str, people: Callable[[str], Browser]
) -> None:
    tokens = by_device(issuer, people("ling"), "another-app")[2]
    before = hub.rows()
    answer = enter(hub, tokens.id_token)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_audience")
    assert hub.rows() == before


def test_an_expired_token_is_refused(
    hub: InProcessHub, clock: Shift, issuer: str, people: Callable[[str], Browser]
) -> None:
    tokens = by_device(issuer, people("ling"))[2]
    clock.ahead = timedelta(seconds=361)
    answer = enter(hub, tokens.id_token)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_expired")
    clock.ahead = timedelta(seconds=-600)
    answer = enter(hub, tokens.id_token)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_not_yet")


def test_the_code_flow_with_pkce(hub: InProcessHub, people: Callable[[str], Browser]) -> None:
    begun = hub.http.get("/v1/sign-in", follow_redirects=False)
    cookie = f"suanlian-sign-in={begun.cookies['suanlian-sign-in']}"
    hub.http.cookies.clear()
    callback = urlsplit(people("ling").visit(begun.headers["location"], stop=f"{IN_PROCESS}/v1/sign-in/callback"))
    path = f"{callback.path}?{callback.query}"
    answer = hub.http.get(path, headers={"cookie": cookie})
    assert answer.status_code == 200, answer.text
    hub.http.cookies.clear()
    assert hub.person(answer.json()["key"]).get("/v1/me").json()["role"] == "buyer"
    again = hub.http.get(path, headers={"cookie": cookie})
    assert (again.status_code, again.json()["code"]) == (403, "sign_in_invalid")


def test_a_code_without_its_verifier_is_worth_nothing(
    hub: InProcessHub, issuer: str, people: Callable[[str], Browser]
) -> None:
    begun = hub.http.get("/v1/sign-in", follow_redirects=False)
    hub.http.cookies.clear()
    callback = people("ling").visit(begun.headers["location"], stop=f"{IN_PROCESS}/v1/sign-in/callback")
    code = dict(part.split("=") for part in urlsplit(callback).query.split("&"))["code"]
    assert hub.running.hub.provider is not None
    with pytest.raises(Exception, match=r"refused: invalid_grant"):
        hub.running.hub.provider.redeem(code, "v" * 64)
    assert issuer


@pytest.mark.e2e
def test_the_command_line_signs_in_and_stays(
    settings: HubSettings, tmp_path: Path, people: Callable[[str], Browser]
) -> None:
    environment = {"PATH": os.environ["PATH"], "XDG_CONFIG_HOME": str(tmp_path / "config"), "LANG": "en_US.UTF-8"}
    suanlian = [sys.executable, "-c", "from suanlian.cli.main import main; main()"]
    kept = tmp_path / "config" / "suanlian" / "login.json"

    def run(*arguments: str) -> dict[str, Any]:
        command = [*suanlian, *arguments, "--json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    with ServedHub(settings) as hub:
        command = [*suanlian, "login", hub.url, "--oidc", "--json"]
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            assert process.stdout is not None
            address = next(found[0] for line in process.stderr if (found := re.search(r"http\S+user_code=\S+", line)))
            rest = threading.Thread(target=process.stderr.read, daemon=True)
            rest.start()
            people("ling").visit(address)
            me = json.loads(process.stdout.read())
            rest.join()
        assert process.returncode == 0
        login = json.loads(kept.read_text())
        assert run("whoami")["id"] == me["id"]
        kept.write_text(json.dumps({**login, "expires_at": datetime.now(UTC).isoformat()}))
        assert run("whoami")["id"] == me["id"]
        renewed = json.loads(kept.read_text())
        assert renewed["key"] != login["key"]
        assert renewed["refresh_token"] != login["refresh_token"]
        assert run("logout") == {"logged_out": True}
        assert not kept.exists()
