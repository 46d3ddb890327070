"""Keep the pages of other hosts from using this one, which may write answers into files.

A browser lets any page post to 127.0.0.1, and gradio computes such a call before it hides the result from that page. So
a request that is not for this machine's own name is refused (another host's name may be made to lead here), and so is
one that changes something and comes from another page. Programs, which name no page, are let through.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

NAMES = ("127.0.0.1", "localhost")  # as which the page may be asked for
READING = ("GET", "HEAD", "OPTIONS")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class SameOrigin:
    """An ASGI application around another, which answers 403 in its place where a request is another page's."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = why_refused(scope) if scope["type"] in ("http", "websocket") else None
        if refused is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": refused})
        else:
            headers = [(b"content-type", b"text/plain; charset=utf-8")]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": refused.encode()})


def why_refused(scope: Scope) -> str | None:
    """Why a request is refused, in one line; None: it is not.

    Args:
        scope: of ASGI, of the type `http` or `websocket`.
    """
    headers: dict[bytes, list[str]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.lower(), []).append(value.decode("latin-1"))
    hosts, origins = headers.get(b"host", []), headers.get(b"origin", [])
    if len(hosts) != 1 or hosts[0].partition(":")[0] not in NAMES:
        return f"this page is {' or '.join(NAMES)} alone; asked for as {', '.join(hosts) or 'nothing'}\n"
    if scope.get("method") in READING or origins in ([], [f"http://{hosts[0]}"]):
        return None
    return f"a page of {', '.join(origins)} may not use this one\n"
