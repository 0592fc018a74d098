"""HuggingFace transformers: a callback for `Trainer` that stands where its `TensorBoardCallback` stood.

    from tallyboard.integrations.huggingface import TallyboardCallback

    trainer = Trainer(model, args, train_dataset=data, callbacks=[TallyboardCallback()])

Directory, tags, steps, values and texts are those of `TensorBoardCallback` (transformers 5), under which name the
class is exported too. Beside them it writes the arguments that say how the training was set up as hyperparameters.
Leave `report_to` without `tensorboard`, or both write into the same directory.
"""

from __future__ import annotations

import functools
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from tallyboard.core.errors import InvalidSummary, MissingDependency, warn_once
from tallyboard.core.remote import joined
from tallyboard.core.summary import as_number
from tallyboard.core.writer import SummaryWriter

try:
    from transformers.trainer_callback import TrainerCallback
except ImportError as error:
    raise MissingDependency(
        "tallyboard.integrations.huggingface needs transformers: pip install 'tallyboard[huggingface]'"
    ) from error

__all__ = ["TallyboardCallback", "TensorBoardCallback"]

ATTACH_HINT = "give the Trainer a callback instead: Trainer(..., callbacks=[TallyboardCallback()])"

_KINDS = {"eval_": "eval/", "test_": "test/"}
_ALWAYS = (
    *("learning_rate", "per_device_train_batch_size", "gradient_accumulation_steps", "num_train_epochs", "max_steps"),
    *("weight_decay", "warmup_steps", "lr_scheduler_type", "optim", "max_grad_norm", "seed", "bf16", "fp16"),
)


def _guarded(hook: Callable[..., None]) -> Callable[..., None]:
    """A hook from which no exception reaches the training; the first one is told in a warning."""

    @functools.wraps(hook)
    def run(self: TallyboardCallback, args: Any, state: Any, control: Any, *more: Any, **kwargs: Any) -> None:  # noqa: ARG001
        if not state.is_world_process_zero:
            return
        try:
            hook(self, args, state, *more, **kwargs)
        except Exception as error:  # whatever it is, training goes on
            warn_once(
                ("huggingface", hook.__name__),
                f"TallyboardCallback: something could not be logged ({type(error).__name__}: {error}). "
                "Training goes on; further failures are not reported.",
            )

    return run


class TallyboardCallback(TrainerCallback):
    """Writes what a `Trainer` logs: `train/<name>`, `eval/<name>` and `test/<name>` at the global step.

    Only the main process writes. The directory is that of the environment variable `TENSORBOARD_LOGGING_DIR`, or
    `<output_dir>/runs/<date>_<host>`; trials of a search get one each. Nobody waits for the disk.

    Args:
        tb_writer: a writer to use instead. It is not closed.
        logdir: the directory.

    Raises:
        TypeError: both were given.
    """

    def __init__(self, tb_writer: Any = None, *, logdir: str | os.PathLike[str] | None = None) -> None:
        if tb_writer is not None and logdir is not None:
            raise TypeError("TallyboardCallback: both tb_writer and logdir were given; keep one of them")
        self.tb_writer = tb_writer
        self._owns_writer = tb_writer is None
        environment = os.environ.get("TENSORBOARD_LOGGING_DIR")
        place = os.fspath(logdir) if logdir is not None else environment
        self.logging_dir: str | None = None if place is None else os.path.expanduser(place)

    def _writer(self, args: Any, trial: str | None = None) -> SummaryWriter:
        if self._owns_writer and trial is not None:
            self.logging_dir = joined(_usual_place(args), trial)
            if self.tb_writer is not None:
                self.tb_writer.close(failed=False)
            self.tb_writer = None
        if self.tb_writer is None:
            self.logging_dir = self.logging_dir or _usual_place(args)
            self.tb_writer = SummaryWriter(self.logging_dir)
        return self.tb_writer

    @_guarded
    def on_train_begin(self, args: Any, state: Any, model: Any = None, **_: Any) -> None:
        """Writes arguments and configuration as texts, and the hyperparameters."""
        writer = self._writer(args, state.trial_name if state.is_hyper_param_search else None)
        writer.add_text("args", args.to_json_string())
        config = getattr(model, "config", None)
        if hasattr(config, "to_json_string"):
            writer.add_text("model_config", config.to_json_string())
        if isinstance(writer, SummaryWriter):  # another's would make a run of its own for them
            writer.add_hparams({**_set_up(args), **(state.trial_params or {})}, {})

    @_guarded
    def on_log(self, args: Any, state: Any, logs: Mapping[str, Any] | None = None, **_: Any) -> None:
        """Writes numbers as scalars and strings as texts."""
        writer = self._writer(args)
        for name, value in (logs or {}).items():
            tag = _tag(name)
            if isinstance(value, str):
                writer.add_text(tag, value, state.global_step)
                continue
            try:
                number = as_number(tag, value)
            except InvalidSummary as error:
                warn_once(("huggingface", name), f"TallyboardCallback: {error}; it is left out")
                continue
            writer.add_scalar(tag, number, state.global_step)

    @_guarded
    def on_train_end(self, *_: Any, **__: Any) -> None:
        """Closes the file; what is logged afterwards, by an `evaluate()`, opens another in the same directory."""
        if self._owns_writer and self.tb_writer is not None:
            self.tb_writer.close(failed=False)


TensorBoardCallback = TallyboardCallback


def _tag(name: str) -> str:
    for start, kind in _KINDS.items():
        if name.startswith(start):
            return kind + name.removeprefix(start)
    return f"train/{name}"


def _usual_place(args: Any) -> str:
    """What transformers 5 takes; before it, the arguments had a `logging_dir`."""
    name = time.strftime("%b%d_%H-%M-%S") + "_" + socket.gethostname()
    return getattr(args, "logging_dir", None) or joined(args.output_dir, os.path.join("runs", name))


def _set_up(args: Any) -> dict[str, Any]:
    """The arguments that say how the training is set up, and those that are not what they usually are."""
    fields = getattr(type(args), "__dataclass_fields__", {})
    values = args.to_sanitized_dict()
    told: dict[str, Any] = {}
    for name, value in values.items():
        usual = getattr(fields.get(name), "default", value)
        place = name.endswith("_dir") or name in ("run_name", "report_to", "hub_model_id", "local_rank")
        if name in _ALWAYS or (not place and isinstance(value, bool | int | float) and value != usual):
            told[name] = value
    return told
