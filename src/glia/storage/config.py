"""Where contents lie, and how much of them there may be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

GIB = 1 << 30


@dataclass(frozen=True)
class StorageConfig:
    """backend: where new contents go; what lies on the disk stays readable after a change to `s3`.

    s3_endpoint: of an S3-compatible server; Amazon's when unset. s3_access_key, s3_secret_key: unset takes them from
    the environment as Amazon's tools do. s3_prefix: before every key. object_bytes: of one object at most.
    workspace_bytes: of all objects of a workspace; 0 for no limit. link_seconds: how long an address works that
    nobody asked to be shorter or longer.
    """

    backend: Literal["disk", "s3"] = "disk"
    s3_bucket: str = ""
    s3_endpoint: str | None = None
    s3_region: str = "us-east-1"
    s3_access_key: str | None = None
    s3_secret_key: str | None = field(default=None, repr=False)
    s3_prefix: str = ""
    object_bytes: int = 5 * GIB
    workspace_bytes: int = 50 * GIB
    link_seconds: int = 3600
