"""The Kubernetes driver: an attempt is a Job of one pod that runs once. All truth is in the cluster's objects.

What is to end is marked on its Job first (an annotation: how and why), then ended; so a crash between, or another agent
process, tells the same end. A pod that ran is ended by its deadline, which keeps its record and its log; one that did
not run by taking the Job's pods away.
"""

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from suanlian.drivers.contract import DriverError, DriverStatus, EngineLoad, NativeId, Observation, Work
from suanlian.drivers.kubernetes import (
    arrays,
    inventory,
    launcher,
    manifest,
    marks,
    names,
    parse,
    paths,
    probing,
    verdict,
)
from suanlian.drivers.kubernetes.client import Cluster, Json, OfficialWire, Wire
from suanlian.drivers.kubernetes.marks import End
from suanlian.drivers.kubernetes.names import Place
from suanlian.drivers.kubernetes.options import KubernetesOptions, ShareSetup
from suanlian.drivers.kubernetes.shared import STREAMS, SharedFiles
from suanlian.drivers.kubernetes.starting import Starting
from suanlian.drivers.kubernetes.verdict import Patience
from suanlian.model.ids import AttemptId
from suanlian.model.job import ENDED, JobState
from suanlian.model.performance import Architecture
from suanlian.model.platform import Feature, Flavor, Share

_ASK_BY_NAME = 20
"""Up to so many jobs are asked for by their names; more are listed with all of ours."""


def utc_now() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


class KubernetesDriver:
    """One cluster, through one account. Capabilities: Streams, Stages, Lists, Loads, Probes, Signals, Suspends."""

    def __init__(
        self, options: KubernetesOptions, *, wire: Wire | None = None, clock: Callable[[], datetime] = utc_now
    ) -> None:
        """Nothing is asked of the cluster yet. Tests hand in a wire and a clock."""
        self._options, self._clock = options, clock
        self._cluster = Cluster(wire or OfficialWire(options.kubeconfig, options.context))
        self._user = manifest.user(options, os.geteuid())
        self._files = None if options.staging is None else SharedFiles(options.staging.root, self._user)
        self._version: parse.Version | None = None
        self._starting = Starting(self._cluster, options, self._files, self._user)

    # ------------------------------------------------------------------ what is here

    def probe(self) -> DriverStatus:
        """Whether the API server answers, and jobs can have files; in words, what keeps jobs apart."""
        features = frozenset({Feature.MOUNTS, Feature.SIGNALS, Feature.SUSPEND})
        words = f"pods of Kubernetes as user {self._user} without privileges; {self._network_words()}"
        try:
            version = self._server()
        except DriverError as error:
            return DriverStatus(ready=False, isolated=False, isolation=words, detail=str(error), features=features)
        wrong = self._files.check() if self._files is not None else None
        files = "" if self._files is not None else "; no shared directory: jobs have no inputs and outputs"
        detail = f"Kubernetes {version.major}.{version.minor}{files}" if wrong is None else wrong
        return DriverStatus(ready=wrong is None, isolated=True, isolation=words, detail=detail, features=features)

    def _network_words(self) -> str:
        if self._options.closed_network == "open":
            return "the network of the cluster is open to all jobs"
        held = "closed" if self._options.network_policies_hold else "closed where the cluster enforces NetworkPolicies"
        return f"network {held} for jobs that ask for none"

    def describe(self) -> Sequence[Flavor]:
        """The owner's flavors by their labels, or one for each kind of node."""
        return inventory.flavors(self._nodes(), self._options)

    def load(self, share: Share) -> EngineLoad:
        """By the quota of the share's namespace, and by what pods hold of its nodes, whoever's they are."""
        setup = self._share(share.name)
        nodes = self._nodes()
        flavor = inventory.setup(share.flavor, nodes, self._options)
        pods = self._cluster.listed(paths.PODS, paths.LIVING)
        quotas = self._cluster.listed(paths.quotas(setup.namespace))
        return inventory.load(share, flavor, nodes, inventory.Used(setup.namespace, pods, quotas))

    def _nodes(self) -> list[parse.Node]:
        return [parse.node(said) for said in self._cluster.listed(paths.NODES)]

    def _server(self) -> parse.Version:
        if self._version is None:
            try:
                self._version = parse.version(self._cluster.version())
            except ValueError as error:
                raise DriverError(str(error), transient=True) from error
        return self._version

    def _share(self, name: str) -> ShareSetup:
        return self._options.shares.get(name) or ShareSetup(self._options.namespace)

    # ------------------------------------------------------------------ submit

    def submit(self, work: Work, *, keys: Mapping[int, AttemptId]) -> Mapping[int, NativeId]:
        """Jobs under names that a repeat finds, one a key or one for many; what is there stays. Raises DriverError."""
        return self._starting.start(work, keys, self._server)

    # ------------------------------------------------------------------ observe

    def observe(self, ids: Collection[NativeId]) -> Mapping[NativeId, Observation]:
        """What is true of each. What has to end (image that never comes, output over its bound) is ended here."""
        places = {native_id: names.place(native_id) for native_id in ids}
        jobs, pods = self._read([place for place in places.values() if place is not None])
        warnings: dict[str, list[Json]] = {}
        return {
            native_id: verdict.UNKNOWN if place is None else self._observe(place, (jobs, pods), warnings)
            for native_id, place in places.items()
        }

    def _read(self, places: Sequence[Place]) -> tuple[dict[str, Json], dict[Place, list[Json]]]:
        """Jobs by their path, pods by their place."""
        jobs: dict[str, Json] = {}
        pods: dict[Place, list[Json]] = {}
        for namespace in sorted({place.namespace for place in places}):
            wanted = sorted({place.name for place in places if place.namespace == namespace})
            asked = paths.ours(self._options.instance, wanted if len(wanted) <= _ASK_BY_NAME else ())
            # jobs first: a pod that is made in between is seen, one of an unknown Job is none of ours
            for job in self._cluster.listed(paths.jobs(namespace), asked):
                jobs[paths.job(Place(namespace, job["metadata"]["name"]))] = job
            for pod in parse.by_age(self._cluster.listed(paths.pods(namespace), asked)):
                name = pod["metadata"]["labels"].get(names.NAME, "")
                pods.setdefault(Place(namespace, name, arrays.slot_of(pod)), []).append(pod)
        return jobs, pods

    def _observe(
        self, place: Place, read: tuple[dict[str, Json], dict[Place, list[Json]]], warnings: dict[str, list[Json]]
    ) -> Observation:
        whole, pods = read[0].get(paths.job(place)), read[1].get(place, [])
        job = None if whole is None else arrays.view(whole, place, pods)
        seen = verdict.judge(job, pods, self._node_of(pods), self._patience())
        observation, end = seen.observation, seen.end
        if job is None or observation.lost:
            return observation
        if observation.state is JobState.QUEUED and not pods:
            observation, end = self._why_no_pod(place, job, observation, warnings)
        if parse.is_alive(pods) and self._files is not None:
            end = end or marks.over_output(job, self._files.written(place.folder), self._clock())
        mark = marks.end_of(job) or end
        if observation.state in ENDED:
            self._take_secret(place, job)
        elif mark is not None and not (marks.end_of(job) and marks.is_being_ended(job, pods)):
            self._end(place, mark, pods)
        elif seen.began is not None:
            self._note_start(place, job, pods[0], seen.began)
        return observation

    def _node_of(self, pods: Sequence[Json]) -> parse.Node | None:
        """The node of a running pod that is not well; else it is not asked for."""
        name = verdict.unwell_on(pods)
        said = self._cluster.get(paths.node(name)) if name else None
        return None if said is None else parse.node(said)

    def _patience(self) -> Patience:
        options = self._options
        return Patience(self._clock(), options.pull_patience_s, options.start_patience_s, options.node_patience_s)

    def _why_no_pod(
        self, place: Place, job: Json, seen: Observation, warnings: dict[str, list[Json]]
    ) -> tuple[Observation, End | None]:
        if marks.age_s(job, self._clock()) < 1:
            return seen, None
        if place.namespace not in warnings:  # once a look, however many wait
            warnings[place.namespace] = self._cluster.listed(paths.events(place.namespace), paths.WARNINGS)
        own = [event for event in warnings[place.namespace] if event["involvedObject"].get("name") == place.name]
        return marks.without_pod(seen, [str(event.get("message") or "") for event in own], self._clock())

    def _note_start(self, place: Place, job: Json, pod: Json, began: datetime) -> None:
        """Its program runs: its wall time is counted from here, and nobody needs its secrets any more."""
        self._take_secret(place, job)
        body: Json = {"metadata": {"annotations": {names.SEEN: began.isoformat()}}}
        if (due := marks.deadline_s(job, pod, began)) is not None:
            body["spec"] = {"activeDeadlineSeconds": due}
        self._cluster.patch(paths.pod(pod), body)

    def _take_secret(self, place: Place, job: Json) -> None:
        if parse.annotations(job).get(names.SECRET) == "given":
            self._cluster.delete(paths.secret(place), "Background")
            self._cluster.patch(paths.job(place), {"metadata": {"annotations": {names.SECRET: "taken"}}})

    # ------------------------------------------------------------------ cancel, forget

    def cancel(self, native_id: NativeId) -> None:
        """Mark it, then end it: SIGTERM to all its processes, after the grace SIGKILL."""
        found = self._found(native_id)
        if found is not None and not parse.is_over(found[1]) and not parse.is_leaving(found[1]):
            place, job, pods = found
            if verdict.judge(job, pods, None, self._patience()).observation.state not in ENDED:
                self._end(place, marks.end_of(job) or End(JobState.CANCELED, "canceled", self._clock()), pods)

    def _found(self, native_id: NativeId) -> tuple[Place, Json, list[Json]] | None:
        """The place, its Job or what of it is true of its slot, its pods."""
        place = names.place(native_id)
        job = None if place is None else self._cluster.get(paths.job(place))
        if place is None or job is None:
            return None
        pods = self._pods_of(place)
        return place, arrays.view(job, place, pods), pods

    def _end(self, place: Place, end: End, pods: Sequence[Json]) -> None:
        """The mark, with it the Job's pods where none has begun; a pod that runs by its deadline."""
        staying = [pod for pod in pods if not parse.is_leaving(pod)]
        running = [pod for pod in staying if parse.is_running(pod)]
        body: Json = {"metadata": {"annotations": {place.mark(names.END): end.text()}}}
        if not running and place.slot is None:
            body["spec"] = {"parallelism": 0}
        self._cluster.patch(paths.job(place), body)
        for pod in running:
            self._cluster.patch(paths.pod(pod), {"spec": {"activeDeadlineSeconds": 1}})
        for pod in [] if running or place.slot is None else staying:
            self._cluster.delete(paths.pod(pod), "Background")

    def forget(self, native_id: NativeId) -> None:
        """Remove Job, pods, secret and files; of a Job of many with the last one. Raises DriverError while it runs."""
        found, place = self._found(native_id), names.place(native_id)
        if found is not None and not parse.is_leaving(found[1]):
            if verdict.judge(found[1], found[2], None, self._patience()).observation.state not in ENDED:
                raise DriverError(f"job {native_id} still runs: cancel it, and forget it when it has ended")
            self._remove(found[0])
        if place is not None and self._files is not None:
            self._files.remove(place.folder)

    def _remove(self, place: Place) -> None:
        if place.slot is not None:
            forgotten = {"metadata": {"annotations": {place.mark(names.FORGOTTEN): "yes"}}}
            job = self._cluster.patch(paths.job(place), forgotten)
            if job is None or not arrays.all_forgotten(job, place):
                return
        self._cluster.delete(paths.job(place))

    def known(self) -> Iterator[tuple[NativeId, AttemptId]]:
        """Every Job of this connector in its namespaces, but those on their way out."""
        spaces = {self._options.namespace, *(share.namespace for share in self._options.shares.values())}
        for namespace in sorted(spaces):
            for job in self._cluster.listed(paths.jobs(namespace), paths.ours(self._options.instance)):
                for place, key in arrays.held(namespace, job):
                    yield place.native, key

    # ------------------------------------------------------------------ streams, files, signals

    def read_log(self, native_id: NativeId, stream: str, offset: int, limit: int) -> bytes:
        """From the shared directory; without one from the API, which knows both streams as one, told as ``stdout``."""
        place = names.place(native_id)
        if place is None or stream not in STREAMS:
            raise DriverError(f"there is no stream {stream!r} of job {native_id!r} here")
        if self._files is not None:
            return self._files.read(place.folder, stream, offset, limit)
        pods = self._pods_of(place) if stream == "stdout" else []
        if not pods or limit <= 0:
            return b""
        # the API reads from the beginning or the end, never from an offset
        return self._cluster.log(paths.log(pods[0], offset + limit))[offset:]

    def working_directory(self, native_id: NativeId) -> Path:
        """Where the job's files lie. They are a stranger's: links may point anywhere and must not be followed."""
        place = names.place(native_id)
        if self._files is None:
            raise DriverError("this cluster has no way out for files: the owner sets driver.options.staging")
        found = None if place is None else self._files.work(place.folder)
        if found is None:
            raise DriverError(f"job {native_id!r} has no working directory here")
        return found

    def signal(self, native_id: NativeId, name: str) -> None:
        """To those of its processes that handle it, where none does to all. Raises DriverError: no such name."""
        if name not in launcher.SIGNALS:
            raise DriverError(f"there is no signal {name!r} for jobs: {', '.join(launcher.SIGNALS)}")
        if (place := names.place(native_id)) is not None:
            self._run_beside(place, launcher.signal(name))

    def _run_beside(self, place: Place, command: Sequence[str]) -> None:
        """In a pod that runs: the API may not have heard of its start. Raises DriverError where it has not begun."""
        for pod in self._pods_of(place):
            if not verdict.has_ended(pod):
                self._cluster.execute(paths.execute(pod, command))

    def suspend(self, native_id: NativeId) -> None:
        """SIGSTOP to every process: they keep their memory, and the pod its node. Marked on the Job."""
        self._pause(native_id, paused=True)

    def resume(self, native_id: NativeId) -> None:
        """SIGCONT to every process."""
        self._pause(native_id, paused=False)

    def _pause(self, native_id: NativeId, *, paused: bool) -> None:
        found = self._found(native_id)
        if found is None or parse.is_over(found[1]) or parse.is_leaving(found[1]):
            return
        place = found[0]
        self._run_beside(place, launcher.stand(still=paused))
        mark = self._clock().isoformat() if paused else None
        self._cluster.patch(paths.job(place), {"metadata": {"annotations": {place.mark(names.PAUSED): mark}}})

    def probe_architecture(self) -> Architecture | None:
        """As the owner says of the image for probes; None where there is none."""
        options = self._options
        return options.probe_architecture if options.probe_image is not None and probing.is_here() else None

    def _pods_of(self, place: Place) -> list[Json]:
        found = parse.by_age(self._cluster.listed(paths.pods(place.namespace), paths.of_job(place)))
        return [pod for pod in found if arrays.slot_of(pod) == place.slot]
