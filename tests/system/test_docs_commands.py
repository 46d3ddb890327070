"""The ```sh blocks of README and docs, run line by line in a clone that holds what `make repro` computed here.

A stage that such a line starts does not compute: a false `python` hands it the outputs that this checkout has, since
what trainings do is tested elsewhere. Everything else is real: DVC, make, the commands and the models they read.
"""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.system.workspaces import clone_with_results
from tests.test_docs import BLOCK, TEXTS

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("docs")]

BIN = Path(sys.executable).parent
BLOCKS = [
    pytest.param(body, id=f"{page}-{number}")
    for page, text in TEXTS.items()
    for number, (language, body) in enumerate(BLOCK.findall(text))
    if language == "sh"
]
INSTEAD = {  # what a line is replaced by, where the line itself takes too long for a test or needs the reader's choice
    "make verify": "",  # computes everything
    "--trials 20": "--trials 2",
}
# The shell takes the second line for exec, Python takes it for a string: a path with a space fits in no `#!`.
INTERPRETER = """#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
import os, shutil, subprocess, sys
from pathlib import Path
stage = os.environ.get("DVC_STAGE", "")
if not stage or stage.startswith("recipe@"):
    raise SystemExit(subprocess.run([{python!r}, *sys.argv[1:]]).returncode)
import json
for output in json.loads(Path({outputs!r}).read_text())[stage]:
    source = Path({root!r}, output)
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, output, dirs_exist_ok=True)
    else:
        shutil.copy(source, output)
"""


def commands_of(block: str) -> list[str]:
    """A block's lines without their comments; lines with a <placeholder> are left to the reader."""
    lines = [re.sub(r"\s+#.*", "", line).strip() for line in block.replace("\\\n", " ").splitlines()]
    for long, short in INSTEAD.items():
        lines = [line.replace(long, short) for line in lines]
    lines = [line for line in lines if not line.startswith("cp -r data/")]  # make_own_data has done it
    return [line for line in lines if line and not line.startswith("#") and not re.search(r"<\w+>", line)]


def call(folder: Path, command: str) -> None:
    identity = {f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    path = os.pathsep.join([str(folder.parent / "bin"), str(BIN), os.environ["PATH"]])
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env={**os.environ, **identity, "PATH": path, "PYTHONPATH": str(folder / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout[-3000:]}"


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs") / "clone"
    clone_with_results(folder)
    call(folder, f"dvc config --local cache.dir '{ROOT}/.dvc/cache' && dvc config --local cache.type symlink")
    call(folder, "dvc checkout --quiet")
    make_interpreter(folder.parent / "bin", folder)
    make_environment(folder)
    make_inputs(folder)
    return folder


def make_interpreter(place: Path, folder: Path) -> None:
    """Put the false `python` into a folder."""
    import json

    from dvc.repo import Repo

    with Repo(str(folder)) as repo:
        outputs = {stage.name: [out.def_path for out in stage.outs] for stage in repo.index.stages}
    place.mkdir()
    (place / "outputs.json").write_text(json.dumps(outputs))
    program = place / "python"
    text = INTERPRETER.format(python=str(sys.executable), outputs=str(place / "outputs.json"), root=str(ROOT))
    program.write_text(text)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def make_environment(folder: Path) -> None:
    """Make `make env` find this checkout's environment in place."""
    environment = folder / ".venv"
    environment.mkdir()
    (environment / "bin").symlink_to(BIN)
    digests = {
        name: subprocess.run(["sha256sum"], stdin=(folder / name).open(), capture_output=True, text=True, check=True)
        for name in ("requirements.txt", "pyproject.toml")
    }
    (environment / "locked").write_text(f"{folder} {digests['requirements.txt'].stdout}")
    (environment / "package").write_text(digests["pyproject.toml"].stdout)


def make_inputs(folder: Path) -> None:
    """Lay out what the pages call the reader's own: recordings, scans, data sets."""
    pages = sorted((folder / "data/documents/sample/test").iterdir())[:3]
    recordings = sorted((folder / "data/deepfake/sample/flac").glob("R*.flac"))[:8]
    (folder / "scans").mkdir()
    shutil.copy(pages[0], folder / "scan.jpg")
    for page in pages:
        shutil.copy(page, folder / "scans")
    for number, recording in enumerate(recordings):  # a folder a speaker
        place = folder / f"recordings/speaker{number % 4}"
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(recording, place)
    (folder / "sentences.txt").write_text("Good morning.\nIt is late.\nNobody came.\n")
    import soundfile

    soundfile.write(folder / "call.wav", *soundfile.read(recordings[0]))


def make_own_data(folder: Path, block: str) -> None:
    """Lay out data/<task>/mine anew, with what the pages name in it; speech only where `vocode` does not write it."""
    for task in ("taxonomy", "documents", "deepfake"):
        mine = folder / "data" / task / "mine"
        for place in (mine, mine.with_name("phone"), mine.with_name("read")):
            shutil.rmtree(place, ignore_errors=True)
        if task != "deepfake" or "reprise vocode" not in block:
            shutil.copytree(folder / "data" / task / "sample", mine)
    if (speech := folder / "data/deepfake/mine/flac").is_dir():
        for name in ("call17.flac", "new-call.wav"):
            shutil.copy(folder / "call.wav", speech / name)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_command_runs(clone, block):
    commands = commands_of(block)
    assert commands
    make_own_data(clone, block)
    for command in commands:
        call(clone, command)
    call(clone, "git checkout --quiet . && dvc checkout --quiet --force")
