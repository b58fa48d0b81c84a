"""How does something reach an address that somebody else chose? To the very host address that was judged, once.

As `download`: the connection goes to that address and no other, nothing is followed, no proxy of the environment is
asked. What the receiver answers is thrown away but for its status.
"""

import socket
from collections.abc import Mapping
from typing import Final

import httpx2

from suanlian.model.errors import UnavailableError
from suanlian.sdk.transport import open_client

MOST_S: Final = 10.0
_STEP_S: Final = 5.0


class Deliverer:
    """Resolves and posts; holds nothing between two deliveries."""

    def resolve(self, host: str, port: int) -> list[str]:
        """The addresses of a host as the system resolves it, in numbers. Raises UnavailableError."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise UnavailableError("hub_unavailable", "the host has no address") from error
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    def post(self, url: str, address: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Send it to this address; the status of the answer, whose body is not read. Raises UnavailableError."""
        given = httpx2.URL(url)
        sent = {**headers, "Host": given.netloc.decode("ascii"), "Connection": "close"}
        with open_client() as client:
            request = client.build_request(
                "POST",
                given.copy_with(host=address),
                content=body,
                headers=sent,
                extensions={"sni_hostname": given.raw_host.decode("ascii")},
                timeout=httpx2.Timeout(_STEP_S, read=MOST_S),
            )
            try:
                response = client.send(request, stream=True, follow_redirects=False)
            except httpx2.TransportError as error:
                raise UnavailableError("hub_unavailable", "the receiver did not answer") from error
            response.close()
        return response.status_code
