"""From an image index to a job's variants: an index from a file or from its registry, one variant an architecture.

A registry is spoken to as the OCI distribution specification says: a manifest by tag or digest, and where it answers
401 with a bearer challenge, a token for reading from the realm that it names. Nothing but https leaves this machine.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import httpx2

from suanlian.model.errors import InvalidError, NotFoundError, UnavailableError
from suanlian.model.images import MAX_BYTES, Index, read_index
from suanlian.model.job import Variant
from suanlian.sdk.address import is_loopback

_ACCEPT: Final = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json"
_REFERENCE: Final = re.compile(
    r"(?P<name>[a-z0-9]+(?:(?:[._/:]|__|-+)[a-z0-9]+)*?)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_CHALLENGE: Final = re.compile(r'([a-z]+)="([^"]*)"')
_MAX_REFERENCE: Final = 400
_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class ImageName:
    """An image by its registry, its name there, and a tag or a digest."""

    registry: str
    name: str
    version: str

    @property
    def path(self) -> str:
        """Registry and name, as they stand before the digest of a job's image."""
        return f"{self.registry}/{self.name}"


def image_name(reference: str) -> ImageName:
    """What a reference with its registry means; without a tag or a digest the tag ``latest``.

    Raises InvalidError ``image_index_invalid``: also for a bare name, which means something else on every machine.
    """
    found = _REFERENCE.fullmatch(reference) if len(reference) <= _MAX_REFERENCE else None
    if found is None:
        raise _invalid(f"{reference[:80]!r} is no reference of an image.")
    registry, slash, name = found["name"].partition("/")
    if not slash or not ("." in registry or ":" in registry or registry == "localhost"):
        raise _invalid(f"{reference[:80]!r} does not say in which registry the image is.")
    return ImageName(registry, name, found["digest"] or found["tag"] or "latest")


def variants(index: Index, image: str, command: Sequence[str]) -> tuple[Variant, ...]:
    """One variant for each image of the index, all with this command. ``image``: registry and name, no tag.

    Raises InvalidError ``image_index_invalid`` where nothing in the index runs on an architecture that is known.
    """
    if not index.images:
        held = ", ".join(index.others) or "nothing"
        raise _invalid(f"The index has no image for an architecture that is known here, it has {held}.")
    return tuple(
        Variant(architecture=of.architecture, image=f"{image}@{of.digest}", command=tuple(command))
        for of in index.images
    )


def fetch_index(image: ImageName, http: httpx2.Client | None = None) -> Index:
    """The index of an image as its registry has it now.

    Raises NotFoundError ``not_found``, InvalidError ``image_index_invalid``, UnavailableError.
    """
    with http or httpx2.Client(timeout=_TIMEOUT_S, follow_redirects=False) as client:
        try:
            answer = _asked(client, image)
        except httpx2.HTTPError as error:
            wrong = f"The registry {image.registry} did not answer: {error}"
            raise UnavailableError(
                "registry_unavailable", wrong[:400], todo="Look at the network, try again."
            ) from error
    if image.version.startswith("sha256:") and hashlib.sha256(answer).hexdigest() != image.version[7:]:
        raise _invalid(f"The registry {image.registry} answered with other bytes than the digest says.")
    return read_index(answer)


def _asked(client: httpx2.Client, image: ImageName) -> bytes:
    scheme = "http" if is_loopback(urlsplit(f"//{image.registry}").hostname) else "https"
    url = f"{scheme}://{image.registry}/v2/{image.name}/manifests/{image.version}"
    status, headers, content = _get(client, url, {"Accept": _ACCEPT})
    if status == httpx2.codes.UNAUTHORIZED:
        token = _token(client, headers.get("www-authenticate", ""), image)
        status, headers, content = _get(client, url, {"Accept": _ACCEPT, "Authorization": f"Bearer {token}"})
    if status in (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN, httpx2.codes.NOT_FOUND):
        wrong = f"The registry {image.registry} has no image {image.name!r} in version {image.version!r} for everybody."
        raise NotFoundError("not_found", wrong, todo="Look at the name; of a private image give the index as a file.")
    if status != httpx2.codes.OK:
        wrong = f"The registry {image.registry} answered {status}."
        raise UnavailableError("registry_unavailable", wrong, todo="Try again later, or give the index as a file.")
    return content


def _get(client: httpx2.Client, url: str, headers: dict[str, str]) -> tuple[int, httpx2.Headers, bytes]:
    """At most as many bytes as an index has."""
    with client.stream("GET", url, headers=headers) as answer:
        content = b""
        for piece in answer.iter_bytes():
            content += piece
            if len(content) > MAX_BYTES:
                raise _invalid(f"The answer is longer than {MAX_BYTES} bytes.")
        return answer.status_code, answer.headers, content


def _token(client: httpx2.Client, challenge: str, image: ImageName) -> str:
    """A token that lets everybody read, from where the registry says."""
    said = dict(_CHALLENGE.findall(challenge))
    realm = urlsplit(said.get("realm", ""))
    is_private = realm.scheme == "https" or (realm.scheme == "http" and is_loopback(realm.hostname))
    if not challenge.lower().startswith("bearer") or not is_private or not realm.hostname:
        raise _invalid(f"The registry {image.registry} wants to be asked in a way that is not known here.")
    asked = {"service": said.get("service", ""), "scope": f"repository:{image.name}:pull"}
    answer = client.get(realm.geturl(), params={name: text for name, text in asked.items() if text})
    try:
        given = answer.json()
        token = given.get("token") or given.get("access_token")
    except (ValueError, AttributeError) as error:
        raise _invalid(f"The registry {image.registry} gave no token.") from error
    if answer.status_code != httpx2.codes.OK or not isinstance(token, str):
        raise _invalid(f"The registry {image.registry} gave no token.")
    return token


def _invalid(wrong: str) -> InvalidError:
    todo = "Give an image index in a file, or REGISTRY/NAME:TAG."
    return InvalidError("image_index_invalid", wrong, todo=todo, field="index")
