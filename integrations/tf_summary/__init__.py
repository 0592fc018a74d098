"""`tf.summary`, with or without TensorFlow: changing the import is the whole migration.

    from tallyboard.integrations import tf_summary as summary

    writer = summary.create_file_writer("logs/train")
    with writer.as_default():
        for step in range(100):
            summary.scalar("loss", 1 / (step + 1), step=step)

What is written is what `tf.summary` writes, and `hparams` is `tensorboard.plugins.hparams.api`. A background thread
writes. TensorFlow is not imported; where the program has it, its tensors, variables and name scopes are taken, and
calls within a `tf.function` are recorded whenever that runs.
"""

from __future__ import annotations

from . import experimental, hparams
from .defaults import name_scope, record_if, summary_scope
from .summaries import audio, graph, histogram, image, scalar, should_record_summaries, text, write
from .tracing import trace_export, trace_off, trace_on
from .writers import SummaryWriter, WriterClosed, create_file_writer, create_noop_writer, flush

__all__ = [
    "SummaryWriter",
    "WriterClosed",
    "audio",
    "create_file_writer",
    "create_noop_writer",
    "experimental",
    "flush",
    "graph",
    "histogram",
    "hparams",
    "image",
    "name_scope",
    "record_if",
    "scalar",
    "should_record_summaries",
    "summary_scope",
    "text",
    "trace_export",
    "trace_off",
    "trace_on",
    "write",
]

ATTACH_HINT = "it writes what it is told: use scalar, image, ... beside create_file_writer"
