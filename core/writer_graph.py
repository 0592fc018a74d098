"""`add_graph` and its likes: the structure of a model."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from .adds import Adds
from .errors import InvalidSummary, TallyboardError, warn_once
from .summary import Event, kind_of

if TYPE_CHECKING:
    from .graph import Graph

__all__ = ["GraphAdds"]


class GraphAdds(Adds):
    """`add_graph`, `add_onnx_graph` and `add_openvino_graph`."""

    def add_graph(
        self,
        model: Any,
        input_to_model: Any = None,
        verbose: bool = False,
        use_strict_trace: bool = True,
        global_step: int | None = None,
        walltime: float | None = None,
        *,
        step: int | None = None,
        mode: str = "auto",
    ) -> None:
        """Logs the graph of a model. A run has one; TensorBoard shows the latest.

        The model's framework decides how the graph is found. A `torch.nn.Module` is called once with the inputs, in
        evaluation mode and without gradients, and left as it was; the graph is what the call did. A model that
        fails, or that is given no inputs it needs, warns once, and its modules alone are the graph. A function of JAX,
        compiled or not, is traced with the inputs, and so is a module of flax, haiku or equinox; nothing is computed.

        Args:
            model: the model, or a function that is given arrays of JAX; or a `Graph` of your own
                (`tallyboard.core.graph`).
            input_to_model: an input to run it with, a tuple of several, or a dict by argument's name.
            verbose: prints the graph, as far as its source can.
            use_strict_trace: of `mode="jit"`: False lets the model return lists and dicts, which is also tried when
                strictness fails.
            global_step: the step, an integer; 0 when absent.
            walltime: seconds since 1970; now when absent.
            step: short name for `global_step`.
            mode: how it is found. Of torch: `capture`, `fake` (nothing is computed), `export` (`torch.export`), `jit`
                (`torch.jit.trace`, with torch.utils.tensorboard's names), `onnx`, `tree` (the modules alone); `auto`
                takes the first that works.

        Raises:
            InvalidSummary: there is no model, or the mode is none, or needs inputs and none are given.
            UnsupportedModel: nothing knows how to find the graph of this object.
        """
        from .graph import Graph, source_for

        if model is None:
            raise InvalidSummary("add_graph: expected a model, got None; pass the model itself")
        if isinstance(model, Graph):
            self._put_graph(lambda: model, "add_graph", "a graph", (global_step, step, walltime))
            return
        source = source_for(model, input_to_model)

        def make() -> Graph:
            more = {} if mode == "auto" else {"mode": mode}  # sources of others may know of none
            return source(model, input_to_model, verbose=verbose, use_strict_trace=use_strict_trace, **more)

        self._put_graph(make, "add_graph", kind_of(model), (global_step, step, walltime))

    def add_onnx_graph(
        self,
        prototxt: Any = None,
        global_step: int | None = None,
        walltime: float | None = None,
        *,
        step: int | None = None,
        onnx_model_file: Any = None,
    ) -> None:
        """Logs the graph in an ONNX file. Needs the package `onnx`.

        Args:
            prototxt: the file's path, or a loaded `onnx.ModelProto`.
            global_step: the step, an integer; 0 when absent.
            walltime: seconds since 1970; now when absent.
            step: short name for `global_step`.
            onnx_model_file: tensorboardX's name of `prototxt`.

        Raises:
            InvalidSummary: there is no such file, or it is no ONNX model.
            MissingDependency: `onnx` is not installed.
        """
        given = onnx_model_file if prototxt is None else prototxt
        self._put_file("onnx", given, "add_onnx_graph", (global_step, step, walltime))

    def add_openvino_graph(
        self,
        xmlname: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        *,
        step: int | None = None,
    ) -> None:
        """Logs the graph in an OpenVINO model's XML file.

        Args:
            xmlname: the file's path.
            global_step: the step, an integer; 0 when absent.
            walltime: seconds since 1970; now when absent.
            step: short name for `global_step`.

        Raises:
            InvalidSummary: there is no such file, or it is no OpenVINO model.
        """
        self._put_file("openvino", xmlname, "add_openvino_graph", (global_step, step, walltime))

    def _put_file(self, kind: str, given: Any, call: str, when: tuple[Any, Any, Any]) -> None:
        from .graph import source_named

        if isinstance(given, str | os.PathLike) and not os.path.isfile(path := os.fspath(cast("str", given))):
            raise InvalidSummary(f"{call}: there is no file {path!r}")
        if given is None:
            raise InvalidSummary(f"{call}: expected the path of a file, got None")
        source = source_named(kind)
        assert source is not None  # it is part of this package
        self._put_graph(lambda: source(given), call, str(given)[:200], when)  # pyright: ignore[reportUnknownArgumentType]

    def _put_graph(self, make: Callable[[], Graph], call: str, what: str, when: tuple[Any, Any, Any]) -> None:
        """Writes the graph that `make` finds; its own failures warn, wrong calls raise."""
        from .graph import graph_summaries

        step, wall_time = self._when(call, "graph", *when)
        try:
            summaries = graph_summaries(make())
        except TallyboardError:
            raise
        except Exception as error:
            text = str(error).strip().partition("\n")[0]
            warn_once(
                (call, what, type(error)),
                f"{call}: no graph of {what} was logged, because finding it failed ({type(error).__name__}: {text}). "
                "Training goes on without it.",
            )
            return
        for summary in summaries:
            self.write(Event(step, wall_time, summary))
