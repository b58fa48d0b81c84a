"""Does nothing but the two known errors come of a stranger's address, and does every call end in its time?"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from suanlian.model.errors import InvalidError, UnavailableError
from suanlian.sdk.strangers import HostUnknownError, Strangers, origin_of, read_address
from suanlian.sdk.transport import open_client

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
Speech = Callable[[socket.socket, threading.Event], None]


@contextmanager
def speaking(speech: Speech) -> Iterator[str]:
    """A server that answers each request by this speech; ``over`` is set at the end."""
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(65536)
                    speech(connection, over)
                except OSError:  # the caller went away
                    over.wait(0)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()


def saying(*parts: bytes) -> Speech:
    return lambda connection, _over: connection.sendall(b"".join(parts))


def dripping(before: bytes, drop: bytes, after: bytes, drops: int = 100) -> Speech:
    """So many drops, one each tenth of a second; then it ends well, for a caller who had the patience."""

    def speech(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(before)
        for _ in range(drops):
            if over.wait(0.1):
                return
            connection.sendall(drop)
        connection.sendall(after)

    return speech


def calling(**changes: object) -> Strangers:
    return Strangers(open_client(), lambda _address: "private", **changes)  # type: ignore[arg-type]


def read(url: str, listed: tuple[str, ...] = (), most_s: float = 30, **changes: object) -> bytes:
    with calling(**changes).reading(url, listed or (url,), most_s) as download:
        return b"".join(download.chunks())


def test_what_lies_there_is_read() -> None:
    with speaking(saying(HEAD, b"four")) as url:
        assert read(url) == b"four"


@pytest.mark.parametrize(
    "speech",
    [
        dripping(b"HTTP/1.1 200 OK\r\nX-A: ", b"a", b"\r\nContent-Length: 0\r\n\r\n"),
        dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n", HEAD + b"four"),
        dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", b"a", b""),
        dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n", b"0\r\n\r\n"),
    ],
)
def test_a_call_ends_in_its_time_however_little_of_the_answer_comes_at_a_time(speech: Speech) -> None:
    with speaking(speech) as url, pytest.raises(UnavailableError, match=r"it took longer than 0.3 s"):
        read(url, most_s=0.3)


def test_a_sending_ends_in_its_time_too() -> None:
    slow = dripping(b"HTTP/1.1 200 OK\r\nX-A: ", b"a", b"\r\nContent-Length: 0\r\n\r\n")
    with speaking(slow) as url, pytest.raises(UnavailableError, match=r"it took longer than 0.3 s"):
        calling().send("POST", url, (url,), {}, b"{}", 0.3)


def test_what_comes_slower_than_is_borne_is_broken_off() -> None:
    clock = count(step=50.0)
    slow = dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", b"a", b"", drops=3)
    with speaking(slow) as url, pytest.raises(UnavailableError, match="it is slower than"):
        read(url, now=lambda: next(clock))


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\x00: a\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 300_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfour",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_an_answer_that_is_none_is_unavailable(answer: bytes) -> None:
    with speaking(saying(answer)) as url, pytest.raises(UnavailableError):
        read(url)


@pytest.mark.parametrize(
    "led", ["/x\x01y", "/" + "a" * 66_000, "http://☃.example/", "http://[::1/", "http://a:b@example.org/", "ftp://a/"]
)
def test_a_redirect_to_what_is_no_address_is_refused(led: str) -> None:
    found = saying(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: ", led.encode(), b"\r\n\r\n")
    with speaking(found) as url, pytest.raises(InvalidError):
        read(url)


def test_a_redirect_is_judged_and_a_sending_follows_none() -> None:
    inward = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: http://127.0.0.2/\r\n\r\n"
    with speaking(saying(inward)) as url:
        with pytest.raises(InvalidError, match="not public, but private"):
            read(url)
        assert calling().send("PUT", url, (url,), {}, b"a", 30) == 302


def test_redirects_have_an_end() -> None:
    found = saying(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /\r\n\r\n")
    with speaking(found) as url, pytest.raises(InvalidError, match="more than 5 redirects"):
        read(url)


def test_the_host_is_resolved_in_the_form_in_which_it_is_sent() -> None:
    """A resolver of another edition of IDNA would ask for ``strasse``, and TLS would check ``xn--strae-oqa``."""
    asked: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1", "10.0.0.1"]

    with pytest.raises(InvalidError):
        read("http://straße.example/", ("http://other.example",), resolve=resolve)
    assert asked == ["xn--strae-oqa.example"]


def test_a_name_that_does_not_exist_is_told_from_a_resolver_that_is_silent() -> None:
    def failing(error: Exception) -> Callable[[str, int], list[str]]:
        def resolve(_host: str, _port: int) -> list[str]:
            raise error

        return resolve

    for error in (socket.gaierror(socket.EAI_NONAME, "no such name"), UnicodeError("label too long")):
        with pytest.raises(HostUnknownError):
            read("http://a.example/", resolve=failing(error))
    with pytest.raises(UnavailableError) as caught:
        read("http://a.example/", resolve=failing(socket.gaierror(socket.EAI_AGAIN, "later")))
    assert caught.value.code == "hub_unavailable"


def test_a_port_that_is_not_usual_is_called_at_listed_origins_alone() -> None:
    with pytest.raises(InvalidError, match="its port 22 is none of 80, 443"):
        read("http://a.example:22/", ("http://a.example:23",), resolve=lambda _host, _port: ["93.184.216.34"])


def test_an_origin_has_its_port_written_and_no_path() -> None:
    assert origin_of("https://Example.org/a?b") == "https://example.org:443"
    assert origin_of("http://[::1]/") == "http://[::1]:80"
    with pytest.raises(InvalidError):
        origin_of("http://example.org:99999999/")


@example("HTTP://[")
@given(st.one_of(st.text(), st.text().map("http://".__add__), st.text().map("https://a.example/".__add__)))
def test_a_text_is_an_address_or_refused(text: str) -> None:
    try:
        found = read_address(text)
    except InvalidError:
        return
    assert found.host.isascii()
    assert 0 < found.port < 65536
    assert read_address(str(found.url)).origin == found.origin
