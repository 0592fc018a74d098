"""Where a program runs: versions, machine, commit and command line, without what should stay secret."""

from __future__ import annotations

import os
import platform
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["command_line", "environment", "git_commit"]

_SECRET = re.compile(r"key|token|secret|passw|pwd|credential|auth", re.IGNORECASE)
_TOKEN = re.compile(r"(?:hf_|sk-|gh[pousr]_|github_pat_|glpat-|xox[abp]-|AKIA)[\w-]{8,}")
_LOGIN = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_HIDDEN = "***"
_LONGEST = 2000


def environment() -> dict[str, str]:
    """What a reader of the run may ask of its surroundings, by name; nothing is started to find it out."""
    found = {
        "command": command_line([*sys.orig_argv[:1], *sys.argv] if sys.argv else sys.orig_argv),
        "directory": os.getcwd(),
        "git commit": git_commit(Path.cwd()),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": str(os.cpu_count() or ""),
    }
    return {name: value for name, value in found.items() if value}


def command_line(arguments: Sequence[str]) -> str:
    """A command as a shell would take it, with `***` for what stands behind names like token, key or password.

    Logins in addresses and texts that look like access tokens are hidden, too.
    """
    shown: list[str] = []
    hide = False
    for argument in arguments:
        name, is_set, _ = argument.partition("=")
        option = name.startswith("-")
        if hide and not option:
            argument = _HIDDEN
        elif is_set and _SECRET.search(name):
            argument = f"{name}={_HIDDEN}"
        hide = option and not is_set and _SECRET.search(name) is not None
        shown.append(_TOKEN.sub(_HIDDEN, _LOGIN.sub(_HIDDEN, argument)))
    text = " ".join(one if _HIDDEN in one else shlex.quote(one) for one in shown)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def git_commit(folder: Path) -> str:
    """The commit that the repository around `folder` has checked out, read from its files; empty if there is none."""
    try:
        for place in (folder, *folder.parents):
            if (git := place / ".git").exists():
                return _head(git)
    except (OSError, UnicodeDecodeError, ValueError):
        pass
    return ""


def _head(git: Path) -> str:
    if git.is_file():  # of a worktree or a submodule: it names the real place
        git = git.parent / git.read_text().removeprefix("gitdir:").strip()
    head = (git / "HEAD").read_text().strip()
    if not head.startswith("ref:"):
        return head
    name = head.removeprefix("ref:").strip()
    common = git / (git / "commondir").read_text().strip() if (git / "commondir").is_file() else git
    for place in (git, common):
        if (place / name).is_file():
            return f"{(place / name).read_text().strip()} ({name.removeprefix('refs/heads/')})"
    for line in (common / "packed-refs").read_text().splitlines():
        commit, _, known = line.partition(" ")
        if known == name:
            return f"{commit} ({name.removeprefix('refs/heads/')})"
    return ""
