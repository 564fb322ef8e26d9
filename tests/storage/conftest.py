"""Objects on a disk and in a bucket: the same tests for both, the bucket on a server that speaks S3's protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from glia.kit.db import Database
from glia.storage.building import stores_of
from glia.storage.config import StorageConfig
from glia.storage.service import Objects

BUCKET = "glia-objects"


@pytest.fixture(scope="session")
def s3() -> Iterator[StorageConfig]:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    access = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    client: Any = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **access)
    client.create_bucket(Bucket=BUCKET)
    yield StorageConfig(
        backend="s3",
        s3_bucket=BUCKET,
        s3_endpoint=url,
        s3_access_key="a",
        s3_secret_key="b",
        s3_prefix="glia",
        object_bytes=40_000_000,
        workspace_bytes=60_000_000,
    )
    server.stop()


@pytest.fixture(params=["disk", "s3"])
def config(request: pytest.FixtureRequest) -> StorageConfig:
    if request.param == "s3":
        return request.getfixturevalue("s3")
    return StorageConfig(object_bytes=40_000_000, workspace_bytes=60_000_000)


@pytest.fixture
async def objects(db: Database, config: StorageConfig, tmp_path: Path) -> AsyncIterator[Objects]:
    yield Objects(db, stores_of(config, tmp_path), config, link_key=b"k" * 32)


@pytest.fixture
def make_objects(db: Database, config: StorageConfig, tmp_path: Path) -> Any:
    def make(**changes: Any) -> Objects:
        changed = replace(config, **changes)
        return Objects(db, stores_of(changed, tmp_path), changed, link_key=b"k" * 32)

    return make
