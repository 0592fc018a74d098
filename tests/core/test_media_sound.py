"""add_audio: torch's samples for one channel, every channel of more, read back through the standard library's wave."""

from __future__ import annotations

import io
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tallyboard as tb
from tallyboard.core.sound import audio

RNG = np.random.default_rng(5)


def samples(data: bytes) -> tuple[int, np.ndarray[Any, Any]]:
    """A WAV's rate and its samples [L, C]."""
    with wave.open(io.BytesIO(data)) as file:
        assert file.getsampwidth() == 2
        frames = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return file.getframerate(), frames.reshape(-1, file.getnchannels())


def sounds(logdir: Path) -> dict[str, Any]:
    """Every sound that TensorBoard's reader finds, by tag."""
    module = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    accumulator = module.EventAccumulator(str(logdir), size_guidance={"audio": 0})
    accumulator.Reload()
    return {tag: accumulator.Audio(tag) for tag in accumulator.Tags()["audio"]}


def made(value: Any, **more: Any) -> np.ndarray[Any, Any]:
    """The samples [L, C] that a sound is written with."""
    summary: Any = audio("t", value, **more).settled().value
    rate, got = samples(summary.encoded)
    assert (rate, got.shape) == (int(summary.sample_rate), (summary.frames, summary.channels))
    return got


def test_one_channel_as_torch(tmp_path: Path) -> None:
    """The very bytes of torch: shapes [L], [1, L] and [L, 1], float32 and float64, beyond 1 clipped."""
    torch = pytest.importorskip("torch")
    theirs = pytest.importorskip("torch.utils.tensorboard").SummaryWriter(str(tmp_path / "torch"))
    base = RNG.uniform(-1, 1, 4000)
    calls = {
        "flat": (base,),
        "row": (base[None], 3),
        "column": (base[:, None], 3, 8000),
        "float32": (torch.from_numpy(base).float()[None], 4, 16000, 12.5),
        "loud": (base * 3, 5),
        "deep": (base[None, None], 5),
    }
    with theirs, tb.SummaryWriter(tmp_path / "ours") as ours:
        for writer in (ours, theirs):
            for tag, arguments in calls.items():
                writer.add_audio(tag, *arguments)

    mine, others = sounds(tmp_path / "ours"), sounds(tmp_path / "torch")

    assert mine.keys() == others.keys() == calls.keys()
    for tag in calls:
        (a,), (b,) = mine[tag], others[tag]
        assert (a.step, a.sample_rate, a.length_frames, a.content_type) == (
            b.step,
            b.sample_rate,
            b.length_frames,
            b.content_type,
        )
        assert a.encoded_audio_string == b.encoded_audio_string, tag
    assert mine["float32"][0].wall_time == 12.5


def test_two_channels_as_tensorboardx(tmp_path: Path) -> None:
    """tensorboardX's [L, 2]: the same channels, to within the scale of its library (2 of 32,767)."""
    pytest.importorskip("soundfile")
    theirs = pytest.importorskip("tensorboardX").SummaryWriter(str(tmp_path / "x"))
    stereo = RNG.uniform(-1, 1, (3000, 2))
    with theirs, tb.SummaryWriter(tmp_path / "ours") as ours:
        for writer in (ours, theirs):
            writer.add_audio("stereo", stereo, 1, 22050)

    (a,), (b,) = sounds(tmp_path / "ours")["stereo"], sounds(tmp_path / "x")["stereo"]

    mine, other = samples(a.encoded_audio_string), samples(b.encoded_audio_string)
    assert mine[0] == other[0] == 22050
    assert mine[1].shape == other[1].shape == (3000, 2)
    assert np.abs(mine[1].astype(int) - other[1]).max() <= 2
    assert (a.length_frames, a.sample_rate) == (b.length_frames, b.sample_rate)


@given(
    sound=st.tuples(st.integers(33, 60), st.integers(1, 32)).flatmap(lambda shape: hnp.arrays(np.int16, shape)),
    turned=st.booleans(),
    rate=st.integers(1, 192_000),
)
@settings(max_examples=60, deadline=None)
def test_pcm_goes_in_and_out(sound: Any, turned: bool, rate: int) -> None:
    """int16 of 1 to 32 channels is kept to the bit, whichever axis the channels are."""
    assert np.array_equal(made(sound.T if turned else sound, sample_rate=rate), sound)


@given(sound=hnp.arrays(np.float32, st.integers(1, 50), elements=st.floats(width=32)))
@settings(max_examples=60, deadline=None)
def test_any_float_is_a_sample(sound: Any) -> None:
    """NaN is silence, infinities and all beyond 1 the loudest sample, without a warning."""
    want = [0 if x != x else int(np.float32(min(max(x, -1), 1)) * np.float32(32767)) for x in sound]

    assert made(sound)[:, 0].tolist() == want


def test_integers_are_pcm() -> None:
    """int32 and int8 are scaled to 16 bits, uint8 around 128, as WAV files have them."""
    assert made(np.array([2**31 - 1, -(2**31), 65536], np.int32))[:, 0].tolist() == [32767, -32768, 1]
    assert made(np.array([127, -128], np.int8))[:, 0].tolist() == [32512, -32768]
    assert made(np.array([255, 0, 128], np.uint8))[:, 0].tolist() == [32512, -32768, 0]
    assert made(np.array([True, False]))[:, 0].tolist() == [32767, 0]


def test_which_axis_the_channels_are() -> None:
    """The shorter axis, the last of two equal ones, or as dataformats says."""
    grid = np.arange(12, dtype=np.int16).reshape(3, 4)

    assert made(grid)[0].tolist() == [0, 4, 8]
    assert made(grid, dataformats="LC")[0].tolist() == [0, 1, 2, 3]
    assert made(grid.T, dataformats="CL")[0].tolist() == [0, 1, 2, 3]
    assert made(grid[:, :3])[0].tolist() == [0, 1, 2]
    assert made(grid[:1, :2], dataformats="LC").tolist() == [[0, 1]]


def test_the_sound_is_taken_at_the_call() -> None:
    """What happens to an array after the call changes nothing that was logged."""
    sound = np.full(10, 5, np.int16)
    summary = audio("t", sound)

    sound[:] = 9

    value: Any = summary.settled().value
    assert set(samples(value.encoded)[1].ravel().tolist()) == {5}


@pytest.mark.parametrize(
    ("value", "more", "message"),
    [
        (np.zeros((2, 3, 4)), {}, r"as \[samples\].*shape \(2, 3, 4\)"),
        (np.zeros((40, 50)), {}, "at most 32 channels"),
        (np.zeros(0), {}, "empty.*log at least one sample"),
        (np.zeros(3, int), {}, "int64, whose loudest value is not known"),
        (np.zeros(3, complex), {}, "complex128"),
        (np.zeros(3), {"sample_rate": 0}, "sample_rate is 0"),
        (np.zeros(3), {"sample_rate": float("nan")}, "sample_rate is nan"),
        (np.zeros(3), {"sample_rate": "fast"}, "got str"),
        (np.zeros((3, 3)), {"dataformats": "HW"}, "none of 'LC' and 'CL'"),
        ("sound.wav", {}, "got str"),
    ],
)
def test_wrong_sounds_are_refused_at_the_call(value: Any, more: dict[str, Any], message: str) -> None:
    """Each wrong argument raises at the call and says what came and what to do; the writer goes on."""
    sink = tb.MemorySink()
    with tb.SummaryWriter(sink=sink) as writer:
        with pytest.raises(tb.InvalidSummary, match=message):
            writer.add_audio("t", value, **more)
        writer.add_audio("t", np.zeros(4), step=1)

    assert [event.step for event in sink.events] == [1]
