"""Storage for tests of rules."""

from suanlian.model.data import StorageKind, StorageShare
from suanlian.model.platform import Site
from suanlian.model.transfer_plan import StoragePlace


def place(name: str, site: str = "main", kind: StorageKind = StorageKind.S3, **changes: object) -> StoragePlace:
    """A storage share of a platform that has its name; ``changes`` are of the share or of the place."""
    share_fields = {key: changes.pop(key) for key in list(changes) if key in StorageShare.model_fields}
    endpoint = "" if kind is StorageKind.POSIX else f"https://{name}.example"
    share = StorageShare.model_validate(
        {"name": f"s-{site}", "site": site, "kind": kind, "endpoint": endpoint, "read_only": kind is StorageKind.HTTP}
        | share_fields
    )
    said: dict[str, object] = {
        "id": f"{name}/{site}",
        "platform": name,
        "platform_id": name,
        "entity": "e",
        "connector_id": f"c-{name}",
        "share": share,
        "site": Site(name=site, region="340200"),
        "check": None,
        "live": True,
        "reachable": True,
        "withdrawn": False,
        "sealing_key": "k",
        "booked": 0,
    }
    return StoragePlace(**{**said, **changes})  # type: ignore[arg-type]  # of the very fields above
