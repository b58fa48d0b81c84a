"""For which architectures does an image index hold an image, and under which digests? Pure: bytes in, values out.

An OCI image index and a Docker manifest list are one shape. A job's variant names one image of one architecture by its
digest, so an index counts as several variants.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from suanlian.model.errors import InvalidError
from suanlian.model.performance import Architecture

ARCHITECTURES: Final[Mapping[tuple[str, str], Architecture]] = {
    ("linux", "amd64"): Architecture.X86_64,
    ("linux", "arm64"): Architecture.AARCH64,
    ("linux", "riscv64"): Architecture.RISCV64,
    ("wasi", "wasm"): Architecture.WASM32,
    ("wasip1", "wasm"): Architecture.WASM32,
}
"""Go's names of an operating system and an architecture, as images write them -> ours; others run nowhere here."""

PLAIN: Final = frozenset({"", "v1", "v8"})
"""Variants of an architecture that every machine of it runs: amd64 (v1) and arm64 v8."""

MAX_BYTES: Final = 4 * 1024 * 1024
"""A longer index is refused: registries bound a manifest to this."""
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ImageOf:
    """One image of an index."""

    architecture: Architecture
    digest: str


@dataclass(frozen=True, slots=True)
class Index:
    """The images that can run here, an architecture each; and what else the index holds, in its own words."""

    images: tuple[ImageOf, ...]
    others: tuple[str, ...]


def read_index(content: bytes) -> Index:
    """The images of an index, in its order.

    Attestations are passed over. Of several images of one architecture that which every such machine runs is taken,
    and the others are told among ``others``. Raises InvalidError ``image_index_invalid``.
    """
    manifests = _manifests(content)
    found: dict[Architecture, ImageOf] = {}
    others: list[str] = []
    for number, manifest in enumerate(manifests):
        system, architecture, form = _platform(manifest, number)
        if (system, architecture) == ("unknown", "unknown"):
            continue  # an attestation: no image
        ours = ARCHITECTURES.get((system, architecture))
        if ours is None or form not in PLAIN or ours in found:
            others.append("/".join(part for part in (system, architecture, form) if part))
            continue
        found[ours] = ImageOf(ours, _digest(manifest, number))
    return Index(tuple(found.values()), tuple(dict.fromkeys(others)))


def _manifests(content: bytes) -> list[Mapping[str, Any]]:
    if len(content) > MAX_BYTES:
        raise _invalid(f"is longer than {MAX_BYTES} bytes")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _invalid("is not JSON") from error
    if not isinstance(document, dict):
        raise _invalid("is no JSON object")
    manifests = document.get("manifests")
    if manifests is None and "config" in document:
        raise _invalid("is the manifest of a single image, which does not say for which architecture")
    if not isinstance(manifests, list) or not all(isinstance(manifest, dict) for manifest in manifests):
        raise _invalid("has no list of manifests")
    return manifests


def _platform(manifest: Mapping[str, Any], number: int) -> tuple[str, str, str]:
    platform = manifest.get("platform")
    if not isinstance(platform, dict):
        raise _invalid(f"does not say for which platform its entry {number} is")
    parts = [platform.get(name, "") for name in ("os", "architecture", "variant")]
    if not all(isinstance(part, str) and part.isprintable() and len(part) <= 40 for part in parts):  # noqa: PLR2004 - no platform is called longer
        raise _invalid(f"has a platform in its entry {number} that is no text")
    system, architecture, form = parts
    return system, architecture, form


def _digest(manifest: Mapping[str, Any], number: int) -> str:
    digest = manifest.get("digest")
    if not isinstance(digest, str) or _DIGEST.fullmatch(digest) is None:
        raise _invalid(f"has no sha256 digest in its entry {number}")
    return digest


def _invalid(wrong: str) -> InvalidError:
    return InvalidError(
        "image_index_invalid",
        f"The image index {wrong}.",
        todo="Give an OCI image index or a Docker manifest list, or write each variant with its digest.",
        field="index",
    )
