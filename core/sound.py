"""Sound as a WAV file of 16 bits a sample, which every browser plays."""

from __future__ import annotations

import io
import wave
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import as_array
from .errors import InvalidSummary
from .summary import DataClass, Summary, as_tag, kind_of
from .values import Audio, Later

__all__ = ["audio"]

CHANNELS_MAX = 32  # more than this many are a mistake in the shape; browsers play up to 32
BYTES_MAX = 2**30
_WAV = b"\x10\x0b"  # AudioPluginData(encoding=WAV), as tf.summary writes it, without which some browsers get no type


def audio(tag: object, sound: object, sample_rate: object = 44100, dataformats: object = None) -> Summary:
    """A summary of one sound.

    Args:
        tag: its name.
        sound: samples of one channel, [L], or of several, [L, C] or [C, L]; axes of size 1 beyond that are left out.
            Floats between -1 and 1, what is beyond clipped, NaN silent; or PCM of int16, int32, int8 or uint8, as WAV
            has it.
        sample_rate: samples a second.
        dataformats: "LC" or "CL"; by default the shorter axis is the channels, and the last one of two equal ones.

    Raises:
        InvalidSummary: no samples, more than 32 channels, or numbers whose scale is not known.
    """
    name = as_tag(tag, "add_audio")
    call = f"add_audio({name!r})"
    rate = _rate(sample_rate, call)
    array = _frames(as_array(sound, call, "snd_tensor"), sound, dataformats, call)
    if array.dtype.kind not in "fb" and array.dtype.name not in ("int8", "uint8", "int16", "int32"):
        raise InvalidSummary(
            f"{call}: snd_tensor has elements of {array.dtype}, whose loudest value is not known; give floats between "
            "-1 and 1, or PCM as int16 (.astype('int16')), int32, int8 or uint8"
        )
    if array.size * 2 > BYTES_MAX:
        raise InvalidSummary(f"{call}: snd_tensor has {array.size} samples, more than a gigabyte; log a part of it")
    return Summary(name, "audio", DataClass.BLOBS, Later(lambda: _encoded(array, rate), array.nbytes), content=_WAV)


def _rate(value: Any, call: str) -> float:
    try:
        rate = float(value)
    except Exception:
        raise InvalidSummary(
            f"{call}: expected sample_rate in samples a second, got {kind_of(value)}; use 44100"
        ) from None
    if not 1 <= rate < 2**32:
        raise InvalidSummary(f"{call}: sample_rate is {value!r}; give the samples a second of each channel, as 44100")
    return rate


def _frames(array: NDArray[Any], sound: object, dataformats: object, call: str) -> NDArray[Any]:
    """The samples as [L, C]."""
    if dataformats not in (None, "LC", "CL"):
        raise InvalidSummary(f"{call}: dataformats={dataformats!r} is none of 'LC' and 'CL'; leave it out")
    if array.size == 0:
        raise InvalidSummary(f"{call}: snd_tensor is empty, {kind_of(sound)}; log at least one sample")
    if dataformats is not None and array.ndim == 2:
        frames = array if dataformats == "LC" else array.T
    else:
        frames = array.squeeze()
        if frames.ndim < 2:
            return frames.reshape(-1, 1)
        if frames.ndim == 2 and frames.shape[0] < frames.shape[1]:
            frames = frames.T
    if frames.ndim != 2 or frames.shape[1] > CHANNELS_MAX:
        raise InvalidSummary(
            f"{call}: expected snd_tensor as [samples], [samples, channels] or [channels, samples] with at most "
            f"{CHANNELS_MAX} channels, got {kind_of(sound)}; log one sound a call"
        )
    return frames


def _encoded(array: NDArray[Any], rate: float) -> Audio:
    length, channels = array.shape
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(np.ascontiguousarray(_pcm16(array)).tobytes())
    return Audio(rate, channels, length, file.getvalue())


def _pcm16(array: NDArray[Any]) -> NDArray[Any]:
    """Samples as little-endian int16; floats scaled and cut off as torch does it."""
    if array.dtype == np.int16:
        return array.astype("<i2", copy=False)
    if array.dtype == np.int32:
        return (array >> 16).astype("<i2")
    if array.dtype == np.int8:
        return array.astype("<i2") << 8
    if array.dtype == np.uint8:
        return (array.astype("<i2") - 128) << 8
    wide = array.astype(np.float64 if array.dtype == np.float64 else np.float32, copy=False)
    return (np.clip(np.where(np.isnan(wide), 0, wide), -1, 1) * wide.dtype.type(32767)).astype("<i2")
