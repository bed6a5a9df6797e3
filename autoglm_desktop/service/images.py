"""Images as requests carry them: data URIs. A link is never followed, wherever it leads."""

from __future__ import annotations

import base64
import binascii
import re

from ..usecases.serve_pictures import Image
from .errors import ApiError

KINDS = ("png", "jpeg", "jpg", "webp", "gif", "bmp", "x-ms-bmp")
"""What may be declared; what it is, the bytes themselves say."""
_HEAD = re.compile(
    rf"data:image/(?:{'|'.join(KINDS)})(?:;[\w.+-]+=[\w.+-]+)*;base64,", re.IGNORECASE | re.ASCII
)
_LONGEST_HEAD = 128


def read_image(part: dict[str, object], where: str) -> Image:
    """The image of a part: its ``image_url``, an address or an object with ``url``. Decodes up to the body's size:
    for an executor where that is large. Raises ApiError (400), naming the part."""
    given = part.get("image_url")
    url = given.get("url") if isinstance(given, dict) else given
    if not isinstance(url, str):
        raise _wrong(where, "image_url with the url of an image is expected.")
    head = _HEAD.match(url[:_LONGEST_HEAD])
    if head is None:
        raise _wrong(where, _what_is_wrong(url))
    try:
        data = base64.b64decode(url[head.end() :].encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        raise _wrong(
            where, "the image is not base64 (no line breaks, blanks or percent signs; padded with =)."
        ) from None
    if not data:
        raise _wrong(where, "the image is empty.")
    return Image(data, where)


def _what_is_wrong(url: str) -> str:
    scheme = url[:16].partition(":")[0].lower()
    if scheme in ("http", "https", "file", "ftp"):
        return "links to images are never fetched; send the image itself as data:image/png;base64,…"
    if scheme != "data":
        return "send the image itself as data:image/png;base64,…"
    return f"a data URI of image/{', '.join(KINDS[:2] + KINDS[3:6])} in base64 is expected."


def _wrong(where: str, what: str) -> ApiError:
    return ApiError(400, f"{where}: {what}", code="invalid_image", param=where)
