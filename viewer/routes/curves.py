"""`/api/curves`: precision-recall and ROC curves as the page shows them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

from ..context import CONTEXT
from ..curves import NamedCurve, told
from ..responses import dump_json, error
from ..safety import reads

MOST_CURVES = 200
"""Curves that one request may name."""

routes = web.RouteTableDef()


@routes.post("/api/curves")
@reads
async def post_curves(request: web.Request) -> web.Response:
    """What is shown of each curve named in the body: `{"values": [{run, tag, step, wall}]}`."""
    try:
        asked = _asked(await request.read())
    except ValueError as bad:
        return error(400, str(bad))
    context = request.app[CONTEXT]
    body = await asyncio.to_thread(lambda: dump_json({"values": [told(context, one) for one in asked]}))
    return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})


def _asked(body: bytes) -> list[NamedCurve]:
    try:
        values: Any = json.loads(body)["values"]
        asked = [NamedCurve(one["run"], one["tag"], float(one["step"]), float(one["wall"])) for one in values]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        raise ValueError("the body is not {values: [{run, tag, step, wall}]}") from None
    if any(type(one.run) is not str or type(one.tag) is not str or one.step != one.step for one in asked):
        raise ValueError("the body is not {values: [{run, tag, step, wall}]}")
    if len(asked) > MOST_CURVES:
        raise ValueError(f"{len(asked)} curves were asked for at once; {MOST_CURVES} are the most")
    return asked
