"""Real transfers over shaped links: three network namespaces, a token bucket on each link, a copy by HTTP.

Needs root, `ip` and `tc`; where that is not given it says so and goes on. The links have the rates of the plan, files
have a thousandth of its bytes, so what takes hours there takes seconds here. Delay is not shaped.
"""

import contextlib
import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from suanlian.rules.transfers.plan import Planned

SMALLER: Final = 1000
RUNS: Final = 3
SITES: Final = ("a", "b", "c")
RATES: Final = {("a", "b"): 20, ("a", "c"): 200, ("c", "b"): 200}
"""Mbit/s of each link, both ways."""
_PORT: Final = 8099


def real(planned: Planned) -> None:
    """Bring the same file directly and as the plan says, and print how long each takes."""
    missing = [name for name in ("ip", "tc") if shutil.which(name) is None]
    if os.geteuid() or missing:
        why = f"no {' and '.join(missing)}" if missing else "not root"
        print(f"skipped: network namespaces cannot be made here ({why})")
        return
    size = sum(span.bytes for span in planned.windows if span.leg == 0) // SMALLER
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_network())
        except subprocess.CalledProcessError as error:
            print(f"skipped: network namespaces cannot be made here ({error.stderr.decode().strip()})")
            return
        for site in SITES:
            Path(folder, site).mkdir()
            stack.enter_context(_server(site, Path(folder, site)))
        Path(folder, "a", "file").write_bytes(os.urandom(size))
        direct = [_copied(folder, ("a", "b"), n) for n in range(RUNS)]
        relayed = [_copied(folder, ("a", "c"), n) + _copied(folder, ("c", "b"), n) for n in range(RUNS)]
    print(f"{size / 1e6:.0f} MB, {RUNS} times each; the plan goes over {planned.relay}, for it is quicker\n")
    print("| way | links (Mbit/s) | by the rates (s) | median (s) | least, most (s) |")
    print("|---|---|---|---|---|")
    for name, legs, took in (("direct", (("a", "b"),), direct), ("over the relay", (("a", "c"), ("c", "b")), relayed)):
        rates = [RATES[leg] for leg in legs]
        due = sum(size * 8 / rate / 1e6 for rate in rates)
        print(
            f"| {name} | {', '.join(map(str, rates))} | {due:.1f} | {statistics.median(took):.1f} |"
            f" {min(took):.1f}, {max(took):.1f} |"
        )


def _copied(folder: str, leg: tuple[str, str], run: int) -> float:
    """Seconds until the whole file is at the end of a leg and was hashed there."""
    start, end = leg
    target = Path(folder, end, "file")
    began = time.monotonic()
    url = f"http://{_address(leg, start)}:{_PORT}/file"
    code = f"import urllib.request; urllib.request.urlretrieve({url!r}, {str(target)!r})"
    _run("ip", "netns", "exec", _name(end), sys.executable, "-c", code)
    if hashlib.sha256(target.read_bytes()).digest() != hashlib.sha256(Path(folder, "a", "file").read_bytes()).digest():
        raise AssertionError(f"run {run}: the copy at {end} differs")
    return time.monotonic() - began


@contextlib.contextmanager
def _network() -> Iterator[None]:
    made: list[str] = []
    try:
        for site in SITES:
            _run("ip", "netns", "add", _name(site))
            made.append(site)
            _run("ip", "-n", _name(site), "link", "set", "lo", "up")
        for number, (leg, rate) in enumerate(RATES.items()):
            _join(number, leg, rate)
        yield
    finally:
        for site in made:
            _run("ip", "netns", "del", _name(site))


def _join(number: int, leg: tuple[str, str], rate: int) -> None:
    """A pair of devices between two namespaces, shaped at both ends."""
    ends = {site: f"sl{os.getpid() % 10000}-{number}{site}" for site in leg}
    first, second = ends.values()
    _run("ip", "link", "add", first, "type", "veth", "peer", "name", second)
    for site, device in ends.items():
        _run("ip", "link", "set", device, "netns", _name(site))
        _run("ip", "-n", _name(site), "addr", "add", f"{_address(leg, site)}/24", "dev", device)
        _run("ip", "-n", _name(site), "link", "set", device, "up")
        shape = ("root", "tbf", "rate", f"{rate}mbit", "burst", "64kb", "latency", "100ms")
        _run("ip", "netns", "exec", _name(site), "tc", "qdisc", "add", "dev", device, *shape)


def _address(leg: tuple[str, str], site: str) -> str:
    """Of a site on a link."""
    return f"10.213.{list(RATES).index(leg)}.{leg.index(site) + 1}"


@contextlib.contextmanager
def _server(site: str, folder: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "http.server", str(_PORT), "--directory", str(folder)]
    inside = [shutil.which("ip") or "ip", "netns", "exec", _name(site), *command]
    process = subprocess.Popen(inside, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _name(site: str) -> str:
    return f"suanlian-{os.getpid()}-{site}"


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
