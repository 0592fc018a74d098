"""TensorBoard's flags that this viewer has not, and why nobody needs them: said to whoever gives one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["REASONS", "about"]

_FILES = "all files of a run are followed, for as long as the viewer runs"
_THREADS = "reading happens in one thread beside the server, in bulk"
_SERVER = "there is no data server beside the viewer"
_DATABASE = "runs are read from their files alone"

REASONS: Final = {
    "--load_fast": "there is one way of reading, and it is the fast one",
    "--extra_data_server_flags": _SERVER,
    "--grpc_creds_type": _SERVER,
    "--grpc_data_provider": _SERVER,
    "--max_reload_threads": _THREADS,
    "--reload_task": _THREADS,
    "--reload_multifile": _FILES,
    "--reload_multifile_inactive_secs": _FILES,
    "--detect_file_replacement": "a file that was replaced is always noticed, and read anew",
    "--purge_orphaned_data": "points that a restart voids are hidden and kept; a switch on the page shows them",
    "--generic_data": "there is one way from the files to the page",
    "--reuse_port": "a port is taken by one viewer; --port 0 takes any free one",
    "--db": _DATABASE,
    "--db_import": _DATABASE,
    "--helpfull": "--help tells everything",
}


def about(unknown: Iterable[str]) -> str | None:
    """The sentence for the first of these arguments that is a flag of TensorBoard's alone; None where none is."""
    for argument in unknown:
        flag = argument.partition("=")[0].replace("-", "_").replace("__", "--", 1)
        if flag in REASONS:
            return f"{flag} is not needed here: {REASONS[flag]}; leave it out"
    return None
