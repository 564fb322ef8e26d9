"""Pictures that come with a message: as `data:` URLs, or from elsewhere through the outbound client."""

from __future__ import annotations

import base64
import binascii
import re

from glia.kit.errors import InvalidRequest
from glia.kit.outbound import Outbound, OutboundFailed, OutboundRefused, Timeouts
from glia.models.types import Image

LARGEST_IMAGE_BYTES = 20 * 1024 * 1024
_TIMEOUTS = Timeouts(connect_seconds=5, idle_seconds=10, total_seconds=30)
_REDIRECTS = 3
_DATA_URL = re.compile(r"data:[\w.+-]+/[\w.+-]+(?:;[\w.+-]+=[\w.+-]+)*;base64,", re.ASCII | re.IGNORECASE)


def image_of(url: str, field: str, detail: str = "") -> Image:
    """The picture of a `data:` URL, or a note of the http address it lies at. Raises InvalidRequest."""
    if url[:8].lower().startswith(("http://", "https://")):
        return Image("", url=url, detail=detail)
    head = _DATA_URL.match(url[:300])
    if head is None:
        raise InvalidRequest(
            f"`{field}` must be an https address or a data URL, as `data:image/png;base64,...`.", field=field
        )
    try:
        content = base64.b64decode(url[head.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest(f"`{field}` holds no valid base64.", field=field) from None
    return image_of_bytes(content, field, detail)


def image_of_bytes(content: bytes, field: str, detail: str = "") -> Image:
    """The type is what the bytes say, not what somebody claims. Raises InvalidRequest."""
    if len(content) > LARGEST_IMAGE_BYTES:
        raise InvalidRequest(
            f"`{field}` has {len(content)} bytes; a picture may have {LARGEST_IMAGE_BYTES}.", field=field
        )
    media_type = media_type_of(content)
    if not media_type:
        raise InvalidRequest(f"`{field}` is no PNG, JPEG, GIF or WebP picture.", field=field)
    return Image(media_type, base64.b64encode(content).decode(), detail=detail)


async def fetched_image(outbound: Outbound, image: Image, field: str) -> Image:
    """The picture at an http address. Raises InvalidRequest when there is none, or it must not be fetched."""
    try:
        answer = await outbound.request(
            "GET",
            image.url,
            headers={"Accept": "image/*"},
            timeouts=_TIMEOUTS,
            largest_body_bytes=LARGEST_IMAGE_BYTES,
            redirects=_REDIRECTS,
        )
    except (OutboundRefused, OutboundFailed) as error:
        raise InvalidRequest(f"`{field}` could not be fetched. {error.message}", field=field) from None
    if answer.status != 200:
        raise InvalidRequest(f"`{field}` could not be fetched: it answered {answer.status}.", field=field)
    return image_of_bytes(answer.body, field, image.detail)


def media_type_of(content: bytes) -> str:
    """Empty for what is no picture that models read."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return "image/webp" if content[:4] == b"RIFF" and content[8:12] == b"WEBP" else ""
