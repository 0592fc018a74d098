"""A search for bytes that break the reader, guided by the lines that they reach (Atheris).

    python tests/fuzz/guided.py SECONDS

Runs in rounds of a minute, each a process that starts from what the ones before found worth keeping: Atheris itself
takes ever more memory. Ends with 0 when nothing was found. What was found is kept as a file in the working directory,
by the name that libFuzzer prints; give that name in place of SECONDS to see it fail again.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import atheris

ROOM = Path(tempfile.mkdtemp(prefix="tallyboard-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
MEMORY_MAX = 2_000  # megabytes of the whole process

with atheris.instrument_imports(include=["tallyboard"]):
    sys.path.insert(0, str(Path(__file__).parent))
    import claims

with tempfile.TemporaryDirectory() as folder:
    original = claims.whole_file(Path(folder))


def one_input(data: bytes) -> None:
    """The claims for one input: five changes at most to a whole file, or for one in eight the bytes as they are."""
    given = atheris.FuzzedDataProvider(data)
    split = given.ConsumeProbability()
    if given.ConsumeIntInRange(0, 7) == 0:
        content = given.ConsumeBytes(4096)
    else:
        content = claims.changed(original, [_change(given) for _ in range(given.ConsumeIntInRange(1, 5))])
    claims.check(content, int(split * len(content)), ROOM)


def _change(given: atheris.FuzzedDataProvider) -> claims.Change:
    kind = claims.Kind(given.ConsumeIntInRange(0, len(claims.Kind) - 1))
    number = given.ConsumeUInt(8) if given.ConsumeBool() else given.ConsumeIntInRange(0, 2**16)
    return claims.Change(kind, given.ConsumeIntInRange(0, 2**16 - 1), number, given.ConsumeBytes(64))


ROUND = 60  # seconds


def main() -> int:
    """Runs for some seconds, or one file; returns the exit code."""
    asked, *corpus = sys.argv[1:]
    if asked.isdigit() and not corpus:
        kept = tempfile.mkdtemp(prefix="tallyboard-corpus-")
        for _ in range(-(-int(asked) // ROUND)):
            code = subprocess.run([sys.executable, __file__, str(ROUND), kept], check=False).returncode
            if code:
                return code
        return 0
    how = [f"-max_total_time={asked}", "-max_len=1024", *corpus] if corpus else [asked]
    atheris.Setup([sys.argv[0], *how, f"-rss_limit_mb={MEMORY_MAX}", "-timeout=20", "-print_final_stats=1"], one_input)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
