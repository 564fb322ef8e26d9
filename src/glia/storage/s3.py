"""Contents in a bucket of Amazon's S3 or any server that speaks its protocol. The only module that knows obstore.

Its requests do not pass our outbound client: the operator names this one host, as with the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from glia.kit.errors import InvalidRequest
from glia.storage.config import StorageConfig
from glia.storage.errors import ContentMissing, StoreUnavailable

if TYPE_CHECKING:
    from obstore.store import S3Store as Bucket

_PART_BYTES = 8 * 1024 * 1024
_PARTS_AT_ONCE = 3
"""Of one upload: together with the part size, what it holds in memory."""

_WINDOW_BYTES = 8 * 1024 * 1024
"""Read by one request: small enough to hold, large enough that the way to the store does not decide the speed."""

_PIECE_BYTES = 256 * 1024
_UPLOAD_SECONDS = 6 * 3600.0


class S3Store:
    name = "s3"

    def __init__(self, config: StorageConfig) -> None:
        """Raises InvalidRequest when no bucket is named, or the library is not installed."""
        if not config.s3_bucket:
            raise InvalidRequest("GLIA_STORAGE__BACKEND is s3 and no bucket is named; set GLIA_STORAGE__S3_BUCKET.")
        self._bucket = _bucket(config)
        self._prefix = config.s3_prefix.strip("/")

    def _key(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key

    async def write(self, key: str, chunks: AsyncIterable[bytes]) -> None:
        import obstore

        source = _Source(chunks)
        try:
            async with _words(), asyncio.timeout(_UPLOAD_SECONDS):
                await obstore.put_async(
                    self._bucket, self._key(key), source, chunk_size=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE
                )
        except BaseException as error:
            if source.failure is not None and error is not source.failure:
                # What went wrong with the source comes through the library under another name.
                raise source.failure from None
            raise

    async def read(self, key: str, *, start: int, length: int) -> AsyncGenerator[bytes]:
        """One request for each window: a reader who takes hours holds none of them open."""
        import obstore

        end = start + length
        while start < end:
            until = min(start + _WINDOW_BYTES, end)
            async with _words(key):
                window = await obstore.get_range_async(self._bucket, self._key(key), start=start, end=until)
            start = until
            view = memoryview(window)
            for piece in range(0, len(view), _PIECE_BYTES):
                yield bytes(view[piece : piece + _PIECE_BYTES])

    async def delete(self, key: str) -> None:
        import obstore

        async with _words():
            with suppress(FileNotFoundError):
                await obstore.delete_async(self._bucket, self._key(key))


class _Source:
    """Hands chunks to the library, and keeps what went wrong on the way."""

    def __init__(self, chunks: AsyncIterable[bytes]) -> None:
        self._chunks = aiter(chunks)
        self.failure: BaseException | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._chunks)
        except StopAsyncIteration:
            raise
        except BaseException as error:
            self.failure = error
            raise


def _bucket(config: StorageConfig) -> Bucket:
    try:
        from obstore.store import S3Store as Bucket
    except ImportError:
        raise InvalidRequest(
            "GLIA_STORAGE__BACKEND is s3 and the library for it is not installed; run `pip install 'glia[s3]'`."
        ) from None
    given: dict[str, Any] = {"region": config.s3_region}
    if config.s3_endpoint:
        given["endpoint"] = config.s3_endpoint.rstrip("/")
    if config.s3_access_key and config.s3_secret_key:
        given |= {"access_key_id": config.s3_access_key, "secret_access_key": config.s3_secret_key}
    return Bucket(
        config.s3_bucket,
        client_options={
            "allow_http": bool(config.s3_endpoint and config.s3_endpoint.startswith("http://")),
            "connect_timeout": timedelta(seconds=10),
            "timeout": timedelta(seconds=300),
        },
        retry_config={"max_retries": 4, "retry_timeout": timedelta(seconds=60)},
        **given,
    )


@asynccontextmanager
async def _words(key: str = "") -> AsyncGenerator[None]:
    """What the store cannot do, in our errors."""
    from obstore.exceptions import BaseError

    try:
        yield
    except FileNotFoundError:
        if not key:
            raise StoreUnavailable("The object store has no such bucket; see GLIA_STORAGE__S3_BUCKET.") from None
        raise ContentMissing(f"The content {key} is not in the bucket.", key=key) from None
    except TimeoutError:
        raise StoreUnavailable("The object store did not take the content in time; try again.") from None
    except BaseError as error:
        raise StoreUnavailable(f"The object store refused or did not answer: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no reason given."])[0][:300]
