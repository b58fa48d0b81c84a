"""Carries bytes from one address to another, between two network namespaces of one machine.

`python -m scripts.engines_demo.relay LISTEN:PORT TO:PORT`. A hub listens on loopback alone, and a connector dials
loopback alone: what lies between them is a cable with a relay at each end. A line to stdout says that it listens.
"""

import asyncio
import sys
from typing import Final

_PIECE: Final = 64 * 1024


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(_PIECE):
            target.write(data)
            await target.drain()
        target.write_eof()
    except OSError:
        target.close()


def _address(text: str) -> tuple[str, int]:
    host, _colon, port = text.rpartition(":")
    return host, int(port)


async def _serve(listen: str, to: str) -> None:
    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(*_address(to))
        except OSError:
            writer.close()
            return
        await asyncio.gather(_copy(reader, back), _copy(there, writer))
        back.close()
        writer.close()

    server = await asyncio.start_server(carry, *_address(listen))
    print("listens", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], sys.argv[2]))
