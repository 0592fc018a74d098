"""One run of 1,000,000 scalars over 10 tags, every point kept, every checksum verified: ours beside TensorBoard's
Rust data server told to keep everything.

    python benchmarks/bench_read.py [scalars]

Ours is timed inside this process, from a fresh reader to all columns; the server from its start until it has
committed the whole run, which it says over gRPC. A whole process of ours, imports included, is timed as well.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from side_by_side import compare, seconds

import tallyboard as tb

RUST = "Rust data server, all points, checksums"
TAGS = [f"train/metric_{i}" for i in range(10)]


def write(logdir: str, scalars: int) -> None:
    """The run that is read."""
    with tb.SummaryWriter(logdir) as writer:
        for step in range(scalars // 10):
            for tag in TAGS:
                writer.add_scalar(tag, step * 0.5, step)


def ours(logdir: str, scalars: int) -> None:
    """Reads everything, and checks that it is everything."""
    columns = tb.read(logdir, cache=False).scalars()
    assert sum(map(len, columns.values())) == scalars


def rust(logdir: str, scalars: int, *flags: str) -> None:
    """Starts the data server and waits until its last series has all of its points."""
    import grpc
    from tensorboard.data.proto import data_provider_pb2 as pb
    from tensorboard.data.proto import data_provider_pb2_grpc as rpc
    from tensorboard_data_server import server_binary

    port_file = Path(tempfile.mkdtemp()) / "port"
    command = [
        server_binary(),
        f"--logdir={logdir}",
        "--port=0",
        f"--port-file={port_file}",
        "--die-after-stdin",
        *flags,
    ]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not (port_file.exists() and port_file.read_text().endswith("\n")):
            time.sleep(0.002)
        with grpc.insecure_channel(f"localhost:{port_file.read_text().strip()}") as channel:
            stub = rpc.TensorBoardDataProviderStub(channel)
            request = pb.ListScalarsRequest(plugin_filter=pb.PluginFilter(plugin_name="scalars"))
            while not committed(stub, request, scalars):
                time.sleep(0.01)
    finally:
        server.kill()
        server.wait()


def committed(stub: object, request: object, scalars: int) -> bool:
    """Whether the server shows the last step of every tag."""
    tags = [t for r in stub.ListScalars(request).runs for t in r.tags]  # type: ignore[attr-defined]
    return len(tags) == len(TAGS) and all(t.metadata.max_step == scalars // 10 - 1 for t in tags)


def main() -> None:
    """Prints the comparison."""
    scalars = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as logdir:
        write(logdir, scalars)
        code = f"import tallyboard as tb; tb.read({logdir!r}, cache=False).scalars()"
        keep_all = ("--samples-per-plugin=scalars=all", "--checksum", "--reload=once")
        sides = {
            "tallyboard, all points, checksums": lambda: seconds(lambda: ours(logdir, scalars)),
            RUST: lambda: seconds(lambda: rust(logdir, scalars, *keep_all)),
            "Rust data server, defaults (samples)": lambda: seconds(lambda: rust(logdir, scalars, "--reload=once")),
            "tallyboard, a whole process with imports": lambda: seconds(
                lambda: subprocess.run([sys.executable, "-c", code], check=True)
            ),
        }
        print(compare(f"reading {scalars:,} scalars of one run", "s", sides, 7).report({RUST: 1}))


if __name__ == "__main__":
    main()
