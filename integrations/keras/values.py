"""Numbers that live in Keras and in what computes for it: read, and copied without waiting."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from tallyboard.core.arrays import as_array

__all__ = ["for_inference", "is_concrete", "number_of", "path_of", "snapshot", "tensor_of"]


def for_inference(model: Any) -> dict[str, bool]:
    """What a model is called with beside its inputs, so that it does what it does when it is not trained."""
    return {"training": False} if getattr(model, "_call_has_training_arg", True) else {}


def tensor_of(variable: Any) -> Any:
    """What a variable holds, of the type of the library that computes; a tensor itself."""
    value = getattr(variable, "value", None)
    return variable if value is None or callable(value) else value


def path_of(variable: Any) -> str:
    """A variable's name in tags, as keras.callbacks.TensorBoard has it: `sequential/dense/kernel`."""
    return str(getattr(variable, "path", None) or variable.name).replace(":", "_")


def number_of(value: Any) -> float:
    """One number, which is waited for.

    Raises:
        InvalidSummary: it holds none.
        ValueError: it holds several.
    """
    return float(as_array(tensor_of(value), "TallyboardCallback", "a value", copy=False).item())


def is_concrete(tensor: Any) -> bool:
    """Whether it holds numbers, and does not stand for some in a program that is being compiled."""
    jax, tf, torch = (sys.modules.get(name) for name in ("jax", "tensorflow", "torch"))
    if jax is not None and hasattr(jax, "core") and isinstance(tensor, jax.Array):
        return not isinstance(tensor, jax.core.Tracer)
    if tf is not None and hasattr(tf, "is_tensor") and tf.is_tensor(tensor):
        return hasattr(tensor, "numpy") and not isinstance(tensor, tf.SparseTensor | tf.RaggedTensor)
    if torch is not None and hasattr(torch, "Tensor") and isinstance(tensor, torch.Tensor):
        return not tensor.is_meta
    return isinstance(tensor, np.ndarray)


def snapshot(variable: Any) -> Any:
    """A copy that the next step of the training leaves alone, made where the numbers are and without waiting for them.

    Of an array that lies on several machines, it is the part that lies on this one.
    """
    tensor = tensor_of(variable)
    package = type(tensor).__module__.partition(".")[0]
    if package in ("torch", "keras") and hasattr(tensor, "detach"):
        local = getattr(tensor, "to_local", None)
        return (tensor if local is None else local()).detach().clone()
    if package == "tensorflow" or hasattr(tensor, "read_value"):
        tf = sys.modules["tensorflow"]
        return tf.convert_to_tensor(tensor)  # TensorFlow writes a variable's next value elsewhere if this one is held
    if package in ("jax", "jaxlib"):
        return _of_jax(tensor)
    return np.array(tensor)


def _of_jax(array: Any) -> Any:
    """A copy on the device: the training donates the array itself, whose memory then holds other numbers."""
    jnp = sys.modules["jax"].numpy
    if not array.is_fully_addressable:
        parts = [jnp.ravel(part.data).copy() for part in array.addressable_shards if part.replica_id == 0]
        return np.concatenate([np.asarray(part) for part in parts]) if parts else np.zeros(0, np.float32)
    copied = jnp.copy(array)
    copied.copy_to_host_async()
    return copied
