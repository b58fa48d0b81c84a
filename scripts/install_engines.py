"""Which engines do the tests in tests/engines run against? Installs those that are no Python package of ours.

`python -m scripts.install_engines` puts them below .cache/engines, which git ignores; what is there stays as it is. An
engine whose tool is not on this machine is told and left out, and its tests then skip themselves.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
ENGINES: Final = ROOT / ".cache" / "engines"
OIDC_PROVIDER: Final = "oidc-provider@9.13.3"
OIDC_LIBRARY: Final = ENGINES / OIDC_PROVIDER / "node_modules" / "oidc-provider" / "lib" / "index.js"


def install_oidc_provider() -> str:
    """Install the npm package, if it is not there; what became of it, in a line."""
    if OIDC_LIBRARY.exists():
        return f"{OIDC_PROVIDER}: there"
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return f"{OIDC_PROVIDER}: left out, there is no node and npm on this machine"
    folder = ENGINES / OIDC_PROVIDER
    folder.mkdir(parents=True, exist_ok=True)
    command = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts", OIDC_PROVIDER]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        return f"{OIDC_PROVIDER}: left out, npm failed: {done.stderr.strip()[-300:]}"
    return f"{OIDC_PROVIDER}: installed"


def main() -> int:
    """Install all; an engine that is left out is no failure."""
    print(install_oidc_provider())
    return 0


if __name__ == "__main__":
    sys.exit(main())
