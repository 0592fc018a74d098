"""Graphs from jaxprs: scopes of linen, nnx, equinox and haiku, edges, shapes, lines, operations."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core.errors import InvalidSummary
from tallyboard.core.graph import Graph
from tallyboard.integrations.jax import create_default_writer, graph, programs, write_graph

X = jnp.ones((2, 4))


def whole(found: Graph) -> dict[str, Any]:
    """The nodes by name, after a look at what every graph keeps: names are unique, and inputs name earlier nodes."""
    names: set[str] = set()
    for node in found.nodes:
        assert node.name not in names
        assert {one.partition(":")[0] for one in node.inputs} <= names
        names.add(node.name)
    return {node.name: node for node in found.nodes}


def scopes(found: Graph) -> dict[str, str]:
    """The module and the scope of every product of matrices, in order."""
    return {node.name.rpartition("/")[0]: node.module for node in found.nodes if node.op == "dot_general"}


@pytest.fixture(scope="module")
def linen() -> Any:
    return pytest.importorskip("flax.linen")


@pytest.fixture(scope="module")
def net(linen: Any) -> Any:
    class Block(linen.Module):  # type: ignore[misc,name-defined]
        width: int

        @linen.compact
        def __call__(self, x: Any) -> Any:
            return linen.relu(linen.Dense(self.width)(x))

    class Net(linen.Module):  # type: ignore[misc,name-defined]
        @linen.compact
        def __call__(self, x: Any) -> Any:
            return linen.Dense(3, name="head")(Block(8)(x))

    return Net()


def test_linen(net: Any) -> None:
    """A linen module: each layer in its scope, with its weights, shapes, line and operations counted by hand."""
    variables = net.init(jax.random.key(0), X)
    found = whole(graph(net, variables, X))
    product = found["Net/Block_0/Dense_0/dot_general"]
    assert product.inputs == ("inputs/1", "Net/Block_0/Dense_0/kernel")
    assert (product.shapes, product.dtypes, product.module) == (((2, 8),), ("float32",), "Block_0.Dense_0")
    assert (product.flops, product.parameters, product.memory) == (2 * 2 * 4 * 8, 32, 64)
    assert product.attributes["bytes accessed"] == 4 * (2 * 4 + 4 * 8 + 2 * 8)
    path, _, line = product.source.rpartition(":")
    assert path == __file__
    assert "linen.Dense(self.width)" in Path(path).read_text().splitlines()[int(line) - 1]
    assert found["Net/Block_0/Dense_0/kernel"].attributes["path"] == "variables/params/Block_0/Dense_0/kernel"
    assert found["Net/head/add"].module == "head"
    assert found["outputs/0"].inputs == ("Net/head/add",)
    assert sum(node.flops for node in found.values()) == 128 + 16 + 16 + 96 + 6  # two layers, a bias each, one relu


def test_operations_are_xlas(net: Any) -> None:
    """The operations of all nodes together are what XLA counts of the program, which the notes have."""
    variables = net.init(jax.random.key(0), X)
    function = jax.jit(lambda v, x: net.apply(v, x))
    found = graph(function, variables, X)
    cost = function.lower(variables, X).cost_analysis()
    assert sum(node.flops for node in found.nodes) == cost["flops"]
    assert (
        f"XLA counts {cost['flops']:,.0f} floating-point operations, {cost['bytes accessed']:,.0f} bytes"
        in found.notes[0]
    )


def test_a_step_has_its_backward_pass(net: Any) -> None:
    """What the gradient computes lies under backward/, in the same scopes; compiled functions are drawn in place."""
    variables = net.init(jax.random.key(0), X)

    @jax.jit
    def loss_of(variables: Any, x: Any) -> Any:
        return (net.apply(variables, x) ** 2).mean()

    found = whole(graph(jax.jit(jax.value_and_grad(lambda v, x: loss_of(v, x) * 2)), variables, X))
    assert {name.partition("loss_of/")[2] for name in scopes(Graph(tuple(found.values())))} == {
        "Net/Block_0/Dense_0",
        "Net/head",
    }
    backward = [name for name in found if name.startswith("backward/") and name.endswith("dot_general")]
    assert len(backward) == 2
    assert all(found[name].module in ("head", "Block_0.Dense_0") for name in backward)
    outputs = [name for name, node in found.items() if node.op == "output"]
    assert len(outputs) == 5
    assert {"outputs/0", "outputs/1/params/head/kernel"} <= set(outputs)


def test_updates_and_cells_have_their_places(linen: Any) -> None:
    """What optax does lies under optimizer/, a cell's weights in the scan that reads them; each has its line."""
    optax = pytest.importorskip("optax")

    class Net(linen.Module):  # type: ignore[misc,name-defined]
        @linen.compact
        def __call__(self, x: Any) -> Any:
            return linen.relu(linen.RNN(linen.GRUCell(3))(x))

    net, tx, x = Net(), optax.chain(optax.clip(1.0), optax.adam(1e-3)), jnp.ones((2, 5, 4))
    variables = net.init(jax.random.key(0), x)

    @jax.jit
    def step(variables: Any, state: Any) -> Any:
        loss, gradient = jax.value_and_grad(lambda v: optax.l2_loss(net.apply(v, x)).sum())(variables)
        updates, state = tx.update(gradient, state)
        return optax.apply_updates(variables, updates), state, {"loss": loss}

    found = whole(graph(step, variables, tx.init(variables)))
    places = {name.rpartition("/")[0] for name in found if name.startswith(("optimizer/", "l2"))}
    assert {"l2_loss", "optimizer/clip", "optimizer/scale_by_adam", "optimizer/apply_updates"} <= places
    assert {name for name, node in found.items() if node.op == "output" and "loss" in name} == {"outputs/2/loss"}
    kernels = {name for name in found if name.startswith("Net/") and name.endswith("kernel")}
    assert kernels == {f"Net/RNN_0/scan/GRUCell_0/{gate}/kernel" for gate in ("ir", "iz", "in", "hr", "hz", "hn")}
    assert [name for name in found if "/" not in name] == ["reduce_sum"]  # the loss'
    lines = {node.source.partition(":")[0] for node in found.values() if node.op in ("max", "dot_general", "logistic")}
    assert lines == {__file__}


def test_nnx(tmp_path: Path) -> None:
    """Modules of nnx have their attribute's name as scope, in a model and in a compiled step that was run before."""
    nnx = pytest.importorskip("flax.nnx")
    optax = pytest.importorskip("optax")

    class Net(nnx.Module):  # type: ignore[misc,name-defined]
        def __init__(self, rngs: Any) -> None:
            self.first = nnx.Linear(4, 8, rngs=rngs)
            self.layers = nnx.List([nnx.Linear(8, 3, rngs=rngs)])
            self.dropout = nnx.Dropout(0.1, rngs=rngs)

        def __call__(self, x: Any) -> Any:
            return self.layers[0](self.dropout(nnx.relu(self.first(x))))

    call = vars(nnx.Linear)["__call__"]
    model = Net(nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.adam(1e-2), wrt=nnx.Param)

    @nnx.jit
    def step(model: Any, optimizer: Any, x: Any) -> Any:
        loss, gradient = nnx.value_and_grad(lambda m: (m(x) ** 2).mean())(model)
        optimizer.update(model, gradient)
        return loss

    before = step(model, optimizer, X)
    assert scopes(graph(model, X)) == {"Net/first": "first", "Net/layers/0": "layers.0"}
    found = graph(step, model, optimizer, X)
    whole(found)
    assert {name: module for name, module in scopes(found).items() if not name.startswith("backward/")} == {
        "Net/first": "first",
        "Net/layers/0": "layers.0",
    }
    assert vars(nnx.Linear)["__call__"] is call
    assert float(step(model, optimizer, X)) != float(before)  # the model itself was not touched, and goes on


def test_equinox_and_haiku() -> None:
    """Modules of equinox, called and in a compiled function, and haiku's functions have their scopes and weights."""
    equinox = pytest.importorskip("equinox")
    haiku = pytest.importorskip("haiku")
    model = equinox.nn.MLP(4, 3, 8, 1, key=jax.random.key(0))
    for found in (graph(model, X[0]), graph(equinox.filter_jit(lambda model, x: jax.vmap(model)(x)), model, X)):
        whole(found)
        assert list(scopes(found).values()) == ["layers.0", "layers.1"]
    transformed = haiku.transform(lambda x: haiku.nets.MLP([8, 3])(x))
    params = transformed.init(jax.random.key(0), X)
    found = graph(transformed.apply, params, None, X)
    assert list(scopes(found)) == ["mlp/linear_0", "mlp/linear_1"]
    assert whole(found)["mlp/linear_1/w"].shapes == ((8, 3),)


def test_loops_and_branches() -> None:
    """Bodies are drawn once with a node for their outputs; a scan's operations count as often as it turns."""

    def control(x: Any, n: Any) -> Any:
        x = jax.lax.while_loop(lambda c: c[1] < n, lambda c: (jnp.tanh(c[0]) @ c[0], c[1] + 1), (x, 0))[0]
        x, sums = jax.lax.scan(lambda c, _: (c * 2, c.sum()), x, None, length=5)
        with jax.named_scope("choice"):
            return x + jax.lax.cond(sums[0] > 0, lambda x: -x, lambda x: x * 3, x)

    found = graph(control, jax.ShapeDtypeStruct((3, 3), jnp.float32), 4)
    nodes = whole(found)
    assert nodes["while/body/dot_general"].flops == 54
    assert nodes["while/while"].shapes == ((3, 3), ())
    assert (nodes["scan/mul"].flops, nodes["scan/mul"].attributes["times"]) == (45, 5)
    assert nodes["scan/scan"].shapes == ((3, 3), (5,))
    assert {"choice/cond/0/mul", "choice/cond/1/neg", "choice/cond/cond"} <= nodes.keys()
    assert nodes["outputs/0"].inputs == ("choice/add",)
    assert found.notes[-1] == "The body of a loop is drawn once."


def test_added_as_any_model(tmp_path: Path, net: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """`add_graph` takes functions, compiled or not, and modules of each library, without variables too."""
    equinox = pytest.importorskip("equinox")
    haiku = pytest.importorskip("haiku")
    variables = net.init(jax.random.key(0), X)
    perceptron = equinox.nn.MLP(4, 3, 8, 1, key=jax.random.key(0))
    pair = haiku.transform(lambda x: haiku.nets.MLP([8, 3])(x))
    state = haiku.transform_with_state(lambda x, train: haiku.BatchNorm(True, True, 0.9)(x, train))

    def product(weights: Any, x: Any) -> Any:
        return x["first"] @ weights

    layers = ["Net/Block_0/Dense_0/dot_general", "Net/head/dot_general"]
    batch = ({"first": X}, {"weights": jnp.ones((4, 3)), "x": {"first": X}})
    cases: list[tuple[Any, Any, list[str]]] = [
        (product, (jnp.ones((4, 3)), batch[0]), ["dot_general"]),
        (product, batch[1], ["dot_general"]),
        (functools.partial(product, jnp.ones((4, 3))), batch[0], ["dot_general"]),
        (jax.jit(lambda batch: batch["first"] @ batch["first"].T), batch[0], ["dot_general"]),
        (jax.jit(product).trace(*batch[1].values()), None, ["dot_general"]),
        (net, (variables, X), layers),
        (net, X, layers),
        (net, {"x": jax.ShapeDtypeStruct((5, 4), jnp.float32)}, layers),
        (perceptron, X[0], ["MLP/layers/0/dot_general", "MLP/layers/1/dot_general"]),
        (pair, X, ["mlp/linear_0/dot_general", "mlp/linear_1/dot_general"]),
        (haiku.without_apply_rng(pair), X, ["mlp/linear_0/dot_general", "mlp/linear_1/dot_general"]),
        (state, (X, True), []),
    ]
    for i, (model, given, wanted) in enumerate(cases):
        with tb.SummaryWriter(tmp_path / str(i)) as writer:
            writer.add_graph(model, given, step=i)
        found = tb.read(tmp_path)[str(i)].graph
        assert [node.name for node in found.node if node.op == "dot_general"] == wanted, i
        assert [node for node in found.node if node.op == "output"], i
    with tb.SummaryWriter(sink=tb.MemorySink()) as writer:
        writer.add_graph(jax.jit(jnp.tanh), X, verbose=True)
        assert capsys.readouterr().out.splitlines()[1] == "tanh = tanh(inputs/x)"
        for model, given, says in (
            (jax.jit(product), (X, X), "cannot be traced with these arguments"),
            (net, "x", "no variables were given, and init fails"),
            (pair, X[0, 0], r"pass what apply is called with, \(variables, input\)"),
        ):
            with pytest.raises(InvalidSummary, match=says):
                writer.add_graph(model, given)
        with pytest.raises(InvalidSummary, match="mode='auto', got 'fake'"):
            writer.add_graph(jax.jit(jnp.tanh), X, mode="fake")
        with pytest.raises(tb.UnsupportedModel, match="no graph source for"):
            writer.add_graph(product, (1.0, 2.0))


def test_written_and_read(tmp_path: Path, net: Any) -> None:
    """The run has the graph as TensorBoard's message, and both programs as files and texts with their costs."""
    variables = net.init(jax.random.key(0), X)
    with create_default_writer(tmp_path) as writer:
        write_graph(writer, net, variables, X, hlo=True, step=3)
    run = tb.read(tmp_path)["."]
    message = run.graph
    assert message is not None
    made = graph(net, variables, X)
    assert [(node.name, node.op, tuple(node.input)) for node in message.node] == [
        (node.name, node.op, node.inputs) for node in made.nodes
    ]
    kept = {path.name: path.read_text() for path in (tmp_path / "hlo").iterdir()}
    assert "stablehlo.dot_general" in kept["stablehlo.mlir"]
    assert "Net/head" in kept["stablehlo.mlir"]
    assert kept["optimized_hlo.txt"].startswith("HloModule")
    said = run.text("hlo/optimized_hlo/text_summary").at(3)
    assert "whole in the file `hlo/optimized_hlo.txt`" in str(said)
    found = programs(net, variables, X)
    assert found["cost"]["flops"] > 200
    assert found["memory"]["output"] == 2 * 3 * 4


def test_tensorboard_reads_it(tmp_path: Path, net: Any) -> None:
    """TensorBoard's graph plugin serves it: the layers are nodes there."""
    plugin = pytest.importorskip("tensorboard.plugins.graph.graphs_plugin")
    multiplexer = pytest.importorskip("tensorboard.backend.event_processing.plugin_event_multiplexer")
    from tensorboard.backend.event_processing import data_provider
    from tensorboard.context import RequestContext
    from tensorboard.plugins import base_plugin

    with tb.SummaryWriter(tmp_path / "run") as writer:
        writer.add_graph(graph(net, net.init(jax.random.key(0), X), X))
    found = multiplexer.EventMultiplexer()
    found.AddRunsFromDirectory(str(tmp_path))
    found.Reload()
    provider = data_provider.MultiplexerDataProvider(found, str(tmp_path))
    context = base_plugin.TBContext(logdir=str(tmp_path), multiplexer=found, data_provider=provider)
    body, _ = plugin.GraphsPlugin(context).graph_impl(RequestContext(), "run", None, False, "exp")
    assert 'name: "Net/Block_0/Dense_0/dot_general"' in str(body)


def test_what_cannot_be_traced_says_so() -> None:
    """A branch on a traced value names the line; a wrong thing, and wrong arguments, what was wanted."""

    def branches(x: Any) -> Any:
        return x if x.sum() > 0 else -x

    with pytest.raises(
        InvalidSummary, match=r"graph: branches cannot .*TracerBoolConversionError in .*test_jax_graph.py:\d+"
    ):
        graph(branches, X)
    with pytest.raises(InvalidSummary, match="expected a function or a module, and what to call it with, got int"):
        graph(3)
    with pytest.raises(InvalidSummary, match=r"<lambda> cannot be traced .*\(TypeError"):
        graph(lambda x: x @ np.ones((7, 7)), X)
    with pytest.raises(
        InvalidSummary, match=r"write_graph: expected a tb.SummaryWriter or a writer that stands on one"
    ):
        write_graph(object(), lambda: 0)
