"""What do images stand for on the platforms that there are?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from suanlian.model.performance import Architecture
from suanlian.model.place import Place
from suanlian.rules.feasibility import IMAGE_ENVIRONMENT
from suanlian.rules.images import Reference, nearest

Software = tuple[str, Architecture]
"""A named environment, and the architecture that it is for."""


@dataclass(frozen=True, slots=True)
class KnownSoftware:
    """What images stand for on the platforms that there are, and where images run by their digest."""

    images: Mapping[Reference, frozenset[Software]]
    by_digest: frozenset[Architecture]

    @classmethod
    def of(cls, places: Iterable[Place]) -> "KnownSoftware":
        """Look through the environments of every place."""
        images: dict[Reference, set[Software]] = {}
        by_digest: set[Architecture] = set()
        for place in places:
            flavor = place.flavor
            if flavor.image_runtime or any(known.name == IMAGE_ENVIRONMENT for known in flavor.environments):
                by_digest.add(flavor.architecture)
            for known in flavor.environments:
                for text in known.images:
                    images.setdefault(Reference.read(text), set()).add((known.name, known.architecture))
        return cls({image: frozenset(found) for image, found in images.items()}, frozenset(by_digest))

    def standing_for(self, asked: Reference) -> frozenset[Software]:
        """The environments that stand for an image."""
        return frozenset(found for image, every in self.images.items() if image.covers(asked) for found in every)

    def nearest(self, asked: Reference) -> tuple[str, ...]:
        """Known images that are written most like this one, the nearest first."""
        return nearest(str(asked), [str(image) for image in self.images])
