"""A batch of validation data, and what a model makes of it: activations, and gradients of its loss."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import keras

from .values import for_inference, is_concrete, tensor_of

__all__ = ["Sample", "activations", "first_batch", "gradients"]

MOST_SAMPLES: Final = 128


class Sample(NamedTuple):
    """Inputs, targets and weights of some samples, as tensors of the backend."""

    x: Any
    y: Any
    weight: Any


def first_batch(data: Any) -> Sample | None:
    """The first samples of validation data, in any form that `fit` takes, unless they could be taken only once.

    Args:
        data: arrays in a tuple, a dataset, a loader, a `PyDataset`; None for none.
    """
    if data is None or (hasattr(data, "__next__") and not isinstance(data, tuple | list)):
        return None
    if not isinstance(data, tuple | list):
        first = data[0] if hasattr(data, "__getitem__") else next(iter(data), None)
        data = first if isinstance(first, tuple | list) else (first,)
    parts = (*data, None, None)[:3]
    return Sample(*(None if part is None else keras.tree.map_structure(_first, part) for part in parts))


def _first(part: Any) -> Any:
    part = part[:MOST_SAMPLES] if hasattr(part, "__getitem__") else part
    return keras.ops.convert_to_tensor(part)


def activations(model: Any, sample: Sample) -> Iterator[tuple[str, Any]]:
    """What each layer gives out for a batch, by its path; the model is called once, as for inference.

    Nothing that the call would change, such as the state of random numbers, is changed. Of a layer that is called
    several times the last result is given, of one with several results the first.
    """
    found: dict[str, Any] = {}
    with keras.StatelessScope(), _told_of(model, found):
        _call(model, sample.x)
    yield from found.items()


def _call(model: Any, x: Any) -> Any:
    torch = sys.modules.get("torch")
    if keras.backend.backend() == "torch" and torch is not None:
        with torch.no_grad():
            return model(x, **for_inference(model))
    return model(x, **for_inference(model))


@contextmanager
def _told_of(model: Any, found: dict[str, Any]) -> Iterator[None]:
    """Has each layer leave what it gives out; its `call` is replaced for as long as that takes."""
    changed: list[tuple[dict[str, Any], str]] = []
    try:
        for layer in model._flatten_layers(include_self=False, recursive=True):
            for name in ("call", "quantized_call"):
                known = vars(layer)
                if hasattr(type(layer), name) and name not in known:
                    known[name] = _telling(layer, getattr(layer, name), found)
                    changed.append((known, name))
        yield
    finally:
        for known, name in changed:
            known.pop(name, None)


def _telling(layer: Any, call: Any, found: dict[str, Any]) -> Any:
    def told(*args: Any, **kwargs: Any) -> Any:
        result = call(*args, **kwargs)
        tensors = keras.tree.flatten(result)
        if tensors and is_concrete(tensors[0]):  # and not within a loop or a function that is being compiled
            found[str(getattr(layer, "path", None) or layer.name)] = tensors[0]
        return result

    told.__signature__ = getattr(call, "__signature__", None)  # type: ignore[attr-defined]
    return told


def gradients(model: Any, sample: Sample) -> list[tuple[Any, Any]]:
    """The gradients of the loss of a batch, which is computed as for inference, by variable.

    Raises:
        Exception: whatever a model says that cannot be called so, or has no loss.
    """
    variables = list(model.trainable_variables)
    backend = keras.backend.backend()
    if backend == "jax":
        found = _of_jax(model, sample, variables)
    elif backend == "tensorflow":
        found = _of_tensorflow(model, sample, variables)
    elif backend == "torch":
        torch = sys.modules["torch"]
        with keras.StatelessScope():
            loss = _loss(model, sample)
            found = torch.autograd.grad(loss, [tensor_of(one) for one in variables], allow_unused=True)
    else:
        raise NotImplementedError(f"the backend {backend!r} has no gradients")
    return [(variable, one) for variable, one in zip(variables, found, strict=True) if one is not None]


def _loss(model: Any, sample: Sample) -> Any:
    """The loss of a batch; of a loss for each sample, as some give, their mean."""
    compute = getattr(model, "_compute_loss", None) or model.compute_loss
    outputs = model(sample.x, **for_inference(model))
    loss = compute(x=sample.x, y=sample.y, y_pred=outputs, sample_weight=sample.weight, training=False)
    return keras.ops.mean(loss)


def _of_jax(model: Any, sample: Sample, variables: list[Any]) -> Any:
    jax = sys.modules["jax"]

    def loss(values: list[Any]) -> Any:
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return _loss(model, sample)

    return jax.grad(loss)([tensor_of(one) for one in variables])


def _of_tensorflow(model: Any, sample: Sample, variables: list[Any]) -> Any:
    tf = sys.modules["tensorflow"]
    with tf.GradientTape() as tape, keras.StatelessScope():
        loss = _loss(model, sample)
    found = tape.gradient(loss, [tensor_of(one) for one in variables])
    return [None if one is None else tf.convert_to_tensor(one) for one in found]
