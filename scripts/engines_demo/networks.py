"""A network namespace for each platform, with inbound closed: it reaches the hub, nothing reaches it.

Each has one cable to a switch; ports of the switch are isolated, so platforms do not reach one another. Nothing listens
on a platform's address but its loopback. Where the machine does not allow namespaces, all share its loopback, and that
is said.
"""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from suanlian.demo.processes import Fleet

_ROOT: Final = Path(__file__).resolve().parents[2]
_FIRST: Final = 2
_LISTENS: Final = "0A"
_RELAY_S: Final = 20.0
_NET: Final = "10.213.77"


@dataclass(slots=True)
class Networks:
    """The cables of one run; ``apart`` False: this machine does not allow namespaces."""

    fleet: Fleet
    mark: str = field(default_factory=lambda: secrets.token_hex(2))
    apart: bool = False
    why: str = ""
    _names: list[str] = field(default_factory=list)

    @property
    def switch(self) -> str:
        """The name of the switch."""
        return f"sw{self.mark}"

    def open(self) -> None:
        """Make the switch, if this machine lets us."""
        if os.geteuid() != 0 or not all(map(shutil.which, ("ip", "nsenter"))):
            self.why = "it takes root and the commands ip and nsenter"
            return
        done = self._ip("link", "add", self.switch, "type", "bridge")
        if done.returncode:
            self.why = done.stderr.strip()
            return
        self._ip("addr", "add", f"{_NET}.1/24", "dev", self.switch)
        self._ip("link", "set", self.switch, "up")
        self.apart = True

    def join(self, platform: str, ports: Sequence[int]) -> tuple[str, ...]:
        """Make a platform's namespace; what stands before a command so that it runs in it.

        ``ports`` of our loopback are those of its loopback too.
        """
        if not self.apart:
            return ()
        number = len(self._names) + _FIRST
        name, here, there = f"sl{self.mark}{number}", f"h{self.mark}{number}", f"p{self.mark}{number}"
        self._names.append(name)
        self._must("netns", "add", name)
        self._must("link", "add", here, "type", "veth", "peer", "name", there, "netns", name)
        self._must("link", "set", here, "master", self.switch, "up")
        self._must("link", "set", here, "type", "bridge_slave", "isolated", "on")
        # `ip netns exec` would put a fresh /sys before the control groups; this leaves all but the network as it is
        inside = ("nsenter", f"--net=/run/netns/{name}", "--")
        for command in (
            ("ip", "addr", "add", f"{_NET}.{number}/24", "dev", there),
            ("ip", "link", "set", there, "up"),
            ("ip", "link", "set", "lo", "up"),
        ):
            subprocess.run([*inside, *command], check=True, capture_output=True)
        for port in ports:
            if number == _FIRST:
                self._relay(f"relay-{port}", (), f"{_NET}.1:{port}", f"127.0.0.1:{port}")
            self._relay(f"relay-{platform}-{port}", inside, f"127.0.0.1:{port}", f"{_NET}.1:{port}")
        return inside

    def reached(self) -> list[str]:
        """What answers at a platform's own address, seen from the hub's side."""
        found = []
        for number, name in enumerate(self._names, _FIRST):
            for port in self._listening(name):
                with contextlib.suppress(OSError), socket.create_connection((f"{_NET}.{number}", port), timeout=1):
                    found.append(f"{_NET}.{number}:{port}")
        return found

    def _listening(self, name: str) -> list[int]:
        """The ports that are open inside, on whatever address: each is tried from outside."""
        inside = ["nsenter", f"--net=/run/netns/{name}", "--", "cat", "/proc/net/tcp", "/proc/net/tcp6"]
        told = subprocess.run(inside, capture_output=True, text=True, check=True).stdout
        rows = [line.split() for line in told.splitlines() if line.split()[3:4] == [_LISTENS]]
        return sorted({int(row[1].rpartition(":")[2], 16) for row in rows})

    def close(self) -> None:
        """Remove all of it; what runs in a namespace was ended before."""
        for name in self._names:
            self._ip("netns", "delete", name)
        if self.apart:
            self._ip("link", "delete", self.switch)

    def _relay(self, name: str, prefix: Sequence[str], listen: str, to: str) -> None:
        command = [*prefix, sys.executable, "-m", "scripts.engines_demo.relay", listen, to]
        running = self.fleet.start(name, command, {"PYTHONPATH": f"{_ROOT}:{_ROOT / 'src'}"})
        deadline = time.monotonic() + _RELAY_S
        while "listens" not in running.log.read_text():
            self.fleet.check()
            if time.monotonic() > deadline:
                raise OSError(f"the relay {name} does not listen after {_RELAY_S} s")
            time.sleep(0.02)

    def _ip(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["ip", *words], capture_output=True, text=True, check=False)

    def _must(self, *words: str) -> None:
        done = self._ip(*words)
        if done.returncode:
            raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")


@contextlib.contextmanager
def networks(fleet: Fleet) -> Iterator[Networks]:
    """The networks of one run."""
    made = Networks(fleet)
    try:
        made.open()
        yield made
    finally:
        made.close()
