"""Checks what an sdist and the wheel built from it hold: `python tests/house/distribution.py FOLDER`."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("core", "integrations", "viewer")
LINKS = tuple(f"src/tallyboard/{room}" for room in ROOMS)
NOT_IN_SDIST = (".ci/", ".github/", *LINKS)
STATIC = "tallyboard/viewer/static/"


def tracked() -> set[str]:
    """Names of all files under version control, the links among them."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in done.stdout.split("\0") if name}


def place_in_wheel(name: str) -> str | None:
    """Where a tracked file belongs in the wheel, None if it does not."""
    if name in LINKS or name.startswith("viewer/web/"):
        return None
    if name.startswith("src/"):
        return name.removeprefix("src/")
    return f"tallyboard/{name}" if name.partition("/")[0] in ROOMS else None


def check_wheel(path: Path) -> None:
    """Every source file of the package, the built page, the metadata, and nothing else."""
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
        index = wheel.read(f"{STATIC}index.html").decode()
    wanted = {place for name in tracked() if (place := place_in_wheel(name))}
    page = {name for name in names if name.startswith(STATIC)}
    metadata = {name for name in names if ".dist-info/" in name}
    compare("the wheel", names - page - metadata, wanted)
    assets = {STATIC + name.removeprefix("./") for name in re.findall(r'(?:src|href)="(\./[^"]+)"', index)}
    if not assets or not assets <= page:
        sys.exit(f"the wheel's page asks for {sorted(assets)} and has {sorted(page)}")
    if hidden := [name for name in page if "/." in name]:
        sys.exit(f"the wheel has build notes among its page: {hidden}")
    if not any(name.endswith("/licenses/LICENSE") for name in metadata):
        sys.exit("the wheel has no LICENSE")
    print(f"{path.name}: {len(names)} files, {len(page)} of them the page, {path.stat().st_size / 1024:.0f} KiB")


def check_sdist(path: Path) -> None:
    """Every tracked file but those for the hosting site, plus the built page."""
    with tarfile.open(path) as sdist:
        names = {member.name.partition("/")[2] for member in sdist.getmembers() if not member.isdir()}
    page = {name for name in names if name.startswith("viewer/static/")}
    wanted = {name for name in tracked() if not name.startswith(NOT_IN_SDIST)}
    compare("the sdist", names - page - {"PKG-INFO"}, wanted)
    if "viewer/static/index.html" not in page:
        sys.exit("the sdist brings no built page")
    print(f"{path.name}: {len(names)} files, {path.stat().st_size / 1024:.0f} KiB")


def compare(what: str, found: set[str], wanted: set[str]) -> None:
    """Exit with the differences, if there are any."""
    if found != wanted:
        sys.exit(f"{what} lacks {sorted(wanted - found)} and should not have {sorted(found - wanted)}")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    check_sdist(next(folder.glob("*.tar.gz")))
    check_wheel(next(folder.glob("*.whl")))
