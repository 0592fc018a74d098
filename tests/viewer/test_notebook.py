"""The viewer in notebooks: the magic in a real IPython shell and a real kernel, and the frame in a real browser."""

from __future__ import annotations

import html
import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tallyboard as tb
from tallyboard import notebook
from tallyboard.core.errors import TallyboardError

pytest.importorskip("IPython")

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No server of another test is found, and none stays."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.delenv(notebook.PROXY, raising=False)
    monkeypatch.delenv("JUPYTERHUB_SERVICE_PREFIX", raising=False)
    yield
    for server in notebook.list():
        notebook.stop(server.port)
    assert notebook.list() == ()


@pytest.fixture
def logdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with tb.SummaryWriter(tmp_path / "runs" / "a") as writer:
        writer.add_scalar("loss", 1, 0)
    return tmp_path / "runs"


@pytest.fixture
def shell() -> Iterator[Any]:
    made = InteractiveShell.instance()
    yield made
    InteractiveShell.clear_instance()


def asked(server: notebook.Server, path: str = "api/runs") -> Any:
    with urllib.request.urlopen(f"http://localhost:{server.port}{server.path}{path}") as answer:
        return json.loads(answer.read()), answer.headers


def frame_of(shown: Any) -> str:
    """The address in the frame of the one thing that a cell has shown."""
    (output,) = shown.outputs
    return html.unescape(re.search(r'<iframe src="([^"]*)"', output.data["text/html"]).group(1))


def test_the_magic_shows_a_logdir_and_finds_its_server_again(logdir: Path, shell: Any) -> None:
    """`%load_ext tallyboard` and `%tallyboard` show a frame; the same logdir is served once, however it is written."""
    shell.run_line_magic("load_ext", "tallyboard")
    with capture_output() as shown:
        shell.run_line_magic("tallyboard", "--logdir runs --port 0 --height 640")
    (server,) = notebook.list()
    assert frame_of(shown) == f"http://localhost:{server.port}/"
    assert 'height="640"' in shown.outputs[0].data["text/html"]
    index, headers = asked(server)
    assert index["logdir"] == str(logdir)
    assert headers["Content-Security-Policy"].endswith(
        "frame-ancestors 'self' http://localhost:* http://127.0.0.1:* vscode-webview:"
    )
    assert headers["X-Frame-Options"] is None

    shell.run_line_magic("reload_ext", "tallyboard")
    with capture_output() as again:
        shell.run_line_magic("tallyboard", f"--logdir {logdir} --port 0")
    assert frame_of(again) == frame_of(shown)
    assert notebook.list() == (server,)


def test_each_logdir_has_its_server_and_the_latest_is_shown(logdir: Path, tmp_path: Path, shell: Any) -> None:
    """Two logdirs, two servers; display and stop take the latest, or the one of a port."""
    with capture_output():
        first = notebook.start(["--logdir", "runs", "--port", "0"])
        second = notebook.start(f"--logdir={tmp_path} --port=0 --path_prefix /board")
    assert notebook.list() == (first, second)
    assert second.path == "/board/"
    with capture_output() as shown:
        notebook.display()
    assert frame_of(shown) == second.address
    notebook.stop()
    assert notebook.list() == (first,)
    with pytest.raises(
        TallyboardError, match=f"No viewer on port 1 was started from a notebook; running: {first.port}"
    ):
        notebook.display(1)


@pytest.mark.parametrize(
    ("variable", "value", "address"),
    [
        ("TALLYBOARD_PROXY_URL", "https://hub.example/proxy/%PORT%/", "https://hub.example/proxy/{port}/"),
        ("TALLYBOARD_PROXY_URL", "/proxy/%PORT%", "/proxy/{port}/"),
        ("JUPYTERHUB_SERVICE_PREFIX", "/user/me/", "/user/me/proxy/{port}/"),
    ],
)
def test_proxies_are_gone_through(
    logdir: Path, shell: Any, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, address: str
) -> None:
    """The frame's address is the proxy's, and the server answers to the name that the proxy is called by."""
    monkeypatch.setenv(variable, value)
    with capture_output() as shown:
        server = notebook.start("--logdir runs --port 0")
    assert frame_of(shown) == address.format(port=server.port)
    if "hub.example" in value:
        request = urllib.request.Request(f"http://localhost:{server.port}/api/runs", headers={"Host": "hub.example"})
        assert urllib.request.urlopen(request).status == 200


def test_no_token_stays_in_the_notebook(logdir: Path, shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that is asked for stands neither in what is shown nor in what is noted on disk."""
    monkeypatch.setenv("TALLYBOARD_TOKEN", token := "a-token-of-20-letters")
    with capture_output() as shown:
        notebook.start("--logdir runs --port 0")
    noted = [path.read_text() for path in notebook._folder().glob("*.json")]
    assert len(noted) == 1
    assert token not in repr([output.data for output in shown.outputs]) + shown.stdout + shown.stderr + noted[0]


def test_a_call_that_is_wrong_says_so(logdir: Path, shell: Any) -> None:
    """What the server said when it did not start is the error, and nothing is left running."""
    with pytest.raises(TallyboardError, match=r"^the viewer did not start: the logdir '.*' is not a directory"):
        notebook.start(["--logdir", str(next((logdir / "a").iterdir()))])
    with pytest.raises(TallyboardError, match="--height takes pixels, a whole number; it was given 'tall'"):
        notebook._magic("--logdir runs --height tall")
    with pytest.raises(TallyboardError, match="No viewer was started from a notebook; running: none"):
        notebook.stop()


def test_a_folder_of_somebody_else_is_not_trusted(tmp_path: Path) -> None:
    """Where others may write, no server is looked for: it might be theirs."""
    folder = notebook._folder()
    folder.chmod(0o777)
    with pytest.raises(TallyboardError, match="others may write there; remove it"):
        notebook.list()
    folder.chmod(0o700)
    assert notebook.list() == ()


def test_a_real_kernel_shows_it_and_takes_it_along(logdir: Path) -> None:
    """In a notebook run by a kernel of its own the cell's output is the frame; the server ends with the kernel."""
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    ask = "import tallyboard.notebook as n; n.list()[0].port"
    cells = ["%load_ext tallyboard\n%tallyboard --logdir runs --port 0", ask]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    place = {"metadata": {"path": str(logdir.parent)}}
    nbclient.NotebookClient(book, timeout=300, startup_timeout=300, kernel_name="python3", resources=place).execute()
    port = int(book.cells[1].outputs[0]["data"]["text/plain"])
    shown = book.cells[0].outputs[0]["data"]
    assert f'<iframe src="http://localhost:{port}/"' in shown["text/html"]
    assert shown["text/plain"] == f"tallyboard at http://localhost:{port}/"
    with pytest.raises(OSError):
        urllib.request.urlopen(f"http://localhost:{port}/", timeout=60)
