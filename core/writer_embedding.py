"""`add_embedding`: vectors for the projector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .adds import Adds
from .summary import as_tag

__all__ = ["EmbeddingAdds"]


class EmbeddingAdds(Adds):
    """`add_embedding`."""

    def add_embedding(
        self,
        mat: Any,
        metadata: Sequence[Any] | None = None,
        label_img: Any = None,
        global_step: int | None = None,
        tag: str = "default",
        metadata_header: Sequence[str] | None = None,
        walltime: float | None = None,
        *,
        step: int | None = None,
    ) -> None:
        """Writes an embedding for TensorBoard's projector: files in the run's directory, at once.

        They are `<step>/<tag>/tensors.bytes`, `metadata.tsv` and `sprite.png`, and `projector_config.pbtxt`, which
        lists any number of embeddings; one with the same tag and step takes the other's place. A disk that fails
        warns once.

        Args:
            mat: one vector a row, shape [N, D], real numbers. Kept as float32.
            metadata: one label for each row, or with a header one list of labels. Tabs and line breaks become spaces.
            label_img: one picture for each row, shape [N, C, H, W] with C of 1, 3 or 4: floats from 0 to 1, or
                uint8. Made smaller where the sprite would pass 8192 pixels.
            global_step: the step, an integer; 0 when absent.
            tag: its name.
            metadata_header: names of the labels' columns.
            walltime: accepted as everywhere; files keep none.
            step: short name for `global_step`.

        Raises:
            InvalidSummary: shapes are wrong or do not fit together, the tag is empty, or the step is no integer.
        """
        from .embedding import embedding, save

        name = as_tag(tag, "add_embedding")
        number, _ = self._when("add_embedding", name, global_step, step, walltime)
        item = embedding(name, number, mat, metadata, label_img, metadata_header)
        if self._has_runs():
            save(self.log_dir, item)
