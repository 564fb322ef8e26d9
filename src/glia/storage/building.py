"""The stores that a configuration names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from glia.storage.config import StorageConfig
from glia.storage.disk import DiskStore
from glia.storage.types import Store


def stores_of(config: StorageConfig, folder: Path) -> Mapping[str, Store]:
    """folder: for contents on this machine, read also when new ones go elsewhere."""
    stores: dict[str, Store] = {"disk": DiskStore(folder)}
    if config.backend == "s3":
        from glia.storage.s3 import S3Store

        stores["s3"] = S3Store(config)
    return stores
