"""Stores for each test."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from functools import partial

import pytest

from tallyboard.core import remote_uploads

from .stores import S3, system


@pytest.fixture(autouse=True)
def stores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test has stores of its own, so that none hears of another's troubles."""
    monkeypatch.setattr(remote_uploads, "_stores", {})
    yield
    for uploads in remote_uploads._stores.values():
        uploads._turn = partial(time.sleep, 3600)  # type: ignore[method-assign]  # nothing of this test is tried again
        uploads.wake()
    memory = sys.modules.get("fsspec.implementations.memory")
    if memory is not None:
        memory.MemoryFileSystem.store.clear()


@pytest.fixture(scope="session")
def server() -> Iterator[S3]:
    s3 = S3()
    yield s3
    s3.stop()


@pytest.fixture
def s3(server: S3, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[tuple[S3, str]]:
    """The server, and a bucket of the test's own."""
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.port}",
        "AWS_ACCESS_KEY_ID": "one",
        "AWS_SECRET_ACCESS_KEY": "two",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    bucket = f"s3://b{abs(hash(request.node.nodeid))}"
    system().mkdir(bucket)
    server.counts = bucket.removeprefix("s3:/")
    server.requests.clear()
    yield server, bucket
    server.go_on()
