"""Sphinx's settings: `nox -s docs`."""

from __future__ import annotations

import re
from pathlib import Path

project = "tallyboard"
author = "The tallyboard authors"
project_copyright = author
_facade = Path(__file__).parents[1] / "src" / "tallyboard" / "__init__.py"
release = re.findall(r'^__version__ = "(.+)"', _facade.read_text(), re.MULTILINE)[0]

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nitpicky = True

html_theme = "furo"
html_title = f"tallyboard {release}"
