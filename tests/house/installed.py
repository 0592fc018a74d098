"""Proves that an installed tallyboard works where there is nothing else: `python -I installed.py core|viewer`.

`core` runs with no extra installed, `viewer` with that extra. Nothing but the standard library and the package is
imported, and the package must not come from a checkout.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
from pathlib import Path

SCRIPTS = Path(sysconfig.get_path("scripts"))
COMMAND = str(SCRIPTS / "tallyboard")


def check_core(folder: Path) -> None:
    """Writes and reads a scalar, and the command line says which extra it wants."""
    import tallyboard as tb

    if not Path(str(tb.__file__)).is_relative_to(sys.prefix):
        sys.exit(f"tallyboard comes from {tb.__file__}, not from this environment")
    with tb.SummaryWriter(folder / "run") as writer:
        for step in range(3):
            writer.add_scalar("loss", 0.5 * step, step)
    series = tb.read(folder).scalars()["run", "loss"]
    if series.step.tolist() != [0, 1, 2] or series.value.tolist() != [0.0, 0.5, 1.0]:
        sys.exit(f"read back {series}")
    try:
        tb.auto_log(object())
    except tb.UnsupportedModel:
        pass
    else:
        sys.exit("auto_log took an object()")


def check_missing_extra(folder: Path) -> None:
    """Without the extra the command line names the pip command, and fails."""
    done = subprocess.run([COMMAND, "--logdir", str(folder)], capture_output=True, text=True, timeout=300)
    if done.returncode == 0 or "tallyboard[viewer]" not in done.stderr:
        sys.exit(f"without the viewer extra the command line said, with exit code {done.returncode}: {done}")


def check_viewer(folder: Path) -> None:
    """The command line serves the page, what the page asks for, and the runs."""
    server = subprocess.Popen(
        [COMMAND, "--logdir", str(folder), "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        url = read_url(server)
        page = fetch(url).decode()
        assets = re.findall(r'(?:src|href)="\./([^"]+)"', page)
        if not assets:
            sys.exit(f"this is not the page:\n{page}")
        for asset in assets:
            if not fetch(url + asset):
                sys.exit(f"{asset} is empty")
        end = time.monotonic() + 120
        while (runs := json.loads(fetch(url + "api/runs")))["state"] != "ready" or not runs["runs"]:
            if time.monotonic() > end:
                sys.exit(f"the viewer still answers {runs}")
            time.sleep(0.05)
    finally:
        server.terminate()
        server.wait(timeout=120)


def read_url(server: subprocess.Popen[str]) -> str:
    """The address in the first lines that the viewer prints."""
    said: list[str] = []
    for line in server.stdout or ():
        said.append(line)
        if found := re.search(r"http://[\w.\[\]:]+/?", line):
            return found.group().rstrip("/") + "/"
    sys.exit("the viewer printed no address:\n" + "".join(said))


def fetch(url: str) -> bytes:
    """The body of one answer; an error status raises."""
    with urllib.request.urlopen(url, timeout=120) as answer:
        return answer.read()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        check_core(Path(name))
        if sys.argv[1] == "viewer":
            check_viewer(Path(name))
        else:
            check_missing_extra(Path(name))
    print(f"installed {sys.argv[1]}: works")
