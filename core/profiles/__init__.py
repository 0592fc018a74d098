"""Profiles of training runs: readers of traces, one file a format, and analyses, pure functions on their columns."""

from __future__ import annotations
