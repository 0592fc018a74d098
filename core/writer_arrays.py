"""The `add_*` methods for arrays: histograms, tensors, curves, meshes, tables, layouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .adds import Adds

__all__ = ["ArrayAdds"]


class ArrayAdds(Adds):
    """Histograms, tensors, curves, meshes, tables and layouts of charts.

    Arrays may be of any library, on any device; they are copied at the call. NumPy is loaded at the first of them.
    """

    _bins: Any = None  # what the user put in place of the default buckets

    @property
    def default_bins(self) -> Any:
        """The edges of the default histogram buckets, ascending, as in torch; others may be put in their place."""
        if self._bins is not None:
            return self._bins
        from .histogram import default_bins

        return default_bins()

    @default_bins.setter
    def default_bins(self, bins: Any) -> None:
        self._bins = bins

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: int | None = None,
        bins: Any = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
        *,
        step: int | None = None,
    ) -> None:
        """Logs how numbers are distributed.

        The default buckets are torch's; they are counted on the background thread. NaN and infinity are in no bucket,
        nor in min, max and sums: the summary's description and the plugin's content count them. Finite values beyond
        ±1e20 get a bucket of their own.

        Args:
            tag: its name.
            values: numbers of any real type and shape; at least one.
            global_step: the step, an integer; 0 when absent.
            bins: "tensorflow", or what `numpy.histogram` takes: "auto", "fd", ..., a number of buckets, or edges.
            walltime: seconds since 1970; now when absent.
            max_bins: put neighbouring buckets together until about so many are left.
            step: short name for `global_step`.

        Raises:
            InvalidSummary: the array is empty or not of real numbers, or the bins are none.
        """
        from .histogram import histogram

        if self._bins is not None and isinstance(bins, str) and bins == "tensorflow":
            bins = self._bins
        self._put(histogram(tag, values, bins, max_bins), "add_histogram", global_step, step, walltime)

    def add_histogram_raw(
        self,
        tag: str,
        min: float,  # noqa: A002  # torch's name
        max: float,  # noqa: A002
        num: float,
        sum: float,  # noqa: A002
        sum_squares: float,
        bucket_limits: Any,
        bucket_counts: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        *,
        step: int | None = None,
    ) -> None:
        """Logs a distribution that was counted elsewhere.

        Args:
            tag: its name.
            min, max, num, sum, sum_squares: of the values.
            bucket_limits: the right edge of each bucket, shape [k].
            bucket_counts: the number of values in each bucket, shape [k].
            global_step: the step, an integer; 0 when absent.
            walltime: seconds since 1970; now when absent.
            step: short name for `global_step`.

        Raises:
            InvalidSummary: one of them is no number, or there are not as many limits as counts.
        """
        from .histogram import histogram_raw

        summary = histogram_raw(tag, min, max, num, sum, sum_squares, bucket_limits, bucket_counts)
        self._put(summary, "add_histogram_raw", global_step, step, walltime)

    def add_tensor(
        self,
        tag: str,
        tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        *,
        step: int | None = None,
    ) -> None:
        """Logs an array as it is. TensorBoard has no page for it; programs read it.

        Args:
            tag: its name.
            tensor: numbers of any type and shape, complex ones too; bfloat16 is written as float32.
            global_step: the step, an integer; 0 when absent.
            walltime: seconds since 1970; now when absent.
            step: short name for `global_step`.

        Raises:
            InvalidSummary: it holds no numbers, or 2 GiB of them.
        """
        from .tensors import tensor as build

        self._put(build(tag, tensor), "add_tensor", global_step, step, walltime)

    def add_pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        global_step: int | None = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
        *,
        step: int | None = None,
    ) -> None:
        """Logs a precision-recall curve of one class.

        Args:
            tag: its name.
            labels: 1 or True for what belongs to the class, 0 for what does not; any shape.
            predictions: the probability given to the class, 0 to 1; as many.
            global_step: the step, an integer; 0 when absent.
            num_thresholds: at how many thresholds, evenly from 0 to 1, the curve is taken; at least 2.
            weights: of each label, or one number for all.
            walltime: seconds since 1970; now when absent.
            step: short name for `global_step`.

        Raises:
            InvalidSummary: labels and predictions are not as many, or lie outside 0 to 1.
        """
        from .curves import pr_curve

        summary = pr_curve(tag, labels, predictions, num_thresholds, weights)
        self._put(summary, "add_pr_curve", global_step, step, walltime)

    def add_pr_curve_raw(
        self,
        tag: str,
        true_positive_counts: Any,
        false_positive_counts: Any,
        true_negative_counts: Any,
        false_negative_counts: Any,
        precision: Any,
        recall: Any,
        global_step: int | None = None,
        num_thresholds: int | None = None,  # noqa: ARG002  # the arrays say it
        weights: Any = None,  # noqa: ARG002  # the counts have them
        walltime: float | None = None,
        *,
        step: int | None = None,
    ) -> None:
        """Logs a precision-recall curve that was made elsewhere.

        Args:
            tag: its name.
            true_positive_counts, false_positive_counts, true_negative_counts, false_negative_counts, precision, recall:
                numbers at thresholds evenly from 0 to 1, shape [thresholds] each.
            global_step: the step, an integer; 0 when absent.
            num_thresholds: without effect: it is the length of the arrays.
            weights: without effect, as in torch: the counts contain them.
            walltime: seconds since 1970; now when absent.
            step: short name for `global_step`.

        Raises:
            InvalidSummary: the arrays are not equally long.
        """
        from .curves import pr_curve_raw

        columns = {
            "true_positive_counts": true_positive_counts,
            "false_positive_counts": false_positive_counts,
            "true_negative_counts": true_negative_counts,
            "false_negative_counts": false_negative_counts,
            "precision": precision,
            "recall": recall,
        }
        self._put(pr_curve_raw(tag, columns), "add_pr_curve_raw", global_step, step, walltime)

    def add_roc_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        global_step: int | None = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
        *,
        step: int | None = None,
    ) -> None:
        """Logs the ROC curve of one class and the exact area under it.

        TensorBoard shows it among the PR curves, with the true positive rate upwards and the false positive rate to the
        right; the title says so.

        Args, Raises: as for `add_pr_curve`.
        """
        from .curves import roc_curve

        summary = roc_curve(tag, labels, predictions, num_thresholds, weights)
        self._put(summary, "add_roc_curve", global_step, step, walltime)

    def add_confusion_matrix(
        self,
        tag: str,
        labels: Any = None,
        predictions: Any = None,
        global_step: int | None = None,
        class_names: Sequence[str] | None = None,
        walltime: float | None = None,
        *,
        matrix: Any = None,
        step: int | None = None,
    ) -> None:
        """Logs how often each class was taken for each. TensorBoard shows it as a table among the texts.

        Args:
            tag: its name.
            labels: the right class of each, integers from 0, shape [n].
            predictions: the class predicted for each, integers of shape [n]; or scores of shape [n, classes].
            global_step: the step, an integer; 0 when absent.
            class_names: the names of classes 0, 1, ...; their numbers when absent.
            walltime: seconds since 1970; now when absent.
            matrix: in place of labels and predictions, the counts: shape [classes, classes], a row a right class.
            step: short name for `global_step`.

        Raises:
            InvalidSummary: labels and predictions are not as many, are no classes, or there are more than names.
        """
        from .curves import confusion_matrix

        summary = confusion_matrix(tag, labels, predictions, class_names, matrix)
        self._put(summary, "add_confusion_matrix", global_step, step, walltime)

    def add_table(
        self,
        tag: str,
        table: Any,
        global_step: int | None = None,
        columns: Sequence[str] | None = None,
        walltime: float | None = None,
        *,
        step: int | None = None,
    ) -> None:
        """Logs a table. TensorBoard shows it among the texts, the names of the columns in its first row.

        Args:
            tag: its name.
            table: a mapping from column name to values, a list of mappings, a list of rows, a two-dimensional array, or
                a pandas or polars DataFrame. A cell is a number or markdown; None is empty.
            global_step: the step, an integer; 0 when absent.
            columns: the names of the columns; of a mapping's keys, these are kept, in this order.
            walltime: seconds since 1970; now when absent.
            step: short name for `global_step`.

        Raises:
            InvalidSummary: it is none of these, its rows are not equally long, or it is too large.
        """
        from .tables import table as build

        self._put(build(tag, table, columns), "add_table", global_step, step, walltime)

    def add_mesh(
        self,
        tag: str,
        vertices: Any,
        colors: Any = None,
        faces: Any = None,
        config_dict: Mapping[str, Any] | None = None,
        global_step: int | None = None,
        walltime: float | None = None,
        *,
        step: int | None = None,
    ) -> None:
        """Logs 3D meshes or point clouds, as the tags `<tag>_VERTEX`, `<tag>_FACE` and `<tag>_COLOR`.

        Args:
            tag: its name.
            vertices: coordinates, shape [batch, vertices, 3], or [vertices, 3] for one.
            colors: red, green and blue from 0 to 255 for each vertex, shaped as `vertices`.
            faces: the three vertices of each triangle, shape [batch, faces, 3].
            config_dict: names and settings of the three.js classes that draw it.
            global_step: the step, an integer; 0 when absent.
            walltime: seconds since 1970; now when absent.
            step: short name for `global_step`.

        Raises:
            InvalidSummary: a shape, a colour or a vertex's number is wrong.
        """
        from .tensors import mesh

        parts = mesh(tag, vertices, colors, faces, config_dict)
        number, seconds = self._when("add_mesh", tag, global_step, step, walltime)
        for part in parts:  # of one step and time, by which TensorBoard puts them together
            self._put(part, "add_mesh", number, None, seconds)

    def add_custom_scalars(
        self,
        layout: Mapping[str, Mapping[str, Sequence[Any]]],
        global_step: int | None = None,
        walltime: float | None = None,
        *,
        step: int | None = None,
    ) -> None:
        """Logs which scalars share a chart.

        The run's layout has all charts of all calls, and those of `add_scalars(mode="tags")`. One of the same category
        and title takes the place of the earlier.

        Args:
            layout: category → title → [kind, tags]: `{"losses": {"both": ["Multiline", ["a/loss", "b/loss"]]}}`.
                Of kind "Multiline", tags are regular expressions; of kind "Margin" they are three: value, lower and
                upper bound.
            global_step: the step, an integer; 0 when absent.
            walltime: seconds since 1970; now when absent.
            step: short name for `global_step`.

        Raises:
            InvalidSummary: the layout is not of that form.
        """
        call = "add_custom_scalars"
        self._put(self._layouts().with_users(layout, call), call, global_step, step, walltime)

    def add_custom_scalars_multilinechart(
        self,
        tags: Sequence[str],
        category: str = "default",
        title: str = "untitled",
        global_step: int | None = None,
        walltime: float | None = None,
        *,
        step: int | None = None,
    ) -> None:
        """Adds a chart to the layout, with a line for each scalar that matches one of `tags`, regular expressions.

        Raises:
            InvalidSummary: the tags are no list of strings.
        """
        call = "add_custom_scalars_multilinechart"
        layout = {category: {title: ["Multiline", tags]}}
        self._put(self._layouts().with_users(layout, call), call, global_step, step, walltime)

    def add_custom_scalars_marginchart(
        self,
        tags: Sequence[str],
        category: str = "default",
        title: str = "untitled",
        global_step: int | None = None,
        walltime: float | None = None,
        *,
        step: int | None = None,
    ) -> None:
        """Adds a chart to the layout, with a line and a band around it; `tags` are value, lower and upper bound.

        Raises:
            InvalidSummary: the tags are not three strings.
        """
        call = "add_custom_scalars_marginchart"
        layout = {category: {title: ["Margin", tags]}}
        self._put(self._layouts().with_users(layout, call), call, global_step, step, walltime)
