"""A cluster of one node for tests: etcd, API server, controllers, scheduler, containerd and kubelet, all on loopback.

Needs root, and what `scripts.build_kubernetes` made. Everything lies in one private directory; what was started is
ended, and the three settings of the kernel that a kubelet changes are put back.
"""

import contextlib
import hashlib
import io
import json
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from scripts.build_kubernetes import PROGRAMS, UNPACKED

IMAGE: Final = "localhost/suanlian/busybox:1"
_SYSCTLS: Final = ("*/overcommit_memory", "kernel/panic", "kernel/panic_on_oops")
_PATIENCE_S: Final = 90.0
_NETWORK: Final = "10.88.77."
_CONTAINERD: Final = """version = 2
root = "{place}/containerd"
state = "{place}/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.opt"]
[grpc]
  address = "{place}/run/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{image}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{unpacked}/usr/lib/cni"
    conf_dir = "{place}/cni"
"""


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def image_archive(reference: str, files: Mapping[str, bytes], entry: list[str], architecture: str = "amd64") -> bytes:
    """An image of one layer as an archive that containerd imports."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for folder in ("tmp", "bin", "proc", "sys", "dev", "etc"):
            made = tarfile.TarInfo(folder)
            made.type, made.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(made)
        for name, content in files.items():
            made = tarfile.TarInfo(name)
            made.mode, made.size = 0o755, len(content)
            if content.startswith(b"-> "):
                made.type, made.linkname, made.size = tarfile.SYMTYPE, content[3:].decode(), 0
            tar.addfile(made, io.BytesIO(content) if made.isreg() else None)
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Entrypoint": entry, "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{_digest(layer.getvalue())}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [reference], "Layers": ["layer.tar"]}]
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in (
            ("config.json", json.dumps(config).encode()),
            ("layer.tar", layer.getvalue()),
            ("manifest.json", json.dumps(manifest).encode()),
        ):
            made = tarfile.TarInfo(name)
            made.size = len(content)
            tar.addfile(made, io.BytesIO(content))
    return archive.getvalue()


def files_below(root: Path) -> dict[str, bytes]:
    """What an image holds of a directory: files, and links as they are written in ``image_archive``."""
    found: dict[str, bytes] = {}
    for file in sorted(root.rglob("*")):
        if file.is_symlink():
            found[str(file.relative_to(root))] = b"-> " + str(file.readlink()).encode()
        elif file.is_file():
            found[str(file.relative_to(root))] = file.read_bytes()
    return found


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class RealCluster:
    """One cluster; ``admin`` may everything, ``account`` what the how-to's role gives."""

    place: Path
    api_port: int = field(default_factory=free_port)
    admin: str = field(default_factory=lambda: secrets.token_hex(16))
    account: str = field(default_factory=lambda: secrets.token_hex(16))
    _started: list[tuple[str, subprocess.Popen[bytes]]] = field(default_factory=list)

    def start(self) -> None:
        """Start all; returns when the node is ready. Raises RuntimeError with the log's end."""
        for folder in ("run", "cni", "logs", "keys", "etcd", "kubelet"):
            (self.place / folder).mkdir(parents=True, exist_ok=True)
        self._etcd_and_server()
        self._containerd()
        self._kubelet()
        self._wait("node", self._node_is_ready)

    # ------------------------------------------------------------------ the API

    def call(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:  # noqa: ANN401
        """One call as the administrator; the JSON of the answer."""
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.api_port}{path}", method=method, data=json.dumps(body).encode() if body else None
        )
        request.add_header("Authorization", f"Bearer {self.admin}")
        request.add_header("Content-Type", kind)
        context = ssl._create_unverified_context()  # noqa: S323, SLF001 - its own certificate, on loopback
        with urllib.request.urlopen(request, context=context, timeout=20) as answer:  # noqa: S310
            return json.loads(answer.read())

    def kubeconfig(self, token: str, name: str) -> Path:
        """A file by which a client comes in."""
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [
                {
                    "name": "test",
                    "cluster": {
                        "server": f"https://127.0.0.1:{self.api_port}",
                        "certificate-authority": str(self.place / "keys/apiserver.crt"),
                    },
                }
            ],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        }
        file = self.place / f"{name}.kubeconfig"
        file.write_text(json.dumps(content))
        return file

    # ------------------------------------------------------------------ parts

    def _etcd_and_server(self) -> None:
        client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        self._spawn(
            "etcd",
            [
                str(UNPACKED / "usr/bin/etcd"),
                *(f"--data-dir={self.place}/etcd", f"--listen-client-urls={client}"),
                f"--advertise-client-urls={client}",
                *(f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"),
                *(f"--initial-cluster=default={peer}", "--unsafe-no-fsync"),
            ],
        )
        key, tokens = self.place / "keys/account.key", self.place / "keys/tokens.csv"
        subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
        tokens.write_text(f'{self.admin},admin,1,"system:masters"\n{self.account},suanlian,2\n')
        tokens.chmod(0o600)
        self._spawn(
            "apiserver",
            [
                str(PROGRAMS / "kube-apiserver"),
                *(f"--etcd-servers={client}", f"--secure-port={self.api_port}", "--bind-address=127.0.0.1"),
                *(f"--cert-dir={self.place}/keys", f"--token-auth-file={tokens}", "--authorization-mode=RBAC"),
                *(f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}"),
                *("--service-account-issuer=https://127.0.0.1", "--service-cluster-ip-range=10.99.0.0/24"),
                *("--disable-admission-plugins=ServiceAccount", "--endpoint-reconciler-type=none"),
                *("--kubelet-preferred-address-types=Hostname", "--anonymous-auth=false", "--profiling=false"),
                "--allow-privileged=false",
            ],
        )
        self._wait("apiserver", self._api_answers)
        config = self.kubeconfig(self.admin, "admin")
        self._spawn(
            "controllers",
            [
                str(PROGRAMS / "kube-controller-manager"),
                *(f"--kubeconfig={config}", "--bind-address=127.0.0.1", f"--secure-port={free_port()}", "--port=0"),
                *("--leader-elect=false", "--controllers=*,-serviceaccount-token", f"--cert-dir={self.place}/keys"),
                *("--node-monitor-grace-period=20s", "--node-monitor-period=2s"),
            ],
        )
        self._spawn(
            "scheduler",
            [
                str(PROGRAMS / "kube-scheduler"),
                *(f"--kubeconfig={config}", "--bind-address=127.0.0.1", f"--secure-port={free_port()}", "--port=0"),
                *("--leader-elect=false", f"--cert-dir={self.place}/keys"),
            ],
        )

    def _containerd(self) -> None:
        config = self.place / "containerd.toml"
        snapshotter = os.environ.get("SNAPSHOTTER", "overlayfs")
        config.write_text(_CONTAINERD.format(place=self.place, image=IMAGE, unpacked=UNPACKED, snapshotter=snapshotter))
        network = {"cniVersion": "0.4.0", "name": "test", "type": "ptp", "ipMasq": False}
        network["ipam"] = {"type": "host-local", "subnet": f"{_NETWORK}0/24", "dataDir": str(self.place / "cni-data")}
        (self.place / "cni/10-test.conf").write_text(json.dumps(network))
        self._spawn("containerd", [str(UNPACKED / "usr/bin/containerd"), "--config", str(config)])
        self._wait("containerd", (self.place / "run/containerd.sock").exists)
        busybox = (UNPACKED / "bin/busybox").read_bytes()
        words = ("sh", "sleep", "tee", "cat", "dd", "true", "ls", "head", "id", "mkdir", "touch", "wc")
        files = {"bin/busybox": busybox, **{f"bin/{word}": b"-> /bin/busybox" for word in words}}
        files["etc/passwd"] = b"root:x:0:0::/:/bin/sh\n"
        self.import_image(image_archive(IMAGE, files, ["/bin/sleep", "2147483647"]))

    def import_image(self, archive: bytes) -> None:
        """Give the node an image."""
        file = self.place / "image.tar"
        file.write_bytes(archive)
        socket_file = str(self.place / "run/containerd.sock")
        command = [str(UNPACKED / "usr/bin/ctr"), "-a", socket_file, "-n", "k8s.io", "images", "import", str(file)]
        for _ in range(20):
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=self._environment())
            if done.returncode == 0:
                return
            time.sleep(0.5)
        raise RuntimeError(done.stderr)

    def _kubelet(self) -> None:
        config = self.kubeconfig(self.admin, "admin")
        endpoint = f"unix://{self.place}/run/containerd.sock"
        (self.place / "resolv.conf").write_text("nameserver 127.0.0.1\n")
        self._spawn(
            "kubelet",
            [
                str(PROGRAMS / "kubelet"),
                *(f"--kubeconfig={config}", f"--root-dir={self.place}/kubelet", "--container-runtime=remote"),
                *(f"--container-runtime-endpoint={endpoint}", "--hostname-override=localhost", "--address=127.0.0.1"),
                *(f"--port={free_port()}", "--read-only-port=0", f"--healthz-port={free_port()}"),
                *("--anonymous-auth=true", "--authorization-mode=AlwaysAllow", f"--cert-dir={self.place}/keys"),
                *("--fail-swap-on=false", "--cgroup-driver=cgroupfs", "--register-node=true"),
                *("--eviction-hard=", "--image-gc-high-threshold=100", f"--resolv-conf={self.place}/resolv.conf"),
                *("--serialize-image-pulls=false", "--node-status-update-frequency=4s", "--sync-frequency=5s"),
                *(f"--volume-plugin-dir={self.place}/plugins", "--housekeeping-interval=10s"),
            ],
        )

    # ------------------------------------------------------------------ processes

    def _environment(self) -> dict[str, str]:
        path = f"{UNPACKED}/usr/bin:{UNPACKED}/usr/sbin:{os.environ['PATH']}"
        return {"PATH": path, "HOME": str(self.place), "TMPDIR": str(self.place / "run")}

    def _spawn(self, name: str, command: list[str]) -> None:
        quiet = subprocess.DEVNULL
        with (self.place / "logs" / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=quiet, env=self._environment(), start_new_session=True
            )
        self._started.append((name, process))

    def _wait(self, name: str, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            for each, process in self._started:
                if process.poll() is not None:
                    raise RuntimeError(f"{each} ended with {process.returncode}:\n{self._tail(each)}")
            with contextlib.suppress(urllib.error.URLError, OSError, KeyError):
                if done():
                    return
            time.sleep(0.3)
        raise RuntimeError(f"{name} is not ready after {_PATIENCE_S} s:\n{self._tail(name)}")

    def _tail(self, name: str) -> str:
        file = self.place / "logs" / f"{name}.log"
        return file.read_text(errors="replace")[-3000:] if file.exists() else ""

    def _api_answers(self) -> bool:
        return bool(self.call("GET", "/api/v1/namespaces/default")["metadata"]["name"])

    def _node_is_ready(self) -> bool:
        nodes = self.call("GET", "/api/v1/nodes")["items"]
        conditions = [c for node in nodes for c in node["status"]["conditions"]]
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

    def node(self, there: bool) -> None:  # noqa: FBT001
        """Let nothing be heard of the node any more, or let it go on."""
        for name, process in self._started:
            if name == "kubelet":
                process.send_signal(signal.SIGCONT if there else signal.SIGSTOP)

    def stop(self) -> None:
        """End all: first what runs in pods, then the daemons."""
        self._clear_pods()
        for name, process in reversed(self._started):
            if name == "containerd":
                for pid in list(self._shims()):
                    self._end_shim(pid)
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
        self._unlink()
        self._unmount()
        for _ in range(5):
            shutil.rmtree(self.place, ignore_errors=True)

    @staticmethod
    def _end_shim(pid: int) -> None:
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            for child in map(int, children):
                os.kill(child, signal.SIGKILL)
            time.sleep(0.1)
            os.kill(pid, signal.SIGKILL)

    def _clear_pods(self) -> None:
        """Let the kubelet take all pods away, with their networks; what hangs is ended by force afterwards."""
        now = {"propagationPolicy": "Background", "gracePeriodSeconds": 0}
        with contextlib.suppress(OSError, KeyError, ValueError):
            for job in self.call("GET", "/apis/batch/v1/jobs")["items"]:
                self.call("DELETE", f"/apis/batch/v1/namespaces/{_of(job)}/jobs/{job['metadata']['name']}", now)
            for pod in self.call("GET", "/api/v1/pods")["items"]:
                self.call("DELETE", f"/api/v1/namespaces/{_of(pod)}/pods/{pod['metadata']['name']}", now)
            deadline = time.monotonic() + 15
            while list(self._shims()) and time.monotonic() < deadline:
                time.sleep(0.3)

    def _shims(self) -> Iterator[int]:
        """What holds a pod, and outlives its daemon: told by the directory in its command line."""
        address = f"{self.place}/run/containerd.sock".encode()
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                with contextlib.suppress(OSError):
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                    if b"-address" in words and address in words and b"-id" in words:
                        yield int(entry.name)

    def _unlink(self) -> None:
        """The networks of pods that are left on the machine: their spaces, and the ends of their cables."""
        for space in _ip("netns", "list"):
            if any(map(_is_ours, _ip("-n", space["name"], "-4", "addr"))):
                subprocess.run(["ip", "netns", "del", space["name"]], check=False, capture_output=True)
        for link in filter(_is_ours, _ip("-4", "addr")):
            subprocess.run(["ip", "link", "del", link["ifname"]], check=False, capture_output=True)

    def _unmount(self) -> None:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        below = [line.split()[4] for line in lines if line.split()[4].startswith(str(self.place))]
        for point in sorted(below, reverse=True):
            subprocess.run(["umount", "-l", point], check=False, capture_output=True)


def _of(thing: dict[str, Any]) -> str:
    return str(thing["metadata"]["namespace"])


def _ip(*words: str) -> list[dict[str, Any]]:
    done = subprocess.run(["ip", "-json", *words], capture_output=True, text=True, check=False)
    found: list[dict[str, Any]] = json.loads(done.stdout or "[]")
    return found


def _is_ours(link: dict[str, Any]) -> bool:
    return any(str(address.get("local", "")).startswith(_NETWORK) for address in link.get("addr_info", []))


@contextlib.contextmanager
def cluster(place: Path) -> Iterator[RealCluster]:
    """A cluster while the block runs."""
    before = {file: file.read_text() for name in _SYSCTLS for file in Path("/proc/sys").glob(name)}
    made = RealCluster(place)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        for file, value in before.items():
            file.write_text(value)
