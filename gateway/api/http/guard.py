"""Who may talk to us: Host names (against DNS rebinding) and Origins (against other people's web pages)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from gateway.api.dialect import Dialects
from gateway.api.http.responses import send_body, send_error, send_start
from gateway.errors import ForbiddenError

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

RefusalPage = Callable[[str, str, ForbiddenError], tuple[bytes, dict[str, str]] | None]
"""From a path, an `Accept` header and the refusal to HTML and its headers; None where the envelope is to
be sent.
"""


class GuardMiddleware:
    """Answers to loopback Host names, to those that it listens on by name or address (`own`), and to
    `allowed_hosts`; refuses foreign Origins for anything unsafe. Listening on every address (`0.0.0.0`, `::`)
    allows no Host: a page that has its name resolve to this machine (DNS rebinding) sends its own. Browsers
    that ask for a page are refused with one.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        own: Iterable[str],
        allowed_hosts: Iterable[str],
        allowed_origins: Iterable[str],
        dialects: Dialects,
        page: RefusalPage = lambda _path, _accept, _error: None,
    ) -> None:
        self._app = app
        self._page = page
        self._dialects = dialects
        allowed = frozenset(host.lower() for host in allowed_hosts)
        self._hosts = allowed | {host.lower() for host in own if not is_unspecified(host)}
        self._any_host = "*" in allowed
        self._origins = frozenset(origin.lower().rstrip("/") for origin in allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            headers = dict(scope["headers"])
            host = headers.get(b"host", b"").decode("latin-1").lower()
            origin = headers.get(b"origin", b"").decode("latin-1").lower()
            error = self._refusal(host, origin, scope["method"])
            if error is not None:
                await self._refuse(scope, send, error, headers.get(b"accept", b"").decode("latin-1"))
                return
        await self._app(scope, receive, send)

    async def _refuse(self, scope: Scope, send: Send, error: ForbiddenError, accept: str) -> None:
        page = self._page(scope["path"], accept, error)
        if page is None:
            await send_error(send, error, self._dialects.of(scope["path"]))
            return
        html, headers = page
        await send_start(
            send, error.status, b"text/html; charset=utf-8", {"content-length": str(len(html)), **headers}
        )
        await send_body(send, html)

    def _refusal(self, host: str, origin: str, method: str) -> ForbiddenError | None:
        if not self._any_host and not (is_loopback(host_name(host)) or host_name(host) in self._hosts):
            message = (
                f"The Host {host[:100]!r} is not answered here. Use 127.0.0.1, or add the name to"
                " server.allowed_hosts (FIRSTTOKEN_SERVER_ALLOWED_HOSTS)."
            )
            return ForbiddenError(message, code="host_not_allowed")
        foreign = origin and origin not in self._origins and _split(origin).netloc != host
        if foreign and method not in SAFE_METHODS:
            message = (
                f"Requests from the origin {origin[:100]!r} are refused. Add it to server.allowed_origins to"
                " allow them."
            )
            return ForbiddenError(message, code="origin_not_allowed")
        return None


def host_name(host: str) -> str:
    """`localhost:8080` → `localhost`, `[::1]:8080` → `::1`."""
    return _split(f"//{host}").hostname or ""


def _split(url: str) -> SplitResult:
    """What is no URL at all has no host."""
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", "", "", "")


def is_unspecified(host: str) -> bool:
    """Whether an address stands for all addresses of this machine."""
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Whether a name or address means this machine only."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
