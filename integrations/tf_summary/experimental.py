"""The functions of `tf.summary.experimental`.

from tallyboard.integrations import tf_summary as summary

summary.experimental.set_step(7)
"""

from __future__ import annotations

from .defaults import get_step, set_step, summary_scope
from .summaries import write_raw_pb

__all__ = ["get_step", "set_step", "summary_scope", "write_raw_pb"]
