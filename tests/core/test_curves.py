"""PR curves are torch's, ROC curves and confusion matrices are right, and TensorBoard serves all of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tallyboard as tb
from tallyboard.core.curves import confusion_matrix, pr_curve, pr_curve_raw, roc_curve
from tallyboard.core.errors import InvalidSummary
from tallyboard.core.proto.plugin_pb2 import PrCurvePluginData, TextPluginData
from tallyboard.core.values import Tensor

RNG = np.random.default_rng(9)
LABELS = RNG.integers(0, 2, 1000)
SCORES = np.clip(LABELS * 0.3 + RNG.random(1000) * 0.7, 0, 1)
PEERS = ["torch.utils.tensorboard", "tensorboardX"]


def data(summary: Any) -> Any:
    assert isinstance(summary.value, Tensor)
    return summary.value.array


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("num_thresholds", [2, 10, 127])
@pytest.mark.parametrize(
    ("labels", "predictions", "weights"),
    [
        (LABELS, SCORES, None),
        (LABELS.astype(bool), SCORES.astype(np.float32), None),
        (LABELS, SCORES, 2.5),
        (LABELS, SCORES, RNG.random(1000)),
        (LABELS.reshape(10, 100), SCORES.reshape(10, 100), None),
        (np.tile(LABELS, 200), np.tile(SCORES, 200), np.tile(RNG.random(1000), 200)),
        (LABELS, LABELS, None),
        (np.zeros(5), np.linspace(0, 1, 5), None),
        (np.ones(1), np.ones(1), None),
        (RNG.random(50), RNG.random(50), None),
    ],
    ids=["plain", "float32", "weight", "weights", "2d", "many", "integers", "negatives", "one", "soft"],
)
def test_pr_curves_are_the_peers(
    side_by_side: Callable[..., Any], peer: str, num_thresholds: int, labels: Any, predictions: Any, weights: Any
) -> None:
    """All six rows, the plugin's content, tag and step are what torch and tensorboardX write, to the bit."""
    (mine,), (theirs,) = side_by_side(
        lambda w: w.add_pr_curve("a/pr", labels, predictions, 7, num_thresholds, weights, 5.0), peer
    )

    assert (mine.tag, mine.step, mine.wall_time) == (theirs.tag, theirs.step, theirs.wall_time)
    assert (mine.plugin, mine.content) == (theirs.plugin, theirs.content)
    assert (mine.display_name, mine.description) == (theirs.display_name, theirs.description)
    assert mine.array.dtype == theirs.array.dtype == np.float32
    assert np.array_equal(mine.array, theirs.array)


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 1, width=32)), min_size=1, max_size=60),
    st.integers(2, 127),
)
@settings(max_examples=200, deadline=None)
def test_pr_curves_are_torchs_for_any_probabilities(pairs: list[tuple[bool, float]], number: int) -> None:
    """Whatever probabilities of float32 come, the curve is torch's."""
    torch_curve = pytest.importorskip("torch.utils.tensorboard.summary").compute_curve
    labels, scores = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs], np.float32)

    mine = data(pr_curve("pr", labels, scores, number))

    assert np.array_equal(mine, torch_curve(labels, scores, number).astype(np.float32))


def test_torch_tensors(side_by_side: Callable[..., Any]) -> None:
    """Tensors give the curve that torch makes of them; bfloat16 gives that of its exact values."""
    torch = pytest.importorskip("torch")
    labels, scores = torch.from_numpy(LABELS), torch.from_numpy(SCORES)

    (mine,), (theirs,) = side_by_side(lambda w: w.add_pr_curve("pr", labels, scores, 1))

    assert np.array_equal(mine.array, theirs.array)
    short = scores.to(torch.bfloat16)
    assert np.array_equal(data(pr_curve("pr", labels, short)), data(pr_curve("pr", labels, short.float())))


def test_more_than_127_thresholds() -> None:
    """As many thresholds as were asked for, counted by TensorBoard's rule; torch stops at 127."""
    torch_curve = pytest.importorskip("torch.utils.tensorboard.summary").compute_curve
    summary = pr_curve("pr", LABELS, SCORES, 1000)

    assert data(summary).shape == (6, 1000)
    assert np.array_equal(data(summary), torch_curve(LABELS, SCORES, 1000).astype(np.float32))
    assert PrCurvePluginData.FromString(summary.content).num_thresholds == 1000


def test_half_is_not_rounded_over_a_threshold() -> None:
    """A half-precision prediction counts at the thresholds that it reaches; half arithmetic may add one more."""
    scores = np.linspace(0, 1, 500).astype(np.float16)
    labels = np.ones(500)

    reached = [(scores.astype(np.float64) * 126 >= i).sum() for i in range(127)]

    assert data(pr_curve("pr", labels, scores))[0].tolist() == reached


def test_weights_for_a_column() -> None:
    """Weights that broadcast to the labels do so."""
    labels, scores = LABELS.reshape(10, 100), SCORES.reshape(10, 100)
    weights = RNG.random((10, 1))

    mine = data(pr_curve("pr", labels, scores, weights=weights))

    assert np.array_equal(mine, data(pr_curve("pr", labels, scores, weights=np.broadcast_to(weights, (10, 100)))))


def test_predictions_that_are_not_finite() -> None:
    """NaN and infinite predictions are counted at no threshold, and the description says how many they are."""
    labels, scores = np.array([1, 0, 1, 1, 0]), np.array([0.9, np.nan, 0.4, np.inf, 0.1])

    for build in (pr_curve, roc_curve):
        summary = build("pr", labels, scores)
        assert np.array_equal(data(summary), data(build("pr", labels[[0, 2, 4]], scores[[0, 2, 4]])))
        assert "2 of 5 predictions are NaN or infinite and not counted." in summary.description
    assert not data(pr_curve("pr", labels, np.full(5, np.nan))).any()


@pytest.mark.parametrize("peer", PEERS)
def test_raw_pr_curves_are_the_peers(side_by_side: Callable[..., Any], peer: str) -> None:
    """A curve made elsewhere is on disk as torch and tensorboardX write it when the number of thresholds is right."""
    tp, fp, tn, fn = [75, 64, 21, 5, 0], [150, 105, 18, 0, 0], [0, 45, 132, 150, 150], [0, 11, 54, 70, 75]
    precision, recall = [0.33, 0.379, 0.538, 1.0, 0.0], np.array([1.0, 0.853, 0.28, 0.066, 0.0])

    (mine,), (theirs,) = side_by_side(
        lambda w: w.add_pr_curve_raw("pr", tp, fp, tn, fn, precision, recall, 3, num_thresholds=5), peer
    )

    assert (mine.tag, mine.step, mine.plugin, mine.content) == (theirs.tag, theirs.step, theirs.plugin, theirs.content)
    assert np.array_equal(mine.array, theirs.array)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=1, max_size=40))
@settings(max_examples=150, deadline=None)
def test_the_area_is_the_share_of_pairs_in_order(pairs: list[tuple[bool, int]]) -> None:
    """The area under the ROC curve is that of all pairs, ties counting half; NaN where one class is absent."""
    labels, scores = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs]) / 20
    better = [
        (p > n) + (p == n) / 2 for p in scores[labels] for n in scores[~labels]
    ]  # one pair of a positive and a negative each

    area = data(roc_curve("roc", labels, scores, 5))[7]

    assert np.array_equal(area, np.full(5, area[0]), equal_nan=True)
    assert area[0] == pytest.approx(np.mean(better), abs=1e-12) if better else math.isnan(area[0])


def test_the_area_is_scikit_learns() -> None:
    """With weights too, the area is what scikit-learn has."""
    metrics = pytest.importorskip("sklearn.metrics")
    weights = RNG.random(1000)

    mine = data(roc_curve("roc", LABELS, SCORES, weights=weights))[7, 0]

    assert mine == pytest.approx(metrics.roc_auc_score(LABELS, SCORES, sample_weight=weights), abs=1e-12)


def test_roc_rates() -> None:
    """At each threshold the rates are the shares of positives and of negatives at or above it, in float64."""
    array = data(roc_curve("roc", LABELS, SCORES, 11))
    places = np.floor(SCORES * 10)

    assert array.dtype == np.float64
    assert array.shape == (8, 11)
    for i in range(11):
        tp, fp = (LABELS[places >= i] == 1).sum(), (LABELS[places >= i] == 0).sum()
        assert array[:4, i].tolist() == [tp, fp, (LABELS == 0).sum() - fp, (LABELS == 1).sum() - tp]
        assert array[4:7, i].tolist() == [tp / (LABELS == 1).sum(), fp / (LABELS == 0).sum(), i / 10]


def test_confusion_of_classes(ours: Callable[..., Any]) -> None:
    """Each right class is a row, each predicted one a column, and TensorBoard's text page makes a table of them."""
    html = pytest.importorskip("tensorboard.plugins.text.text_plugin").text_array_to_html

    (one,) = ours(lambda w: w.add_confusion_matrix("cm", [0, 1, 1, 2], [0, 1, 2, 2], 3, class_names=["a", "b", "c"]))

    assert (one.tag, one.step, one.plugin) == ("cm", 3, "text")
    assert one.array.tolist() == [
        [b"true \\ predicted", b"a", b"b", b"c"],
        [b"a", b"1", b"0", b"0"],
        [b"b", b"0", b"1", b"1"],
        [b"c", b"0", b"0", b"1"],
    ]
    assert TextPluginData.FromString(one.content).kind == "confusion_matrix"
    assert html(one.array, enable_markdown=True).count("<tr>") == 4


def test_confusion_forms() -> None:
    """Scores stand for their greatest column, a matrix is taken as it is, and classes without names are numbered."""
    scores = np.array([[0.1, 0.9, 0.0], [0.8, 0.1, 0.1]])

    by_scores = data(confusion_matrix("cm", [1, 1], scores))
    by_matrix = data(confusion_matrix("cm", matrix=[[0, 0, 0], [1, 1, 0], [0, 0, 0]]))

    assert by_scores.tolist() == by_matrix.tolist()
    assert by_scores[0].tolist() == [b"true \\ predicted", b"0", b"1", b"2"]
    assert data(confusion_matrix("cm", matrix=np.array([[0.25, 0.75], [0, 1]])))[1, 1:].tolist() == [b"0.25", b"0.75"]
    assert data(confusion_matrix("cm", [0], [0], class_names=["x", "y"])).shape == (3, 3)


COLUMNS = {"true_positive_counts": [1, 2], "precision": [1.0, 0.5], "recall": [1.0]}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: pr_curve("pr", [1, 0], [0.5]), ["add_pr_curve('pr')", "as many labels", "(2,)", "(1,)"]),
        (lambda: pr_curve("pr", np.zeros((4, 2)), np.zeros((2, 4))), ["(4, 2)", "(2, 4)", "once for each class"]),
        (lambda: pr_curve("pr", [], []), ["at least one", "(0,)"]),
        (lambda: pr_curve("pr", [1, 2], [0.5, 0.5]), ["labels of 0 and 1", "from 1 to 2", "labels == 3"]),
        (lambda: pr_curve("pr", [1, np.nan], [0.5, 0.5]), ["labels", "NaN"]),
        (lambda: pr_curve("pr", [1, 0], [3.5, -2]), ["predictions from 0 to 1", "from -2 to 3.5", "sigmoid"]),
        (lambda: pr_curve("pr", [1, 0], [0.5, 0.5], 1), ["num_thresholds", "got 1"]),
        (lambda: pr_curve("pr", [1, 0], [0.5, 0.5], 2.5), ["num_thresholds", "got 2.5"]),
        (lambda: pr_curve("pr", [1, 0], [0.5, 0.5], weights=[1, 2, 3]), ["weights", "(3,)"]),
        (lambda: pr_curve("pr", [1, 0], [0.5, 1j]), ["predictions", "real"]),
        (lambda: pr_curve("pr", "ab", [0.5]), ["labels", "str"]),
        (lambda: pr_curve_raw("pr", COLUMNS), ["add_pr_curve_raw('pr')", "2 in precision", "1 in recall"]),
        (lambda: roc_curve("roc", [1], [0.5, 0.1]), ["add_roc_curve('roc')", "as many labels"]),
        (lambda: confusion_matrix("cm"), ["add_confusion_matrix('cm')", "labels and predictions, or matrix"]),
        (lambda: confusion_matrix("cm", [1], [1], matrix=[[1]]), ["not both"]),
        (lambda: confusion_matrix("cm", [1]), ["predictions", "NoneType"]),
        (lambda: confusion_matrix("cm", [1, 0], [1]), ["2 labels", "1 predictions"]),
        (lambda: confusion_matrix("cm", [1.5], [1]), ["classes 0, 1"]),
        (lambda: confusion_matrix("cm", [-1], [1]), ["from -1 to 1"]),
        (lambda: confusion_matrix("cm", [3], [1], ["a", "b"]), ["class 3", "only 2"]),
        (lambda: confusion_matrix("cm", [5000], [1]), ["5001 classes", "group"]),
        (lambda: confusion_matrix("cm", matrix=[[1, 2]]), ["(classes, classes)"]),
        (lambda: confusion_matrix("cm", matrix=[[1]], class_names=["a", "b"]), ["2 class_names", "1 classes"]),
    ],
)
def test_wrong_calls_say_what_is_wrong(call: Callable[[], object], words: list[str]) -> None:
    """What is no curve raises at once, and the text names the argument, what came and what was wanted."""
    with pytest.raises(InvalidSummary) as error:
        call()
    for word in words:
        assert word in str(error.value)


def test_probabilities_a_rounding_outside_are_taken() -> None:
    """A probability that rounding took out of 0 to 1 counts as 0 or 1."""
    array = data(pr_curve("pr", [1, 0], np.array([1 + 1e-7, -1e-7])))

    assert (array[0, -1], array[1, 0], array[1, 1]) == (1, 1, 0)


def served(writer: Callable[[tb.SummaryWriter], object], folder: Any, plugin: str, path: str) -> Any:
    """What TensorBoard's own plugin answers to a GET of `path`, from its data provider over our files."""
    application = pytest.importorskip("tensorboard.backend.application")
    testing = pytest.importorskip("werkzeug.test")
    program = pytest.importorskip("tensorboard.program")
    with tb.SummaryWriter(folder / "run") as run:
        writer(run)
    board = program.TensorBoard()
    board.configure(argv=["tensorboard", "--logdir", str(folder), "--load_fast", "false", "--reload_interval", "0"])
    provider_module = pytest.importorskip("tensorboard.backend.event_processing.data_ingester")
    ingester = provider_module.LocalDataIngester(board.flags)
    ingester.start()
    app = application.TensorBoardWSGIApp(
        board.flags,
        board.plugin_loaders,
        ingester.data_provider,
        board.assets_zip_provider,
        ingester.deprecated_multiplexer,
    )
    answer = testing.Client(app).get(f"/data/plugin/{plugin}/{path}")
    assert answer.status_code == 200, answer.data
    return answer.json


def test_tensorboard_serves_many_thresholds(tmp_path: Any) -> None:
    """TensorBoard's page of PR curves is given all 300 thresholds."""
    answer = served(
        lambda w: w.add_pr_curve("pr", LABELS, SCORES, 2, num_thresholds=300),
        tmp_path,
        "pr_curves",
        "pr_curves?run=run&tag=pr",
    )
    expected = data(pr_curve("pr", LABELS, SCORES, 300))

    (entry,) = answer["run"]
    assert entry["step"] == 2
    assert entry["thresholds"] == pytest.approx(np.linspace(0, 1, 300)[: len(entry["thresholds"])])
    assert entry["recall"] == pytest.approx(expected[5][: len(entry["recall"])])
    assert len(entry["recall"]) > 290


def test_tensorboard_draws_the_roc_curve(tmp_path: Any) -> None:
    """TensorBoard's page of PR curves draws the true over the false positive rate, under a title that says so."""
    log: Callable[[tb.SummaryWriter], object] = lambda w: w.add_roc_curve("roc", LABELS, SCORES, 2)  # noqa: E731

    (entry,) = served(log, tmp_path, "pr_curves", "pr_curves?run=run&tag=roc")["run"]
    tags = served(lambda w: None, tmp_path, "pr_curves", "tags")

    expected = data(roc_curve("roc", LABELS, SCORES))
    assert entry["precision"] == pytest.approx(expected[4][: len(entry["precision"])])
    assert entry["recall"] == pytest.approx(expected[5][: len(entry["recall"])])
    assert tags["run"]["roc"]["displayName"] == "roc (ROC: true over false positive rate)"
