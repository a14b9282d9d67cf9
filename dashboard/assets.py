"""Static files: read once, addressed by their content, so that browsers may keep them for ever."""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

FOLDER = Path(__file__).parent / "static"

SERVED = frozenset({".css", ".js", ".svg"})


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is sent; `digest` is the sha256 of its content in hex."""

    content: bytes
    media_type: str
    digest: str


@cache
def assets() -> dict[str, Asset]:
    """All files that are served, by name."""
    return {path.name: _read(path) for path in sorted(FOLDER.iterdir()) if path.suffix in SERVED}


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Asset(content, kind, hashlib.sha256(content).hexdigest())


def asset_url(name: str) -> str:
    """The address of a file, which changes with its content."""
    return f"/dashboard/static/{name}?v={assets()[name].digest[:12]}"


@get("/static/{name:str}", include_in_schema=False)
async def static_file(name: FromPath[str]) -> Response[bytes]:
    """One static file."""
    asset = assets().get(name)
    if asset is None:
        raise NotFoundException(f"there is no file {name!r}")
    headers = {"cache-control": "public, max-age=31536000, immutable", "etag": f'"{asset.digest}"'}
    return Response(asset.content, media_type=asset.media_type, headers=headers)
