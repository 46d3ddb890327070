"""The web server of the demo: gradio's page at the root, the report beside it, on 127.0.0.1 alone."""

import errno
import socket
from pathlib import Path

import gradio
import uvicorn
from fastapi import FastAPI
from fastapi.responses import FileResponse, PlainTextResponse, Response

from reprise.core.errors import InputError
from reprise.tools.demo.page import KEYS, STYLE, build_page, make_theme
from reprise.tools.demo.runs import REPORT
from reprise.tools.demo.same_origin import SameOrigin
from reprise.tools.demo.work import stop_all

HOST = "127.0.0.1"
LARGEST_UPLOAD = "1gb"
LAST_STEP = 10.0  # seconds for work to end when the page does


class Announcing(uvicorn.Server):
    """A server that says where it is once it answers."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if sockets:
            print(f"http://{HOST}:{sockets[0].getsockname()[1]}  (Ctrl-C ends it)", flush=True)


def serve(port: int, uploads: Path) -> None:
    """Serve the page until it is interrupted.

    Args:
        port: 0: any that is free.
        uploads: folder of what is dropped on the page, and of the examples.

    Raises:
        InputError: the port is taken.
    """
    with bind(port) as listening:
        app = make_app(listening.getsockname()[1], uploads)
        try:
            Announcing(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2)).run(sockets=[listening])
        finally:
            stop_all(LAST_STEP)


def bind(port: int) -> socket.socket:
    """Take a port of this machine.

    Raises:
        InputError: another program has it, or the system keeps it for itself.
    """
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError as error:
        listening.close()
        reason = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
        raise InputError(f"port {port} {reason}; give another with --port, or 0 for any that is free") from None
    return listening


def make_app(port: int, uploads: Path) -> FastAPI:
    """The page and the report as one application."""
    app = FastAPI(openapi_url=None)
    app.add_middleware(SameOrigin)

    @app.get("/report")
    def report() -> Response:
        if not REPORT.is_file():
            return PlainTextResponse("There is no report.html yet; `make report` writes it.", status_code=404)
        return FileResponse(REPORT, media_type="text/html")

    return gradio.mount_gradio_app(
        app,
        build_page(uploads),
        path="",
        server_name=HOST,
        server_port=port,
        footer_links=["api", "settings"],
        run_history=False,
        show_error=True,
        max_file_size=LARGEST_UPLOAD,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=make_theme(),
        css=STYLE.read_text(encoding="utf-8"),
        head=f"<script>{KEYS.read_text(encoding='utf-8')}</script>",
    )
