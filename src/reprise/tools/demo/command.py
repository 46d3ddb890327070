"""Open the demo: one page of this machine on which texts, pages and recordings are classified, explained and corrected.

    reprise demo
    reprise demo --port 8000
    make demo

The page listens on 127.0.0.1 alone, and asks no other host for anything; what is dropped on it is deleted when it
ends. It uses the models under models/, and reads them anew when they change. Corrections go into the folders of data
that params.yaml names, as `reprise correct` writes them. It needs the optional packages that `make demo` installs.
"""

from pathlib import Path
from typing import Annotated

import typer

from reprise.core.command import run_command
from reprise.core.errors import InputError


def main(
    port: Annotated[int, typer.Option(min=0, max=65535, help="To listen on; 0: any that is free.")] = 7860,
) -> None:
    """Open the demo: a page of this machine to use the models, and to see why they say what they say."""
    import contextlib
    import signal
    import tempfile

    with tempfile.TemporaryDirectory(prefix="reprise-demo-") as uploads:
        keep_to_this_machine(Path(uploads))
        try:
            import gradio  # noqa: F401 -- the page imports more of it
        except ImportError:
            raise InputError("gradio is not installed: `make demo` installs it and opens the page") from None
        from reprise.tools.demo.server import serve

        signal.signal(signal.SIGTERM, end)  # which leaves nothing of the uploads either
        with contextlib.suppress(KeyboardInterrupt):
            serve(port, Path(uploads))


def end(number: int, frame: object) -> None:
    """Leave as after Ctrl-C."""
    raise KeyboardInterrupt


def keep_to_this_machine(uploads: Path) -> None:
    """Set what gradio and the hub's client read when they are imported: no analytics, no hub, uploads in one place."""
    import os

    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ.setdefault("HF_HUB_OFFLINE", "1")


if __name__ == "__main__":
    run_command(main)
