"""The page in which a Plotly figure is drawn: plotly.js comes from the page around it, as this one may load nothing."""

from __future__ import annotations

__all__ = ["plotly_page"]

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Figure</title>
<style>html, body, #figure {{ height: 100%; margin: 0; overflow: hidden; font: 13px system-ui, sans-serif }}
#problem {{ padding: 12px; color: #b3261e }}</style></head>
<body><div id="figure"></div><script id="source" type="application/json">{source}</script>
<script>
"use strict";
const say = (text) => {{
  const line = document.createElement("p");
  line.id = "problem";
  line.textContent = "Plotly cannot draw this figure: " + text;
  document.body.replaceChildren(line);
}};
addEventListener("message", ({{ source, data }}) => {{
  if (source !== parent || typeof data?.plotly !== "string" || window.Plotly) return;
  const script = document.createElement("script");
  script.textContent = data.plotly;
  document.head.append(script);
  try {{
    const figure = JSON.parse(document.getElementById("source").textContent);
    const {{ width, height, ...layout }} = figure.layout ?? {{}};
    const options = {{ responsive: true, displaylogo: false, ...figure.config }};
    const margin = {{ l: 56, r: 24, t: layout.title ? 56 : 24, b: 48 }};
    Plotly.newPlot("figure", figure.data, {{ margin, ...layout, autosize: true }}, options).then(
      () => document.body.setAttribute("data-drawn", String(figure.data.length)),
      (error) => say(String(error?.message ?? error)),
    );
  }} catch (error) {{
    say(String(error?.message ?? error));
  }}
}});
</script></body></html>
"""


def plotly_page(figure: str) -> str:
    """A page that draws a figure once it is sent plotly.js.

    Args:
        figure: JSON; inside the page it is data, as no `<` is left in it.
    """
    return _PAGE.format(source=figure.replace("<", "\\u003c"))
