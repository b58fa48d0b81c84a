"""Where things lie in the API. Pure: names in, paths and selectors out."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

from suanlian.drivers.kubernetes import names
from suanlian.drivers.kubernetes.names import Place

NODES: Final = "/api/v1/nodes"
PODS: Final = "/api/v1/pods"
_CORE: Final = "/api/v1/namespaces"
_BATCH: Final = "/apis/batch/v1/namespaces"
_NETWORK: Final = "/apis/networking.k8s.io/v1/namespaces"
LIVING: Final = "fieldSelector=" + quote("status.phase!=Failed,status.phase!=Succeeded", safe="")
"""Pods that hold something of a node."""


def node(name: str) -> str:
    """One node."""
    return f"{NODES}/{quote(name, safe='')}"


def jobs(namespace: str) -> str:
    """The Jobs of a namespace."""
    return f"{_BATCH}/{namespace}/jobs"


def job(place: Place) -> str:
    """One Job."""
    return f"{jobs(place.namespace)}/{place.name}"


def pods(namespace: str) -> str:
    """The pods of a namespace."""
    return f"{_CORE}/{namespace}/pods"


def pod(said: Mapping[str, Any]) -> str:
    """One pod, by what the API said of it."""
    return f"{pods(said['metadata']['namespace'])}/{said['metadata']['name']}"


def log(said: Mapping[str, Any], limit: int) -> str:
    """The beginning of its output."""
    return f"{pod(said)}/log?container={names.CONTAINER}&limitBytes={limit}"


def execute(said: Mapping[str, Any], command: Sequence[str]) -> str:
    """Where a command is run beside it."""
    words = urlencode([("container", names.CONTAINER), *(("command", word) for word in command)], quote_via=quote)
    return f"{pod(said)}/exec?stdout=true&stderr=true&{words}"


def secrets(namespace: str) -> str:
    """The secrets of a namespace."""
    return f"{_CORE}/{namespace}/secrets"


def secret(place: Place) -> str:
    """The secret of a Job."""
    return f"{secrets(place.namespace)}/{place.name}"


def quotas(namespace: str) -> str:
    """Its bounds."""
    return f"{_CORE}/{namespace}/resourcequotas"


def events(namespace: str) -> str:
    """What was said of its objects."""
    return f"{_CORE}/{namespace}/events"


WARNINGS: Final = "fieldSelector=" + quote("involvedObject.kind=Job,type=Warning", safe="")
"""The selector of what went wrong with Jobs."""


def policies(namespace: str) -> str:
    """Its network policies."""
    return f"{_NETWORK}/{namespace}/networkpolicies"


def policy(namespace: str, name: str) -> str:
    """One of them."""
    return f"{policies(namespace)}/{name}"


def of_job(place: Place) -> str:
    """The selector of the pods of a Job."""
    return "labelSelector=" + quote(f"{names.NAME}={place.name}", safe="")


def arrays(instance: str) -> str:
    """The selector of our Jobs of many."""
    labels = f"{names.MANAGED_BY}={names.MANAGER},{names.INSTANCE}={instance},{names.ARRAY}=yes"
    return "labelSelector=" + quote(labels, safe="")


def ours(instance: str, only: Sequence[str] = ()) -> str:
    """The selector of what is ours; of these Jobs alone where some are named."""
    labels = f"{names.MANAGED_BY}={names.MANAGER},{names.INSTANCE}={instance}"
    if only:
        labels += f",{names.NAME} in ({','.join(only)})"
    return "labelSelector=" + quote(labels, safe="")
