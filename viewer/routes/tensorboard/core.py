"""`/data/runs`, `/data/logdir`, `/data/environment` and what else TensorBoard says of itself."""

from __future__ import annotations

import math
from typing import Any, Final

from aiohttp import web

from tallyboard import __version__

from ...projector import EMBEDDINGS
from .answers import Asked, answering, json_answer

routes = web.RouteTableDef()

_GRAPHS: Final = (
    *("graphs", "graph_run_metadata", "graph_run_metadata_graph", "graph_keras_model", "graph_tagged_run_metadata"),
)
_PLUGINS: Final = {
    # name: (what it is called in the row of dashboards, its element, the kinds of data it shows)
    "timeseries": ("Time Series", None, ("scalars", "histograms", "images")),
    "scalars": ("scalars", "tf-scalar-dashboard", ("scalars",)),
    "custom_scalars": ("Custom Scalars", "tf-custom-scalar-dashboard", ("custom_scalars",)),
    "images": ("images", "tf-image-dashboard", ("images",)),
    "audio": ("audio", "tf-audio-dashboard", ("audio",)),
    "graphs": ("graphs", "tf-graph-dashboard", _GRAPHS),
    "distributions": ("distributions", "tf-distribution-dashboard", ("histograms",)),
    "histograms": ("histograms", "tf-histogram-dashboard", ("histograms",)),
    "text": ("text", "tf-text-dashboard", ("text",)),
    "pr_curves": ("PR Curves", "tf-pr-curve-dashboard", ("pr_curves",)),
    "hparams": ("hparams", "tf-hparams-dashboard", ("hparams",)),
    "mesh": ("mesh", "mesh-dashboard", ("mesh",)),
}


@routes.get("/data/runs")
@answering
def get_runs(asked: Asked) -> web.Response:
    """The names of the runs, those that began first first."""

    def began(run: Any) -> float:
        start = run.began if run.began is not None else run.first_wall_time
        return start if start is not None and math.isfinite(start) else math.inf

    runs = asked.context.store.overview().runs
    return json_answer([run.name for run in sorted(runs, key=lambda run: (began(run), run.name))])


@routes.get("/data/logdir")
@answering
def get_logdir(asked: Asked) -> web.Response:
    """The logdir, as it was given."""
    return json_answer({"logdir": asked.context.logdir})


@routes.get("/data/environment")
@answering
def get_environment(asked: Asked) -> web.Response:
    """The logdir, the window's title, and tallyboard's version."""
    return json_answer(
        {
            "version": __version__,
            "data_location": asked.context.logdir,
            "window_title": asked.context.title,
            "experiment_name": "",
            "experiment_description": "",
            "creation_time": 0,
        }
    )


@routes.get("/data/window_properties")
@answering
def get_window_properties(asked: Asked) -> web.Response:
    """The window's title."""
    return json_answer({"window_title": asked.context.title})


@routes.get("/data/experiments")
@answering
def get_experiments(_asked: Asked) -> web.Response:
    """None: a logdir is no experiment, in TensorBoard either."""
    return json_answer([])


@routes.get("/data/experiment_runs")
@answering
def get_experiment_runs(_asked: Asked) -> web.Response:
    """None, as there are no experiments."""
    return json_answer([])


@routes.get("/data/plugins_listing")
@answering
def get_plugins_listing(asked: Asked) -> web.Response:
    """TensorBoard's dashboards that have routes here, and whether there is anything for them."""
    there = asked.context.store.overview().tags
    listing: dict[str, Any] = {}
    for name, (tab, element, kinds) in _PLUGINS.items():
        loading = {"type": "CUSTOM_ELEMENT", "element_name": element} if element else {"type": "NG_COMPONENT"}
        listing[name] = {
            "disable_reload": name == "graphs",
            "enabled": any(kind in there for kind in kinds),
            "remove_dom": False,
            "tab_name": tab,
            "loading_mechanism": loading,
        }
    listing["projector"] = {
        "disable_reload": True,
        "enabled": any(EMBEDDINGS.config(asked.context, run).entries for run in EMBEDDINGS.runs(asked.context)),
        "remove_dom": False,
        "tab_name": "projector",
        "loading_mechanism": {"type": "IFRAME", "module_path": "/data/plugin/projector/index.js"},
    }
    return json_answer(listing)
