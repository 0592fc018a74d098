"""Every job of the project, one session each: `nox -l` lists them, `nox -s NAME` runs one in an environment it makes.

`nox -s demo` trains a real model and shows it learn in the browser; `nox -s tests` runs everything: the Python tests,
the page's, and those that want an environment of their own; `nox -s tests -- ARGS` runs only pytest, with ARGS.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "virtualenv"  # pip: it honours constraints.txt and the wheels of the machine
nox.options.reuse_venv = "yes"
nox.options.sessions = ["tests"]
nox.options.error_on_missing_interpreters = True

ROOT = Path(__file__).parent
CONSTRAINTS = ("-c", "constraints.txt")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PROTOBUFS = {"5.29.6": "2.19.0", "6.33.6": "2.21.0", "7.36.2": "2.21.0"}  # each with a TensorBoard that runs on it
KERAS_BACKENDS = {"jax": "jax", "tensorflow": "tensorflow-cpu", "torch": "torch"}
PROTOS = "tallyboard/core/proto"
PLUGINS = ("gviz-api", "torch-tb-profiler", "xprof")  # what TensorBoard shows profiles with, and what that needs
BENCHES = ("writing", "reading", "viewing")  # the tables that `bench` prints when it is not asked for one


@nox.session
def demo(session: nox.Session) -> None:
    """Train a classifier on handwritten digits while the viewer shows it; `-- --once` checks and leaves."""
    install(session, "-e", ".[viewer]", "--group", "demo")
    session.run("python", "examples/digits.py", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run everything a user would call the tests; arguments after -- go to pytest, which then runs alone."""
    if not session.posargs:  # before pytest: what fails there shall not hide what fails here
        for name in ("web", *map(keras_session, KERAS_BACKENDS), *map(protobuf_session, PROTOBUFS), "no_tensorflow"):
            session.notify(name, posargs=[])
    install(session, "-e", ".[fast,media,viewer]", "--group", "test")
    install(session, "--no-deps", "--upgrade", "--target", str(plugins(session)), *PLUGINS)
    asked = [argument for argument in session.posargs if argument.startswith("tests/e2e")]
    if asked or not session.posargs:
        chromium(session)
    pytest(session, *(session.posargs or ["--numprocesses=2"]))
    if not session.posargs:  # Keras reads its backend once a process; here, all of them beside TensorFlow's callback
        pytest_side_by_side(session, keras_tests(), [{"KERAS_BACKEND": backend} for backend in ("tensorflow", "torch")])


@nox.session(venv_backend="none")
def e2e(session: nox.Session) -> None:
    """Look at the page as a person would (Playwright in Chromium); runs in the environment of `tests`."""
    session.notify("tests", posargs=["tests/e2e", *session.posargs])


@nox.session
@nox.parametrize("backend", list(KERAS_BACKENDS))
def keras(session: nox.Session, backend: str) -> None:
    """Run the Keras adapter's tests where this backend is the only framework."""
    install(session, "-e", ".[keras,media,profile]", "--group", "pytest", "scikit-learn", KERAS_BACKENDS[backend])
    if backend == "tensorflow":
        install(session, "--no-deps", "tf_keras")  # Keras 2, which would bring TensorFlow under another name
    pytest(session, *keras_tests(), *session.posargs, KERAS_BACKEND=backend)


@nox.session
@nox.parametrize("version", list(PROTOBUFS))
def protobuf(session: nox.Session, version: str) -> None:
    """Run the core's tests on this version of the protobuf runtime."""
    replaced = ("protobuf==", "tensorboard==")
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith(replaced)]
    others = Path(session.create_tmp()).resolve() / "constraints.txt"
    others.write_text("\n".join([*pins, f"protobuf=={version}", f"tensorboard=={PROTOBUFS[version]}"]))
    beside = ("protobuf", "tensorboard", "tensorboardX", "watchfiles")
    session.install("-c", str(others), "-e", ".[fast,media]", "--group", "pytest", *beside)
    pytest(session, "tests/core", *session.posargs)


@nox.session
def no_tensorflow(session: nox.Session) -> None:
    """Run the adapters' tests where TensorFlow is not installed."""
    jax = ("dm-haiku", "equinox", "flax", "jax", "optax")
    frameworks = (*jax, "keras", "lightning", "omegaconf", "pytorch-lightning", "scikit-learn", "torch")
    peers = ("tensorboard", "tensorboardX")
    install(session, "-e", ".[media,viewer]", "--group", "pytest", *frameworks, *peers)
    session.run("python", "-c", "import importlib.util as u; assert u.find_spec('tensorflow') is None")
    pytest(session, "tests/integrations", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Search for bytes that break the reader: random changes to files, then by coverage; `-- SECONDS` of each."""
    install(session, "-e", ".", "--group", "pytest", "--group", "fuzz")
    seconds = session.posargs[0] if session.posargs else "300"
    session.run("pytest", "tests/fuzz", "--timeout=3600", env={"TALLYBOARD_FUZZ_SECONDS": seconds})
    session.run("python", "tests/fuzz/guided.py", seconds)


@nox.session
def web(session: nox.Session) -> None:
    """Run the page's own tests (Vitest)."""
    page_tools(session)
    session.run("python", "hatch_build.py", "build")
    session.run("python", "hatch_build.py", "run", "vitest", "run", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style (ruff) and the direction of imports (import-linter), then the docs and the generated code."""
    session.notify("docs", posargs=[])
    session.notify("protos", posargs=["--check"])
    install(session, "--group", "lint")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    with_package = {"PYTHONPATH": str(ROOT / "src")}
    session.run("lint-imports", "--no-cache", env=with_package)


@nox.session
def types(session: nox.Session) -> None:
    """Check types: pyright, strict on core and viewer, and svelte-check on the page."""
    page_tools(session)
    install(session, "--group", "types")
    session.run("pyright", "--warnings", *session.posargs)
    session.run("python", "hatch_build.py", "run", "svelte-check", "--fail-on-warnings")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure tallyboard and its peers side by side; `-- writing`, `-- viewing` or `-- bench_image` asks for one.

    What else stands behind the dashes goes to it: `-- writing --rounds=3 histogram image`.
    """
    install(session, "-e", ".[fast,media,viewer]", "--group", "bench")
    there = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    names = [argument for argument in session.posargs if argument in there]
    options = [argument for argument in session.posargs if argument not in there]
    wanted = names or [name for name in BENCHES if name in there]
    if "viewing" in wanted:
        chromium(session)
    for name in wanted:
        session.run("python", f"benchmarks/{name}.py", *options)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation into docs/_build; a warning is an error."""
    install(session, "--group", "docs")
    session.run("sphinx-build", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html", *session.posargs)


@nox.session
def protos(session: nox.Session) -> None:
    """Regenerate the protobuf modules of core; `-- --check` fails if that changes a byte."""
    session.install("--group", "protos")
    sources = sorted(path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src" / PROTOS).glob("*.proto"))
    out = Path(session.create_tmp()) / "protos" if "--check" in session.posargs else ROOT / "src"
    out.mkdir(exist_ok=True)
    # Through the link: protoc writes into the code the path it was given.
    session.run("python", "-m", "grpc_tools.protoc", "-Isrc", f"--python_out={out}", f"--pyi_out={out}", *sources)
    made = sorted((out / PROTOS).glob("*_pb2.py*"))
    changed = [path.name for path in made if path.read_bytes() != (ROOT / "src" / PROTOS / path.name).read_bytes()]
    if changed or not made:
        session.error(f"the committed modules are not what the .proto files make: {changed}; run nox -s protos")


@nox.session
def build(session: nox.Session) -> None:
    """Build the sdist and from it the wheel, check what they hold, install the wheel where there is nothing else."""
    install(session, "--group", "build")
    room = Path(session.create_tmp()).resolve()
    dist, empty = room / "dist", room / "empty"
    shutil.rmtree(dist, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(dist))
    session.run("python", "tests/house/distribution.py", str(dist))
    wheel = next(dist.glob("*.whl"))
    session.run("python", "-m", "venv", "--clear", str(empty), external=True)
    python = str(empty / "bin" / "python")
    check = str(ROOT / "tests" / "house" / "installed.py")
    session.chdir(room)  # away from the sources: only what was installed can be found
    constraints = str(ROOT / "constraints.txt")
    for extras, proof in (("", "core"), ("[viewer]", "viewer")):
        session.run(python, "-m", "pip", "install", "-q", "-c", constraints, f"{wheel}{extras}", external=True)
        session.run(python, "-I", check, proof, external=True)


def install(session: nox.Session, *what: str) -> None:
    """Let pip install these, at the versions of constraints.txt."""
    session.install(*CONSTRAINTS, *what)


def pytest(session: nox.Session, *arguments: str, **settings: str) -> None:
    """Run pytest; its environment says which session this is, for tests/skips.txt."""
    session.run("pytest", *arguments, env={**told(session), **settings})


def pytest_side_by_side(session: nox.Session, arguments: list[str], settings: list[dict[str, str]]) -> None:
    """Run pytest once with each of some settings, all at once: these runs mostly load frameworks, one core each."""
    begun = []
    for one in settings:
        kept = tempfile.TemporaryFile("w+")  # noqa: SIM115 - it lives as long as the program
        env = {**os.environ, **{key: value for key, value in session.env.items() if value is not None}, **told(session)}
        command = [str(Path(session.bin) / "pytest"), *arguments]
        begun.append((one, kept, subprocess.Popen(command, env={**env, **one}, stdout=kept, stderr=subprocess.STDOUT)))
    codes = [program.wait() for _, _, program in begun]
    for one, kept, _ in begun:
        kept.seek(0)
        session.log(f"pytest with {one}:\n{kept.read()}")
        kept.close()
    if any(codes):
        session.error(f"pytest ended with {codes}")


def told(session: nox.Session) -> dict[str, str]:
    """What pytest is told of its session, beside its arguments."""
    settings = {"TALLYBOARD_SESSION": session.name.split("(")[0], "PYTHONFAULTHANDLER": "1"}
    if plugins(session).is_dir():
        settings["TALLYBOARD_TENSORBOARD_PLUGINS"] = str(plugins(session))
    return settings


def plugins(session: nox.Session) -> Path:
    """A folder for plugins of TensorBoard: only the tests that ask for them wait for them at its start."""
    return Path(session.virtualenv.location).resolve() / "tensorboard_plugins"


def page_tools(session: nox.Session) -> None:
    """Make `python hatch_build.py` work: with the machine's Node.js, or with one from the package index."""
    install(session, "hatchling")
    wanted = session.run("python", "hatch_build.py", "requires", silent=True)
    if isinstance(wanted, str) and wanted.split():
        install(session, *wanted.split())


def keras_tests() -> list[str]:
    """The files that test the Keras adapter on the backend of KERAS_BACKEND."""
    return sorted(map(str, Path("tests/integrations").glob("test_keras*.py")))


def keras_session(backend: str) -> str:
    """The name under which nox knows the Keras session of a backend."""
    return f"keras(backend={backend!r})"


def protobuf_session(version: str) -> str:
    """The name under which nox knows the session of a protobuf version."""
    return f"protobuf(version={version!r})"


def chromium(session: nox.Session) -> None:
    """Make sure that there is a Chromium: installed with apt if it is missing and we may."""
    if browser_path():
        return
    root = [] if hasattr(os, "geteuid") and os.geteuid() == 0 else ["sudo", "-n"]
    if not shutil.which("apt-get") or (root and not may_sudo()):
        session.error(
            "The tests of the page need Chromium, and it can't be installed from here. Install it "
            "(on Debian: sudo apt-get install chromium), or run the other tests: "
            "nox -s tests -- --ignore=tests/e2e"
        )
    for step in (["update"], ["install", "-y", "--no-install-recommends", "chromium", "fonts-dejavu-core"]):
        session.run(*root, "apt-get", "-q", *step, external=True, env={"DEBIAN_FRONTEND": "noninteractive"})
    if not browser_path():
        session.error(f"apt-get installed chromium, but none of {BROWSERS} is on the PATH")


def browser_path() -> str | None:
    """The first Chromium on the PATH."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def may_sudo() -> bool:
    """Whether sudo works without asking for a password."""
    sudo = shutil.which("sudo")
    return sudo is not None and subprocess.run([sudo, "-n", "true"], capture_output=True).returncode == 0


if __name__ == "__main__":
    sys.exit("This file is for nox: pip install nox, then nox -l")
