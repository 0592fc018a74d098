"""GET /api/live: news within a second, one number of memory for each client, and no client waits for another."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import threading
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core.store import Store
from tallyboard.viewer import live as live_module
from tallyboard.viewer.context import CONTEXT
from tallyboard.viewer.indexing import Indexing
from tallyboard.viewer.live import KEEP_ALIVE, Hub
from tallyboard.viewer.routes import live

Put = Callable[..., None]


def test_a_stream_begins_with_hello(put: Put, served: Any) -> None:
    """The first event tells the version and the state the client begins with."""
    put("a", "loss", [1.0])

    with served.events() as events:
        assert events.answer.getheader("Content-Type") == "text/event-stream"
        assert events.answer.getheader("Cache-Control") == "no-store"
        hello = events.next()
        assert (hello.name, hello.data) == ("hello", {"version": 1, "state": "ready"})


def test_a_publish_is_told_at_once(put: Put, served: Any) -> None:
    """Which series the reader published, and how many points it has now: nothing but a tenth of a second is waited."""
    put("a", "loss", [1.0])
    hub = served.app[CONTEXT].hub
    assert (hub._gap, hub._keep_alive) == (0.1, 15.0)
    with served.events() as events:
        events.next()
        put("a", "loss", [2.0, 3.0])
        change = events.next()

        assert (change.name, change.data) == (
            "change",
            {"version": 2, "structure": False, "series": [["a", "loss", 3]]},
        )


def test_a_new_run_is_news_of_structure(put: Put, served: Any) -> None:
    """Runs, tags and states that come or go send the client to /api/runs."""
    with served.events() as events:
        events.next()
        put("a", "loss", [1.0])

        assert events.next().data == {"version": 1, "structure": True, "series": [["a", "loss", 1]]}


def test_since_tells_what_was_missed(put: Put, served: Any) -> None:
    """A client that knows a version is told first what changed after it."""
    put("a", "loss", [1.0])
    put("b", "loss", [1.0])
    put("b", "loss", [2.0])

    with served.events("?since=2") as events:
        assert events.next().data == {"version": 3, "state": "ready"}
        assert events.next().data == {"version": 3, "structure": False, "series": [["b", "loss", 2]]}


def test_a_client_that_is_up_to_date_is_told_nothing(put: Put, served: Any) -> None:
    """since = the version now: the next event is the next publish."""
    put("a", "loss", [1.0])

    with served.events("?since=1") as events:
        assert events.next().name == "hello"
        put("a", "loss", [2.0])
        assert events.next().data["version"] == 2


def test_a_version_from_the_future_means_everything(put: Put, served: Any) -> None:
    """This server never had that version: another did, and all it said is void."""
    put("a", "loss", [1.0])

    with served.events("?since=99") as events:
        events.next()
        assert events.next().data == {"version": 1, "structure": True, "series": None}


def test_a_browser_that_reconnects_resumes(put: Put, served: Any) -> None:
    """Last-Event-ID, which a browser sends by itself, goes before the since of the address."""
    put("a", "loss", [1.0])
    with served.events() as events:
        last = events.next().id
    put("a", "loss", [2.0])

    with served.events("?since=0", Last_Event_ID=last) as events:
        events.next()
        assert events.next().data == {"version": 2, "structure": False, "series": [["a", "loss", 2]]}


@pytest.mark.parametrize("last", ["0badf00d-1", "1", "", "-", "é-1", "x" * 5000, "-1", "0badf00d-99999999999999999999"])
def test_an_id_of_another_process_means_everything(put: Put, served: Any, last: str) -> None:
    """After a restart of the server versions count anew: nothing the browser has is taken as known."""
    put("a", "loss", [1.0])

    with served.events(Last_Event_ID=last) as events:
        events.next()
        assert events.next().data == {"version": 1, "structure": True, "series": None}


@pytest.mark.parametrize("since", ["", "-1", "1.5", "x", "1e3", "٣", "9" * 30])
def test_a_since_that_is_no_version_is_400(served: Any, since: str) -> None:
    """A wrong version is refused before the stream begins."""
    from urllib.parse import quote

    answer = served.get(f"/api/live?since={quote(since)}")

    assert answer.status == 400
    assert answer.json() == {"error": 'The query\'s "since" must be a version: an integer of 0 or more.'}


def test_silence_is_broken_by_a_comment(serve: Any, store: Store) -> None:
    """A stream without news proves that it lives, so that proxies and browsers keep it."""
    served = serve(store, keep_alive=0.05)

    with served.events() as events:
        assert [events.next().name for _ in range(3)] == ["hello", ":", ":"]
        store.publish("ready")
        assert events.next_named("change").data["version"] == 1


def test_many_publishes_are_few_events(store: Store, put: Put) -> None:
    """Publishes in quick succession are told together, ten times a second at most, none lost."""

    async def scenario() -> list[dict[str, Any]]:
        hub = Hub(store, gap=0.1)
        hub.open()
        told: list[dict[str, Any]] = []
        async with aclosing(hub.events(0)) as events:
            await anext(events)
            began = time.monotonic()
            publishing = threading.Thread(target=lambda: [put("a", "loss", [1.0]) for _ in range(500)])
            publishing.start()
            while not told or told[-1]["version"] < 500:
                told.append(parsed(await anext(events)))
            publishing.join()
            most = (time.monotonic() - began) / 0.1 + 2
        hub.close()
        assert len(told) <= most
        return told

    told = asyncio.run(scenario())
    assert (told[-1]["version"], told[-1]["series"]) == (500, [["a", "loss", 500]])
    assert [change["structure"] for change in told] == [True] + [False] * (len(told) - 1)


def parsed(event: bytes) -> dict[str, Any]:
    return json.loads(event.decode().split("data: ")[1])


def test_a_stream_nobody_reads_asks_nothing(store: Store, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow client holds one number: changes are computed when it takes the next event, for all it missed."""
    asked: list[int] = []
    changes = store.changes
    monkeypatch.setattr(store, "changes", lambda since: asked.append(since) or changes(since))

    async def scenario() -> None:
        hub = Hub(store, gap=0.0)
        hub.open()
        async with aclosing(hub.events(0)) as slow:
            await anext(slow)
            for value in range(100):
                put("a", "loss", [float(value)])
                await asyncio.sleep(0)
            assert asked == []
            assert parsed(await anext(slow)) == {"version": 100, "structure": True, "series": [["a", "loss", 100]]}
            assert asked == [0]
        assert hub.streams == 0
        hub.close()

    asyncio.run(scenario())


def test_a_client_that_never_reads_costs_a_buffer_and_no_one_waits(store: Store, served: Any) -> None:
    """With one client stuck, the others are told at once, and the server keeps a bounded buffer for it."""
    tags = [f"{'long' * 60}/{number}" for number in range(2000)]
    one = np.ones(1)

    def publish_all() -> None:
        for tag in tags:
            store.offer_scalars("a", tag, one.astype(np.int64), one, one)
        store.publish("ready")

    store.offer_run("a")
    publish_all()
    with socket.socket() as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect(("127.0.0.1", served.port))
        stuck.sendall(b"GET /api/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        sent = 0
        with served.events() as events:
            events.next()
            for _ in range(20):
                version = store.version + 1
                publish_all()
                change = events.next()
                assert change.data["version"] == version
                sent += len(json.dumps(change.data))
        kept = max(
            protocol.transport.get_write_buffer_size()
            for protocol in served.runner.server.connections
            if protocol.transport is not None
        )
        assert sent > 8_000_000
        assert 0 < kept < 1_000_000


def test_a_client_that_takes_nothing_is_dropped(
    store: Store, served: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the patience is spent the connection is cut, and nothing of it is kept."""
    monkeypatch.setattr(live, "PATIENCE", 0.2)
    hub = served.app[CONTEXT].hub
    one = np.ones(1)
    store.offer_run("a")
    with socket.socket() as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect(("127.0.0.1", served.port))
        stuck.sendall(b"GET /api/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: hub.streams == 1)

        def dropped() -> bool:
            for number in range(500):
                store.offer_scalars("a", f"{'long' * 200}/{number}", one.astype(np.int64), one, one)
            store.publish("ready")
            return hub.streams == 0

        until(dropped)


def test_a_client_that_leaves_is_forgotten(served: Any, until: Any) -> None:
    """Closing the page ends its stream on the server without waiting for news."""
    hub = served.app[CONTEXT].hub
    events = served.events()
    events.next()
    assert hub.streams == 1

    events.close()
    until(lambda: hub.streams == 0)


def test_the_hub_lets_go_of_the_store(store: Store) -> None:
    """A closed hub ends its streams and hears nothing more; publishing goes on."""

    async def scenario() -> None:
        hub = Hub(store)
        hub.open()
        events = hub.events()
        await anext(events)
        waiting = asyncio.ensure_future(anext(events, None))
        await asyncio.sleep(0)
        hub.close()
        assert await waiting is None
        assert hub.streams == 0

    asyncio.run(scenario())
    assert store.publish("ready")


def test_a_loop_that_died_does_not_stop_the_reader(store: Store) -> None:
    """Should the server's loop end without closing the hub, publishing still returns."""

    async def scenario() -> None:
        Hub(store).open()

    asyncio.run(scenario())
    assert store.publish("ready")
    assert store.version == 1


def test_keep_alive_is_a_comment() -> None:
    """What breaks the silence is no event: by the format, a line that begins with a colon is ignored."""
    assert KEEP_ALIVE.startswith(b":")
    assert KEEP_ALIVE.endswith(b"\n\n")


def test_head_is_refused(served: Any) -> None:
    """A HEAD of an endless answer would never end."""
    answer = served.request("HEAD", "/api/live")

    assert (answer.status, answer.headers["allow"]) == (405, "GET")


def test_points_of_a_running_writer_arrive(serve: Any, tmp_path: Path, decode_frame: Any) -> None:
    """From add_scalar through the file, the reader and the store to the client, and not from files at the end.

    The logdir is removed before the points are asked for: answers come from memory.
    """
    from tallyboard.core.follow import Follower
    from tallyboard.core.reader import LogdirReader

    store = Store()
    served = serve(store)
    indexing = Indexing(lambda: Follower(LogdirReader(tmp_path / "runs", store)))
    with served.events() as events:
        assert events.next().data["state"] == "waiting"
        indexing.start()
        with tb.SummaryWriter(tmp_path / "runs" / "a") as writer:
            for step in range(3):
                writer.add_scalar("loss", 1.0 / (step + 1), step)
                writer.flush()
                while ["a", "loss", step + 1] not in (events.next_named("change").data["series"] or []):
                    pass
    assert indexing.stop(60.0)
    shutil.rmtree(tmp_path / "runs")

    (series,) = decode_frame(served.scalars(("a", "loss", 0)).body)
    assert list(series["step"]) == [0, 1, 2]
    assert list(series["value"]) == [np.float32(1.0), np.float32(0.5), np.float32(1 / 3)]


class StandingClock:
    """Stands for asyncio in the hub: its clock stands still, and what is to be slept is noted, not slept."""

    Event, timeout = asyncio.Event, staticmethod(asyncio.timeout)

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    def get_running_loop(self) -> Any:
        return SimpleNamespace(time=lambda: 100.0, call_soon_threadsafe=asyncio.get_running_loop().call_soon_threadsafe)


def test_many_streams_are_told_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty streams that hear of the same change hear of it 3 ms apart: their questions do not come all at once."""
    clock = StandingClock()
    monkeypatch.setattr(live_module, "asyncio", clock)

    async def play() -> int:
        store = Store()
        hub = Hub(store, gap=0.0)
        hub.open()
        heard = 0

        async def follow() -> None:
            nonlocal heard
            async with aclosing(hub.events()) as events:
                async for event in events:
                    if event.startswith(b"event: change"):
                        heard += 1
                        return

        clients = [asyncio.create_task(follow()) for _ in range(50)]
        while hub.streams < 50:
            await asyncio.sleep(0.001)
        store.offer_run("a")
        store.offer_scalars("a", "loss", np.arange(1), np.arange(1.0), np.arange(1.0), False)
        store.publish("ready")
        await asyncio.wait_for(asyncio.gather(*clients), 60)
        hub.close()
        return heard

    assert asyncio.run(play()) == 50
    assert clock.slept == pytest.approx([0.003 * turn for turn in range(1, 50)])
