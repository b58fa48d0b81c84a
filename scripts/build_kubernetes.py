"""How does a real API server with a kubelet come to this machine, where no package ships one? By Debian's source.

`python -m scripts.build_kubernetes` fetches the source package `kubernetes`, its compiler and the daemons around it
with apt, unpacks all below .cache/kubernetes (git ignores it; nothing is installed), and compiles for about ten
minutes. What is there stays as it is. It needs Debian 12 or what has the same packages, dpkg-dev, and 3 GB of disk.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PLACE: Final = ROOT / ".cache" / "kubernetes"
UNPACKED: Final = PLACE / "root"
PROGRAMS: Final = PLACE / "bin"
COMPONENTS: Final = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")
_SOURCE: Final = PLACE / "gopath" / "src" / "k8s.io" / "kubernetes"
_GO: Final = UNPACKED / "usr" / "lib" / "go-1.19"
_PACKAGES: Final = (
    "golang-1.19-go",
    "golang-1.19-src",
    "golang-github-modern-go-reflect2-dev",
    "etcd-server",
    "containerd",
    "runc",
    "busybox-static",
    "containernetworking-plugins",
)
PYTHON: Final = PLACE / "python"
"""The root of a small image with Python."""
_PYTHON_PACKAGES: Final = (
    "python3.11-minimal",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libc6",
    "zlib1g",
    "libexpat1",
)
_VERSION: Final = ("1", "20", "v1.20.2")
_OPENAPI: Final = "pkg/generated/openapi"


def is_built() -> bool:
    """Whether every program is there."""
    return (
        (PYTHON / "usr/bin/python3.11").is_file()
        and all((PROGRAMS / name).is_file() for name in COMPONENTS)
        and (UNPACKED / "usr/bin/containerd").is_file()
    )


def _run(command: Sequence[str], where: Path, env: dict[str, str] | None = None) -> None:
    print("   ", " ".join(command)[:150], flush=True)
    done = subprocess.run(command, cwd=where, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"failed ({done.returncode}): {' '.join(command)[:300]}\n{(done.stdout + done.stderr)[-3000:]}")


def _sources() -> str:
    """The system's own Debian archive, its source packages too; apt's lists and keys stay as they are."""
    found: list[str] = []
    for file in [*Path("/etc/apt").glob("sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]:
        text = file.read_text()
        if file.suffix == ".sources":
            for part in re.split(r"\n\s*\n", text):
                fields = dict(re.findall(r"(?m)^([A-Za-z-]+):\s*(.*)$", part))
                if re.search(r"/debian/?$", fields.get("URIs", "")):
                    key = f"[signed-by={fields['Signed-By']}] " if "Signed-By" in fields else ""
                    suite = fields["Suites"].split()[0]
                    found += [f"{kind} {key}{fields['URIs'].split()[0]} {suite} main" for kind in ("deb", "deb-src")]
        else:
            lines = re.findall(r"(?m)^deb\s+((?:\[[^\]]*\]\s+)?\S+/debian/?\s+\S+)\s", text)
            found += [f"{kind} {line} main" for line in lines[:1] for kind in ("deb", "deb-src")]
    if not found:
        sys.exit("no archive of Debian stands in /etc/apt: the source package kubernetes comes from there")
    return "\n".join(dict.fromkeys(found)) + "\n"


def _apt(words: Iterable[str], where: Path) -> None:
    lists = PLACE / "apt" / "lists"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    list_file = PLACE / "apt" / "sources.list"
    list_file.write_text(_sources())
    options = [f"Dir::Etc::sourcelist={list_file}", "Dir::Etc::sourceparts=-", f"Dir::State::lists={lists}"]
    _run(["apt-get", "-q", *(word for option in options for word in ("-o", option)), *words], where)


def fetch() -> None:
    """Packages and source, unpacked."""
    if not (UNPACKED / "usr/bin/containerd").is_file():
        packages = PLACE / "packages"
        packages.mkdir(parents=True, exist_ok=True)
        _apt(["update"], packages)
        _apt(["download", *_PACKAGES], packages)
        for package in sorted(packages.glob("*.deb")):
            _run(["dpkg", "-x", package.name, str(UNPACKED)], packages)
    if not (PYTHON / "usr/bin/python3.11").is_file():
        packages = PLACE / "packages-python"
        packages.mkdir(parents=True, exist_ok=True)
        _apt(["update"], packages)
        _apt(["download", *_PYTHON_PACKAGES], packages)
        for package in sorted(packages.glob("*.deb")):
            _run(["dpkg", "-x", package.name, str(PYTHON)], packages)
    if not _SOURCE.is_dir():
        archive = PLACE / "source"
        archive.mkdir(parents=True, exist_ok=True)
        _apt(["update"], archive)
        _apt(["source", "--download-only", "kubernetes"], archive)
        _SOURCE.parent.mkdir(parents=True, exist_ok=True)
        part = _SOURCE.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        described = next(archive.glob("kubernetes_*.dsc"))
        _run(["dpkg-source", "--no-check", "-x", described.name, str(part)], archive)
        part.rename(_SOURCE)


def _environment() -> dict[str, str]:
    # two cores and a long compile: one job at a time keeps the machine usable
    return {
        "PATH": f"{_GO}/bin:{os.environ['PATH']}",
        "HOME": str(PLACE),
        "GOROOT": str(_GO),
        "GOPATH": str(PLACE / "gopath"),
        "GOCACHE": str(PLACE / "gocache"),
        "GO111MODULE": "off",
        "GOFLAGS": f"-p={os.environ.get('BUILD_JOBS', '1')}",
        "CGO_ENABLED": "0",
    }


def _tagged() -> list[str]:
    """The Go packages that the API's description is made of, as upstream's makefile finds them."""
    found: set[str] = set()
    for top in ("staging/src/k8s.io", "pkg", "cmd", "plugin"):
        for file in (_SOURCE / top).rglob("*.go"):
            name = file.relative_to(_SOURCE).as_posix()
            if re.search(r"code-generator|sample-apiserver|/testdata/|_test\.go$", name):
                continue
            if "+k8s:openapi-gen=" in file.read_text(errors="replace"):
                folder = name.rpartition("/")[0].replace("staging/src/", "vendor/")
                found.add(f"k8s.io/kubernetes/{folder}")
    return sorted(found)


def build() -> None:
    """Compile what is missing."""
    env = _environment()
    PROGRAMS.mkdir(exist_ok=True)
    # the vendored version of reflect2 crashes with this compiler; Debian's own does not
    vendored = _SOURCE / "vendor/github.com/modern-go/reflect2"
    shutil.rmtree(vendored, ignore_errors=True)
    shutil.copytree(UNPACKED / "usr/share/gocode/src/github.com/modern-go/reflect2", vendored)
    if not (_SOURCE / _OPENAPI / "zz_generated.openapi.go").is_file():
        generator = PROGRAMS / "openapi-gen"
        _run(["go", "build", "-o", str(generator), "./vendor/k8s.io/kube-openapi/cmd/openapi-gen"], _SOURCE, env)
        words = ["-i", ",".join(_tagged()), "-p", f"k8s.io/kubernetes/{_OPENAPI}", "-O", "zz_generated.openapi"]
        words += ["-h", "vendor/k8s.io/code-generator/hack/boilerplate.go.txt", "-r", str(PLACE / "openapi.report")]
        _run([str(generator), *words], _SOURCE, env)
    major, minor, full = _VERSION
    flags = "-s -w"
    for package in ("component-base/version", "client-go/pkg/version"):
        of = f"-X k8s.io/kubernetes/vendor/k8s.io/{package}"
        flags += f" {of}.gitVersion={full} {of}.gitMajor={major} {of}.gitMinor={minor}"
    for name in COMPONENTS:
        if not (PROGRAMS / name).is_file():
            _run(["go", "build", "-ldflags", flags, "-o", str(PROGRAMS / name), f"./cmd/{name}"], _SOURCE, env)


def main() -> int:
    """Fetch and build; 0 when all is there."""
    if not is_built():
        print("Building Kubernetes 1.20 from Debian's source package (once; seven to fifteen minutes) ...", flush=True)
        os.nice(10)
        fetch()
        build()
    print(f"kubernetes: {', '.join(COMPONENTS)} in {PROGRAMS.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
