"""From what the agent asks to what Kubernetes is told: Jobs, their secrets, the policy that closes a network. Pure."""

import posixpath
from dataclasses import dataclass
from typing import Any, Final

from suanlian.drivers.contract import DriverError, Work
from suanlian.drivers.kubernetes import arrays, launcher, names, probing
from suanlian.drivers.kubernetes.arrays import Slots
from suanlian.drivers.kubernetes.options import FlavorSetup, ImageEnvironment, KubernetesOptions, ShareSetup
from suanlian.drivers.kubernetes.parse import Version
from suanlian.model.probe import PROBE_ENVIRONMENT

Json = dict[str, Any]
_FALLBACK_USER: Final = 65532
_REPLACES_WHEN_FAILED: Final = Version(1, 29)
"""From here on the server makes no new pod before the old one has failed, and says which failures were its own."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where it goes: the owner's setup of its share and flavor, the server, the user of all jobs."""

    share: ShareSetup
    flavor: FlavorSetup
    version: Version
    user: int


def user(options: KubernetesOptions, agent: int) -> int:
    """As which user jobs run: the owner's choice, the agent's own, never root by itself."""
    if options.run_as_user is not None:
        return options.run_as_user
    return agent or _FALLBACK_USER


def name_of(held: Slots) -> str:
    """The name of the Job of these."""
    return names.job_name(held[0][1]) if len(held) == 1 else names.array_name(key for _, key in held)


def job(work: Work, options: KubernetesOptions, target: Target, held: Slots) -> Json:
    """The Job of one attempt, or of many. Raises DriverError for what cannot run here."""
    name = name_of(held)
    labels = {
        **target.share.labels,
        names.MANAGED_BY: names.MANAGER,
        names.INSTANCE: options.instance,
        names.NAME: name,
        **({names.ARRAY: "yes"} if len(held) > 1 else {}),
    }
    attempts = {names.ATTEMPTS: arrays.written(held)} if len(held) > 1 else {names.ATTEMPT: held[0][1]}
    limits = {names.WALL: str(work.limits.wall_time_s), names.STREAM_BYTES: str(work.limits.stream_bytes)}
    secret = {names.SECRET: "given"} if work.secret_env else {}
    network = {} if work.network else {names.NETWORK: names.CLOSED}
    pod = {"metadata": {"labels": {**labels, **network}}, "spec": _pod(work, options, target, (held, name))}
    metadata = {
        "name": name,
        "namespace": target.share.namespace,
        "labels": labels,
        "annotations": {**attempts, **limits, **secret},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {**_runs(target.version, len(held)), "template": pod},
    }


def _runs(version: Version, many: int) -> Json:
    """Each once, whatever becomes of it."""
    spec: Json = {"completions": many, "parallelism": many}
    if many > 1:
        spec |= {"completionMode": "Indexed", "backoffLimitPerIndex": 0}
    else:
        spec["backoffLimit"] = 0
    if version >= _REPLACES_WHEN_FAILED:
        disrupted = [{"type": "DisruptionTarget", "status": "True"}]
        action = "FailIndex" if many > 1 else "FailJob"
        spec["podReplacementPolicy"] = "Failed"
        spec["podFailurePolicy"] = {"rules": [{"action": action, "onPodConditions": disrupted}]}
    return spec


def _pod(work: Work, options: KubernetesOptions, target: Target, key: tuple[Slots, str]) -> Json:
    grace = options.grace_s if work.checkpoint is None else work.checkpoint.grace_s
    spec: Json = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        # from its start on its node, its image's way there included; tightened when its program was seen to begin
        "activeDeadlineSeconds": work.limits.wall_time_s + options.start_patience_s,
        "terminationGracePeriodSeconds": grace,
        "nodeSelector": dict(target.flavor.selector),
        "tolerations": [*map(dict, target.flavor.tolerations), *_STAYS],
        "securityContext": {
            "runAsUser": target.user,
            "runAsGroup": target.user,
            "runAsNonRoot": target.user != 0,
            "fsGroup": target.user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(work, options, target, key)],
        "volumes": [_volume(work, options)],
    }
    if options.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in options.image_pull_secrets]
    if target.share.priority_class:
        spec["priorityClassName"] = target.share.priority_class
    if target.share.runtime_class:
        spec["runtimeClassName"] = target.share.runtime_class
    return spec


# A silent node's pods would be removed after five minutes and begun again elsewhere by the Job; the driver looks at
# the node itself, and the hub says where the task is tried again.
_STAYS: Final = tuple(
    {"key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": "NoExecute"}
    for what in ("not-ready", "unreachable")
)


def _container(work: Work, options: KubernetesOptions, target: Target, key: tuple[Slots, str]) -> Json:
    held, name = key
    image = image_of(work, options)
    amounts = _amounts(work, options, target.flavor)
    stop = launcher.before_stop("TERM" if work.checkpoint is None else work.checkpoint.signal)
    kept = {} if work.checkpoint is None else {"SUANLIAN_CHECKPOINT_DIR": f"{launcher.WORK}/{work.checkpoint.path}"}
    variables = {
        "HOME": launcher.WORK,
        "TMPDIR": "/tmp",  # noqa: S108 - the container's own
        **kept,
        **image.env,
        **work.env,
    }
    container: Json = {
        "name": names.CONTAINER,
        "image": image.image,
        "imagePullPolicy": options.image_pull_policy,
        "command": [launcher.escaped(word) for word in launcher.command((*image.launcher, *work.command))],
        "workingDir": launcher.WORK,
        "env": [*_slot(held), *({"name": each, "value": launcher.escaped(v)} for each, v in variables.items())],
        "resources": {"requests": amounts, "limits": amounts},
        "volumeMounts": _mounts(work, options, name if len(held) == 1 else f"{name}.$({launcher.SLOT})"),
        "lifecycle": {"preStop": {"exec": {"command": stop}}},
        "terminationMessagePath": launcher.TERMINATION,
        # what the runtime said where no program ran: that the image is for another processor
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    if work.secret_env:
        container["envFrom"] = [{"secretRef": {"name": name}}]
    return container


def _slot(held: Slots) -> list[Json]:
    """Which task it is; in a Job of many the server says which slot."""
    if len(held) == 1:
        return [{"name": "SUANLIAN_TASK_INDEX", "value": str(held[0][0])}]
    slot = {"fieldRef": {"fieldPath": f"metadata.annotations['{names.SLOT}']"}}
    tasks = " ".join(str(index) for index, _ in held)
    return [{"name": launcher.SLOT, "valueFrom": slot}, {"name": launcher.TASKS, "value": tasks}]


def image_of(work: Work, options: KubernetesOptions) -> ImageEnvironment:
    """The image that the work runs in. Raises DriverError when there is none."""
    if work.nodes > 1:
        raise DriverError(f"this driver starts no gangs (wanted {work.nodes} nodes): it does not offer that feature")
    if work.environment == PROBE_ENVIRONMENT:  # ours alone: what the owner wrote under this name counts for nothing
        if options.probe_image is None:
            raise DriverError("probes need the option probe_image here")
        return probing.environment(options.probe_image)
    if work.image is not None:
        return ImageEnvironment(work.image)
    if (setup := options.environments.get(work.environment or "")) is None:
        known = ", ".join(sorted(options.environments)) or "none"
        raise DriverError(f"this cluster has no environment {work.environment!r}; it has: {known}")
    return setup


def _amounts(work: Work, options: KubernetesOptions, flavor: FlavorSetup) -> dict[str, str]:
    granted = work.granted
    amounts = {"cpu": f"{granted.cpu}m", "memory": f"{granted.memory}Mi"}
    if granted.disk and options.staging is None:
        amounts["ephemeral-storage"] = f"{granted.disk}Mi"
    if granted.accelerator:
        if flavor.resource is None:
            raise DriverError(f"no extended resource is known for the cards of flavor {work.flavor!r}: set it")
        amounts[flavor.resource] = str(granted.accelerator)
    return amounts


def _volume(work: Work, options: KubernetesOptions) -> Json:
    staging = options.staging
    if staging is None:
        bound = {"sizeLimit": f"{work.granted.disk}Mi"} if work.granted.disk else {}
        return {"name": "files", "emptyDir": bound}
    if staging.host_path is not None:
        return {"name": "files", "hostPath": {"path": staging.host_path, "type": "Directory"}}
    return {"name": "files", "persistentVolumeClaim": {"claimName": staging.claim}}


def _mounts(work: Work, options: KubernetesOptions, folder: str) -> list[Json]:
    staging = options.staging
    base = "" if staging is None else "/".join(part for part in (staging.sub_path, "jobs", folder) if part) + "/"
    # in a Job of many each slot has its own directory, by a variable
    way = "subPathExpr" if "$(" in folder else "subPath"
    mounts = [{"name": "files", "mountPath": launcher.WORK, way: f"{base}work"}]
    if staging is not None:
        mounts.append({"name": "files", "mountPath": launcher.RUN, way: f"{base}run"})
    for mount in work.mounts:
        if taken := next((kept for kept in _KEPT if _touch(mount.path, kept)), None):
            raise DriverError(f"mount {mount.path!r} would cover {taken}, which the driver needs: use another path")
        source = mount.source.replace("$", "$$") if "$(" in folder else mount.source
        mounts.append({"name": "files", "mountPath": mount.path, way: f"{base}work/{source}"})
    return mounts


_KEPT: Final = (launcher.WORK, launcher.RUN, launcher.SHELL)


def _touch(one: str, other: str) -> bool:
    """Whether one of both lies in the other."""
    return posixpath.commonpath((one, other)) in {one, other}


def secret(work: Work, owner: Json) -> Json:
    """The values that the job is given and nobody else, gone with the Job at the latest."""
    metadata = owner["metadata"]
    reference = {"apiVersion": "batch/v1", "kind": "Job", "name": metadata["name"], "uid": metadata["uid"]}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "labels": {names.MANAGED_BY: names.MANAGER},
            "ownerReferences": [reference],
        },
        "stringData": dict(work.secret_env),
    }


def closed_policy(namespace: str) -> Json:
    """Nothing in, nothing out, for pods whose jobs asked for no network."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": names.CLOSED_POLICY,
            "namespace": namespace,
            "labels": {names.MANAGED_BY: names.MANAGER},
        },
        "spec": {
            "podSelector": {"matchLabels": {names.NETWORK: names.CLOSED}},
            "policyTypes": ["Ingress", "Egress"],
        },
    }
