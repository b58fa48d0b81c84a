"""A light client: keep-alive connections that each send the next request when the last was answered."""

import asyncio
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """What to send: the same body again and again, over so many connections, for so many requests in all."""

    port: int
    path: str
    body: bytes
    key: str
    connections: int
    requests: int


def run(load: Load) -> float:
    """Send it; returns requests a second. Raises RuntimeError when any answer is not 200."""
    return asyncio.run(_run(load))


async def _run(load: Load) -> float:
    left = iter(range(load.requests))
    started = time.perf_counter()
    await asyncio.gather(*(_connection(load, left) for _ in range(load.connections)))
    return load.requests / (time.perf_counter() - started)


async def _connection(load: Load, left: "object") -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", load.port)
    head = (
        f"POST {load.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {load.key}\r\nContent-Length: {len(load.body)}\r\n\r\n"
    ).encode()
    for _ in left:  # type: ignore[attr-defined]  # one iterator that all connections share
        writer.write(head + load.body)
        answer = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(_length(answer))
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer[:200] + body[:400])
    writer.close()


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0
