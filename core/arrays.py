"""Arrays of any library as NumPy's, copied once, at the call.

No framework is imported: a value is recognised by the top package of its class, which is loaded if the value
exists. Reading a value that lives on a device waits for it and copies it to the host.
"""

from __future__ import annotations

import sys
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from .errors import InvalidSummary
from .summary import brief, cure_of, kind_of

__all__ = ["as_array", "nbytes_of"]

_ML_DTYPES = ("bfloat16", "float8_", "float6_", "float4_", "int2", "int4", "uint2", "uint4")  # and not float64


def as_array(value: Any, call: str, argument: str, *, copy: bool = True) -> NDArray[Any]:
    """The numbers that `value` holds, in memory of their own.

    Takes NumPy arrays and scalars, Python numbers and nested lists of numbers or tensors, torch tensors (any
    device, bfloat16, half, requiring gradients, sparse), TensorFlow's eager tensors and variables, JAX arrays
    (bfloat16, sharded), CuPy arrays, PIL images, and anything that speaks DLPack or NumPy's array protocol.
    bfloat16 and other types that NumPy lacks become float32, which holds them exactly.

    Args:
        value: the user's argument.
        call: the method called, for the error text.
        argument: the argument's name, for the error text.
        copy: False where the caller does not keep the array beyond the call.

    Raises:
        InvalidSummary: it holds no numbers.
    """
    try:
        array, own = _converted(value)
    except InvalidSummary:
        raise
    except Exception as error:
        cure = cure_of(value, "convert it with numpy.asarray() first")
        raise InvalidSummary(
            f"{call}: expected {argument} to be an array or tensor of numbers, got {kind_of(value)} "
            f"({brief(error)}); {cure}"
        ) from None
    if array.dtype.kind == "V" or array.dtype.name.startswith(_ML_DTYPES):
        array, own = array.astype(np.float32), True  # NumPy's own functions do not take these
    if array.dtype.kind not in "biufc":
        raise InvalidSummary(
            f"{call}: expected {argument} to be an array or tensor of numbers, got {kind_of(value)} "
            f"with elements of {array.dtype}; convert it with numpy.asarray(..., float) first"
        )
    if array.dtype.byteorder == ">" or (array.dtype.byteorder == "=" and sys.byteorder == "big"):
        array, own = array.astype(array.dtype.newbyteorder("<")), True
    return array.copy() if copy and not own else array


def nbytes_of(value: Any) -> int:
    """How much memory an array says that it takes; 0 where it does not say, as sparse tensors refuse to."""
    try:
        return int(value.nbytes)
    except Exception:
        return 0


def _converted(value: Any) -> tuple[NDArray[Any], bool]:
    """The array, and whether its memory is its own."""
    if isinstance(value, np.ndarray):
        array = cast("NDArray[Any]", value)
        return (_unmasked(array), True) if isinstance(array, np.ma.MaskedArray) else (np.asarray(array), False)
    package = type(value).__module__.partition(".")[0]
    if package == "torch" or (hasattr(value, "detach") and "torch" in sys.modules):
        return _from_torch(value)
    if package == "tensorflow" or package == "keras":
        return np.asarray(value.numpy() if hasattr(value, "numpy") else value), False
    if package == "cupy":
        return value.get(), True
    if isinstance(value, list | tuple):
        items = list(cast("list[Any] | tuple[Any, ...]", value))
        return np.array([_converted(item)[0] if hasattr(item, "shape") else item for item in items]), True
    if hasattr(value, "__array__") or not hasattr(value, "__dlpack__"):
        return np.array(value), True
    return _from_dlpack(value)


def _unmasked(array: Any) -> NDArray[Any]:
    """A masked array with NaN for what is masked; the mask is no part of what a file can hold."""
    if not np.ma.is_masked(array):
        return array.filled()
    return (array if array.dtype.kind in "fc" else array.astype(np.float64)).filled(np.nan)


def _from_dlpack(value: Any) -> tuple[NDArray[Any], bool]:
    """NumPy reads what lies in the host's memory and has a type of its own; torch, if it is there, the rest."""
    try:
        return np.from_dlpack(value), False
    except Exception:
        if "torch" not in sys.modules:
            raise
        return _from_torch(sys.modules["torch"].from_dlpack(value))


def _from_torch(value: Any) -> tuple[NDArray[Any], bool]:
    torch = sys.modules["torch"]
    tensor = value.detach()
    if tensor.layout != torch.strided or tensor.is_quantized:
        tensor = tensor.dequantize() if tensor.is_quantized else tensor.to_dense()
    if tensor.is_conj() or tensor.is_neg():
        tensor = tensor.resolve_conj().resolve_neg()
    moved = tensor.device.type != "cpu"
    host = tensor.cpu()
    try:
        return host.numpy(), moved
    except TypeError:  # bfloat16, float8, complex32: float32 and complex64 hold them exactly
        return host.to(torch.complex64 if host.is_complex() else torch.float32).numpy(), True
