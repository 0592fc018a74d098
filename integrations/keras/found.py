"""Hyperparameters as a model and its optimizer tell them, and as `fit` was called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

__all__ = ["hyperparameters", "without_settings"]

_OF_LAYERS: Final = ("units", "filters", "kernel_size", "strides", "rate", "activation", "num_heads", "output_dim")
_MOST_OF_LAYERS: Final = 40
_NOT_OF_OPTIMIZERS: Final = ("name", "learning_rate", "inner_optimizer")
_OF_FIT: Final = ("batch_size", "epochs", "initial_epoch")


def hyperparameters(model: Any, fit: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a training when it begins.

    Args:
        model: compiled and built.
        fit: the arguments of `fit` that are known.

    Returns:
        Numbers, words and truth values by name: `model`, `parameters`, `optimizer`, `learning_rate`, `loss`, the
        settings of the optimizer, the first 40 of the layers (`dense/units`), and `batch_size`, `epochs`.
    """
    found: dict[str, Any] = {"model": str(getattr(model, "name", "")) or type(model).__name__}
    if getattr(model, "built", False):
        found["parameters"] = int(model.count_params())
    found |= _of_optimizer(getattr(model, "optimizer", None))
    if (loss := _name_of(getattr(model, "loss", None))) is not None:
        found["loss"] = loss
    found |= {key: fit[key] for key in _OF_FIT if isinstance(fit.get(key), int) and (fit[key] or key == "epochs")}
    return {**found, **_of_layers(model)}


def _of_optimizer(optimizer: Any) -> dict[str, Any]:
    if optimizer is None:
        return {}
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # inside a LossScaleOptimizer
    found: dict[str, Any] = {"optimizer": type(optimizer).__name__}
    config: dict[str, Any] = optimizer.get_config()
    rate = config.get("learning_rate")
    found |= _plain("learning_rate", rate)
    if isinstance(rate, Mapping):  # a schedule
        found["learning_rate"] = str(rate.get("class_name"))
        for key, value in (rate.get("config") or {}).items():
            found |= {} if key == "name" else _plain(f"learning_rate/{key}", value)
    for key, value in config.items():
        found |= {} if key in _NOT_OF_OPTIMIZERS else _plain(key, value)
    return found


def _of_layers(model: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for layer in getattr(model, "layers", ()):
        try:
            config: dict[str, Any] = layer.get_config()
        except Exception:  # many classes of users have none
            continue
        for key in _OF_LAYERS:
            value = config.get(key)
            if value != "linear" and len(found) < _MOST_OF_LAYERS:
                found |= _plain(f"{layer.name}/{key}", value)
    return found


def without_settings(model: Any) -> list[str]:
    """The names and classes of the layers that do not say how they were made."""
    names: list[str] = []
    for layer in getattr(model, "layers", ()):
        try:
            layer.get_config()
        except Exception:
            names.append(f"{layer.name!r} ({type(layer).__name__})")
    return names


def _plain(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, list | tuple):
        value = "x".join(map(str, value))
    number = getattr(value, "item", None)
    value = value.item() if number is not None and getattr(value, "size", 0) == 1 else value
    if isinstance(value, float) and value == float(np.float32(value)):  # in Keras's variables 0.001 is 0.0010000000475
        value = float(str(np.float32(value)))
    return {name: value} if isinstance(value, bool | int | float | str) else {}


def _name_of(loss: Any) -> str | None:
    if loss is None or isinstance(loss, str):
        return loss
    if isinstance(loss, list | tuple | dict):
        named = [_name_of(one) for one in (loss.values() if isinstance(loss, dict) else loss)]
        return ", ".join(str(one) for one in named)
    return str(getattr(loss, "name", None) or getattr(loss, "__name__", None) or type(loss).__name__)
