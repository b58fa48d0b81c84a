"""How does a site without the internet get the connector? A folder of wheels, an installer and their checksums.

`python -m scripts.make_bundle [--extra probe] [--out DIR]` builds our own wheel, fetches what it needs for this
machine's kind and Python, and packs all into one archive. The installer needs Python with venv, and no network.
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
_INSTALLER: Final = """\
#!/bin/sh
# Installs suanlian-agent and suanlian without a network. Usage: ./install.sh [PREFIX], else /opt/suanlian.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
prefix=${1:-/opt/suanlian}
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info[:2] != (@MAJOR@, @MINOR@))' || {
  echo "These wheels are for Python @MAJOR@.@MINOR@; '$python' is $("$python" -V 2>&1)." >&2
  echo "Say which one: PYTHON=/path/to/python@MAJOR@.@MINOR@ ./install.sh" >&2
  echo "这些软件包适用于 Python @MAJOR@.@MINOR@。请用 PYTHON= 指明解释器。" >&2; exit 1; }
(cd "$here" && sha256sum --quiet --check SHA256SUMS) || {
  echo "A file of the bundle is not as it was packed: copy it again." >&2
  echo "安装包中有文件与打包时不同，请重新复制。" >&2; exit 1; }
if [ -e "$prefix" ]; then fresh=no; else fresh=yes; fi
"$python" -m venv "$prefix" || { [ "$fresh" = no ] || rm -rf "$prefix"; exit 1; }
"$prefix/bin/python" -m pip install --quiet --no-index --disable-pip-version-check \\
  --find-links "$here/wheels" "@WANTED@" || {
  [ "$fresh" = no ] || rm -rf "$prefix"; exit 1; }
echo "Installed below $prefix. Next: $prefix/bin/suanlian-agent init"
echo "已安装到 $prefix。下一步：$prefix/bin/suanlian-agent init"
"""


def build(out: Path, extras: Sequence[str]) -> Path:
    """Make the folder and its archive below ``out``; returns the archive. Raises CalledProcessError."""
    version = "".join(char for char in sysconfig.get_platform() if char.isalnum() or char in "-_.")
    folder = out / f"suanlian-bundle-py{sys.version_info.major}{sys.version_info.minor}-{version}"
    shutil.rmtree(folder, ignore_errors=True)
    wheels = folder / "wheels"
    wheels.mkdir(parents=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(wheels), str(ROOT)], check=True)
    [ours] = wheels.glob("suanlian-*.whl")
    wanted = f"[{','.join(extras)}]" if extras else ""
    fetch = [*pip, "download", "--only-binary", ":all:", "--dest", str(wheels), f"{ours}{wanted}"]
    subprocess.run(fetch, check=True)
    _write_installer(folder, f"suanlian{wanted}")
    sums = [f"{_digest(file)}  {file.relative_to(folder)}\n" for file in sorted(wheels.iterdir())]
    (folder / "SHA256SUMS").write_text("".join(sums))
    archive = folder.with_suffix(".tar.gz") if folder.suffix == "" else Path(f"{folder}.tar.gz")
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(folder, arcname=folder.name)
    return archive


def _write_installer(folder: Path, wanted: str) -> None:
    text = _INSTALLER.replace("@MAJOR@", str(sys.version_info.major)).replace("@MINOR@", str(sys.version_info.minor))
    installer = folder / "install.sh"
    installer.write_text(text.replace("@WANTED@", wanted))
    installer.chmod(0o755)


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def main() -> int:
    """Build it and say where it is."""
    parser = argparse.ArgumentParser(description="Pack the connector for a site without the internet.")
    parser.add_argument("--extra", action="append", default=[], help="probe, kubernetes ...; may stand several times")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    given = parser.parse_args()
    archive = build(given.out.absolute(), given.extra)
    print(f"{archive} ({archive.stat().st_size // 2**20} MiB); unpack it at the site and run ./install.sh")
    return 0


if __name__ == "__main__":
    sys.exit(main())
