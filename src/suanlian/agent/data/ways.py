"""How are addresses of another's grant called? Below the endpoint that it publishes, and only where that may lead.

Who owns the other storage wrote its endpoint: it could name a machine of this platform's own network. So it has to lead
to public addresses, unless the owner here lists its origin, as with inputs of jobs; and the connection goes to the very
address that was judged.
"""

from collections.abc import Collection
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from suanlian.agent.data.kit import Kit, Run
from suanlian.rules.addresses import refused_ip
from suanlian.sdk.strangers import resolve_by_system
from suanlian.storage.contract import Code, StorageError
from suanlian.storage.web import Locate, Web

_PORTS: Final = {"http": 80, "https": 443}


def web_of(kit: Kit, run: Run) -> Web:
    """What calls the addresses of the grant that a task works with."""
    here, allowed = kit.stores.here(run.task.storage), kit.desk.word.policy.allowed_origins
    return Web(locate=locating(run.task.other_endpoint, allowed), ca=here.ca_file)


def locating(endpoint: str, allowed: Collection[str]) -> Locate:
    """Host and port to the address that is called; public, unless the endpoint's origin is among those allowed."""
    is_allowed = origin_of(endpoint) in allowed

    def locate(host: str, port: int) -> str:
        try:
            found = resolve_by_system(host, port)
        except (OSError, UnicodeError) as error:
            raise StorageError(Code.UNREACHABLE, f"the host {host!r} of the grant is not known") from error
        for address in found:
            why = "no plain" if "%" in address else refused_ip(ip_address(address))
            if why is not None and not is_allowed:
                text = f"the endpoint {endpoint!r} leads to a {why} address, and allowed_origins does not list it"
                raise StorageError(Code.REFUSED, text)
        if not found:
            raise StorageError(Code.UNREACHABLE, f"the host {host!r} of the grant has no address")
        return found[0]

    return locate


def origin_of(endpoint: str) -> str:
    """``scheme://host:port``, the port always written; empty for what is no address."""
    try:
        parts = urlsplit(endpoint)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return ""
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}:{port}" if host and port else ""
