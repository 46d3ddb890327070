"""A `python` for DVC to find first: the stages that it starts are forks, which have their libraries at once."""

import json
import socketserver
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.system.forks import Fork

CLIENT = """#!{python} -IS
import json, os, socket, sys
if sys.argv[1:2] != ["src/run.py"]:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({address!r})
    with connection.makefile("rw") as stream:
        stream.write(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]) + "\\n")
        stream.flush()
        for line in stream:
            answer = json.loads(line)
            if isinstance(answer, int):
                sys.exit(answer)
            print(answer, end="", flush=True)
sys.exit("the process that starts stages has gone")
"""


class StageStarter(socketserver.StreamRequestHandler):
    """Runs one stage: takes its words, folder and variables, gives what it prints line by line, then its exit code."""

    def handle(self) -> None:
        """Answer one client."""
        words, folder, environment = json.loads(self.rfile.readline())
        fork = Fork(words, Path(folder), environment)
        for line in fork.stdout:
            self.wfile.write(json.dumps(line).encode() + b"\n")
        fork.communicate()
        assert fork.returncode is not None
        code = fork.returncode if fork.returncode >= 0 else 128 - fork.returncode  # as a shell says it of a signal
        self.wfile.write(json.dumps(code).encode() + b"\n")


@contextmanager
def forked_python(folder: Path) -> Iterator[Path]:
    """Serve stages as forks; gives the folder with a `python` that asks for them, to be put first on PATH."""
    address = str(folder / "stages.socket")
    client = folder / "python"
    client.write_text(CLIENT.format(python=sys.executable, address=address))
    client.chmod(client.stat().st_mode | stat.S_IXUSR)
    with socketserver.ThreadingUnixStreamServer(address, StageStarter) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder
        server.shutdown()
