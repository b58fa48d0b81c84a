"""How does work come into the cluster? Its files laid out, its Job made, its secret given; what is there stays."""

from collections.abc import Callable, Mapping, Sequence

from suanlian.drivers.contract import DriverError, NativeId, Work
from suanlian.drivers.kubernetes import arrays, inventory, manifest, marks, names, parse, paths
from suanlian.drivers.kubernetes.arrays import Slots
from suanlian.drivers.kubernetes.client import Cluster, Json
from suanlian.drivers.kubernetes.names import Place
from suanlian.drivers.kubernetes.options import FlavorSetup, KubernetesOptions, ShareSetup
from suanlian.drivers.kubernetes.shared import SharedFiles
from suanlian.model.ids import AttemptId

_NO_WAY = (
    "the job has inputs, and this cluster no way for them: the owner sets driver.options.staging "
    "(a directory that the agent and the nodes share)"
)


class Starting:
    """Starts work; all that it remembers is which namespaces have their policy."""

    def __init__(self, cluster: Cluster, options: KubernetesOptions, files: SharedFiles | None, user: int) -> None:
        """``user`` is whose jobs are."""
        self._cluster, self._options, self._files, self._user = cluster, options, files, user
        self._closed: set[str] = set()

    def start(
        self, work: Work, keys: Mapping[int, AttemptId], server: Callable[[], parse.Version]
    ) -> Mapping[int, NativeId]:
        """One Job a key, or one for many where the server can; under names that a repeat finds. Raises DriverError."""
        target = self._target(work, server())
        manifest.image_of(work, self._options)
        if not work.network and self._options.closed_network == "policy":
            self._close(target.share.namespace)
        found = self._held_by_many(target.share.namespace, set(keys.values())) if arrays.can(target.version) else {}
        started = {index: found[key].native for index, key in keys.items() if key in found}
        rest = {index: key for index, key in keys.items() if key not in found}
        for held in arrays.groups(work, target.version, rest):
            name = manifest.name_of(held)
            many = len(held) > 1
            places = [Place(target.share.namespace, name, slot if many else None) for slot in range(len(held))]
            self._start(work, target, (held, places))
            started |= {index: place.native for (index, _), place in zip(held, places, strict=True)}
        return started

    def _target(self, work: Work, version: parse.Version) -> manifest.Target:
        flavor = self._options.flavors.get(work.flavor)
        if flavor is None or (work.granted.accelerator and flavor.resource is None):
            # without a name, as in tests: any node
            nodes = [parse.node(said) for said in self._cluster.listed(paths.NODES)] if work.flavor else []
            flavor = inventory.setup(work.flavor, nodes, self._options) if work.flavor else FlavorSetup()
        share = self._options.shares.get(work.share) or ShareSetup(self._options.namespace)
        return manifest.Target(share, flavor, version, self._user)

    def _held_by_many(self, namespace: str, keys: set[AttemptId]) -> dict[AttemptId, Place]:
        """Those that a Job of many holds already, under whatever company they were asked for then."""
        found: dict[AttemptId, Place] = {}
        for job in self._cluster.listed(paths.jobs(namespace), paths.arrays(self._options.instance)):
            if not parse.is_leaving(job):
                for slot, (_, key) in enumerate(arrays.slots(job)):
                    if key in keys:
                        found[key] = Place(namespace, job["metadata"]["name"], slot)
        return found

    def _start(self, work: Work, target: manifest.Target, what: tuple[Slots, Sequence[Place]]) -> None:
        held, places = what
        first = places[0]
        body = manifest.job(work, self._options, target, held)
        found = self._cluster.get(paths.job(first))
        if found is None:
            for (_, key), place in zip(held, places, strict=True):
                self._lay_out(work, place, key)
            found = self._cluster.create(paths.jobs(first.namespace), body) or self._cluster.get(paths.job(first))
        if found is None or parse.is_leaving(found):
            raise DriverError(f"the Job {first.native} of an earlier try is still being removed", transient=True)
        if work.secret_env and not parse.is_over(found) and marks.end_of(found) is None:
            self._give_secret(work, found, first)

    def _lay_out(self, work: Work, place: Place, key: AttemptId) -> None:
        staged = work.staged.get(key)
        if self._files is not None:
            kept = () if work.checkpoint is None else (work.checkpoint.path,)
            self._files.take(staged, place.folder, (*(mount.source for mount in work.mounts), *kept))
        elif staged is not None and any(staged.iterdir()):
            raise DriverError(_NO_WAY)

    def _give_secret(self, work: Work, job: Json, place: Place) -> None:
        """After the Job, which owns it: it goes with it. A pod waits for it; one that has begun needs it no more."""
        pods = self._cluster.listed(paths.pods(place.namespace), paths.of_job(place))
        if not any(map(parse.has_begun, pods)):
            self._cluster.create(paths.secrets(place.namespace), manifest.secret(work, job))

    def _close(self, namespace: str) -> None:
        if namespace not in self._closed:
            if self._cluster.get(paths.policy(namespace, names.CLOSED_POLICY)) is None:
                self._cluster.create(paths.policies(namespace), manifest.closed_policy(namespace))
            self._closed.add(namespace)
