"""`tf_summary` where TensorFlow is not: in processes that cannot import it, read back by tallyboard and TensorBoard."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tallyboard as tb

Read = Callable[[Path], list[Any]]
BLOCKED = ("keras", "tensorboard", "tensorflow", "tf_keras")


def alone(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a program in a process in which neither TensorFlow nor anything of its company can be imported."""
    head = f"import sys\nsys.modules.update(dict.fromkeys({BLOCKED!r}))\n"
    head += "from tallyboard.integrations import tf_summary as summary\n"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-W", "error", "-c", head + program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=400)


EVERY_KIND = """
import numpy as np
hp = summary.hparams
writer = summary.create_file_writer(sys.argv[1])
with writer.as_default(step=3):
    summary.scalar("loss", np.float32(0.5))
    with summary.name_scope("outer"), summary.name_scope("inner"):
        summary.scalar("loss", 1, step=np.int64(4), description="d")
        with summary.experimental.summary_scope("my own: kind") as (tag, scope):
            assert (tag, scope) == ("outer/inner/my own: kind", "outer/inner/myownkind/")
            summary.write(tag, [1.0, 2.0], metadata=b"")
            summary.text("nested", ["a", "b"])
    summary.histogram("weights", np.arange(10.0), buckets=5)
    summary.image("pictures", np.zeros((4, 2, 3, 3)))
    summary.audio("sounds", np.zeros((1, 5, 2)), 8000)
    with summary.record_if(lambda: False):
        assert summary.should_record_summaries() is False
        assert summary.scalar("never", 1.0) is False
    assert summary.should_record_summaries() is True
    hp.hparams({"lr": 0.1, hp.HParam("units", hp.IntInterval(1, 9)): 4})
    hp.hparams_config([hp.HParam("lr")], [hp.Metric("loss")])
assert summary.scalar("nowhere", 1.0) is False
assert "tensorflow" not in {name for name, module in sys.modules.items() if module}
"""


def test_every_kind(tmp_path: Path, written: Read) -> None:
    """Every function works without TensorFlow, own name scopes too, and the end of the program writes everything."""
    done = alone(EVERY_KIND, str(tmp_path))
    assert done.returncode == 0, done.stderr
    found = [
        (tag, step, metadata.plugin_data.plugin_name, shape) for tag, step, metadata, _, shape, _ in written(tmp_path)
    ]
    assert found == [
        ("loss", 3, "scalars", ()),
        ("outer/inner/loss", 4, "scalars", ()),
        ("outer/inner/my own: kind", 3, "", (2,)),
        ("outer/inner/myownkind/nested", 3, "text", (2,)),
        ("weights", 3, "histograms", (5, 3)),
        ("pictures", 3, "images", (5,)),
        ("sounds", 3, "audio", (1, 2)),
        ("_hparams_/session_start_info", 0, "hparams", (0,)),
        ("_hparams_/experiment", 0, "hparams", (0,)),
    ]
    assert {key[1] for key in tb.read(tmp_path).scalars()} == {"loss", "outer/inner/loss"}


def test_importing_it_imports_no_framework() -> None:
    """The module itself, every public name of it and of `hparams` but the Keras callback load no framework."""
    names = "import sys\nfrom tallyboard.integrations import tf_summary as summary\n"
    names += "for name in summary.__all__: getattr(summary, name)\n"
    names += "for name in set(summary.hparams.__all__) - {'KerasCallback'}: getattr(summary.hparams, name)\n"
    names += f"print(sorted(set({(*BLOCKED, 'jax', 'torch')!r}) & set(sys.modules)))"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", names], capture_output=True, text=True, env=env, timeout=300)
    assert done.stdout.strip() == "[]", done.stderr


def test_traces_need_tensorflow() -> None:
    """Without TensorFlow a trace of graphs says which command installs it; a profile warns, and training goes on."""
    done = alone(
        "import warnings\n"
        "try: summary.trace_on()\n"
        "except ImportError as error: print(type(error).__name__, error)\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    summary.trace_on(graph=False, profiler=True, profiler_outdir='x')\n"
        "print(caught[0].category.__name__, caught[0].message)\n"
        "summary.trace_on(graph=False)\n"
        "summary.trace_off()\n"
        "try: summary.hparams.KerasCallback\n"
        "except ImportError as error: print(error)\n"
    )
    assert done.returncode == 0, done.stderr
    first, second, third = done.stdout.splitlines()
    assert first.startswith("MissingDependency trace_on")
    assert "pip install 'tallyboard[tensorflow]'" in first
    assert second.startswith("TallyboardWarning trace_on: there is no profile without TensorFlow")
    assert "pip install 'tallyboard[keras]'" in third


@pytest.mark.parametrize("library", ["torch", "jax.numpy"])
def test_arrays_of_other_libraries(tmp_path: Path, library: str) -> None:
    """Tensors of PyTorch and arrays of JAX are taken as well."""
    pytest.importorskip(library.partition(".")[0])
    done = alone(
        f"import {library} as lib\n"
        "writer = summary.create_file_writer(sys.argv[1])\n"
        "with writer.as_default(step=1):\n"
        "    summary.scalar('a', lib.ones(()))\n"
        "    summary.histogram('h', lib.ones((3, 4), dtype=lib.bfloat16))\n"
        "    summary.image('i', lib.ones((1, 4, 4, 3)))\n"
        "    summary.write('w', lib.ones((2,)))\n"
        "writer.close()\n",
        str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    ((_, series),) = tb.read(tmp_path).scalars().items()
    assert series.value.tolist() == [1.0]


def test_a_forked_child_goes_on(tmp_path: Path) -> None:
    """A child made by fork writes through the same default writer, into a file of its own."""
    if not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    done = alone(
        "import os\n"
        "summary.create_file_writer(sys.argv[1]).set_as_default()\n"
        "summary.scalar('parent', 1.0, step=0)\n"
        "summary.flush()\n"
        "child = os.fork()\n"
        "summary.scalar('child' if child == 0 else 'parent', 2.0, step=1)\n"
        "summary.flush()\n"
        "if child == 0: os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n",
        str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    series = {key[1]: value.step.tolist() for key, value in tb.read(tmp_path).scalars().items()}
    assert series == {"parent": [0, 1], "child": [1]}
    assert len(list(tmp_path.iterdir())) == 2
