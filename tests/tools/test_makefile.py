"""The Makefile in a small repository whose path has a space, with commands that write down how they were called."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from dvc.cli.parser import get_main_parser

from tests.conftest import ROOT

ECHO = '#!/bin/sh\nfor word in "$@"; do printf "<%s>" "$word"; done; echo\n'
LOCK = (
    "schema: '2.0'\nstages:\n  first:\n    cmd: a\n  fold@0:\n    cmd: b\n  fold@1:\n    cmd: b\n  last:\n    cmd: c\n"
)
PIPELINE = "stages:\n  first:\n    cmd: a\n  fold:\n    foreach: [0, 1]\n  last:\n    cmd: c\n"


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "my project"
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".ci").mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    shutil.copy(ROOT / ".ci/check-locks", folder / ".ci")
    (folder / "requirements.txt").write_text("uv==1.0 \\\n    --hash=sha256:00\n    # via x\nzipp==1.0\n")
    (folder / "requirements-demo.txt").write_text("gradio==1.0 \\\n    --hash=sha256:00\n")
    (folder / "pyproject.toml").write_text("[project]\n")
    (folder / "dvc.lock").write_text(LOCK)
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "params.yaml").write_text("folds: [0, 1]\n")
    for name in ("reprise", "uv", "pip", "dvc"):
        (folder / ".venv/bin" / name).write_text(ECHO)
        (folder / ".venv/bin" / name).chmod(0o755)
    make(folder, "env", PYTHON="true")  # leaves the false commands where they are
    call(folder, "git", "init", "--quiet")
    call(folder, "git", "add", "dvc.lock", "dvc.yaml", "params.yaml")
    call(folder, "git", "-c", "user.name=t", "-c", "user.email=t", "commit", "--quiet", "--message", "first")
    return folder


def call(folder, *command):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def make(folder, *targets, **variables):
    done = call(
        folder, "make", "--no-print-directory", *targets, *(f"{key}={value}" for key, value in variables.items())
    )
    return done.returncode, done.stdout, done.stderr


def test_the_environment_is_made_once_whatever_the_clocks_say(project):
    assert make(project, "env") == (0, "", "")
    for age in (-1e6, 1e6):
        os.utime(project / "requirements.txt", (time.time() + age,) * 2)
        assert make(project, "env") == (0, "", ""), "nothing changed but a time"
    (project / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert make(project, "env")[1] == "<pip><install><--quiet><--no-deps><--no-build-isolation><--editable><.>\n"
    with (project / "requirements.txt").open("a") as file:
        file.write("# changed\n")
    code, printed, _ = make(project, "env", PYTHON="true")
    assert code == 0
    assert "<pip><sync><--quiet><--compile-bytecode><--require-hashes><requirements.txt>" in printed
    assert "<--require-hashes><-r><.venv/uv.txt>" in printed, "uv itself is checked, too"
    assert (project / ".venv/uv.txt").read_text() == "uv==1.0 \\\n    --hash=sha256:00\n"
    assert f"<core.site_cache_dir><{project}/.cache/dvc-site>" in printed


def test_the_packages_of_the_demo_are_installed_once(project):
    install = "<pip><install><--quiet><--no-deps><--require-hashes><-r><requirements-demo.txt>"
    assert make(project, "demo")[1].splitlines() == [install, "<demo>"]
    assert make(project, "demo")[1].splitlines() == ["<demo>"]
    (project / "requirements-demo.txt").write_text("gradio==2.0\n")
    assert install in make(project, "demo")[1], "another lock"
    with (project / "requirements.txt").open("a") as file:
        file.write("# changed\n")
    assert install in make(project, "demo", PYTHON="true")[1], "a new environment has none of them"


@pytest.mark.parametrize("group", ["ray", "speech"])
def test_an_extra_is_added_once_to_each_environment(project, group):
    def added():
        code, printed, error = make(project, f"{group}-env", PYTHON="true")
        assert (code, error) == (0, "")
        return f"<pip><install><--quiet><--require-hashes><-r><requirements-{group}.txt>\n" in printed

    (project / f"requirements-{group}.txt").write_text("ray==1.0\n")
    assert added()
    assert not added()
    with (project / "requirements.txt").open("a") as file:
        file.write("# changed\n")
    assert added(), "the environment holds what its own lock names, and no more"
    (project / f"requirements-{group}.txt").write_text("ray==1.1\n")
    assert added()


def test_only_a_finished_environment_in_its_own_folder_is_kept(project):
    def made_anew(folder):
        code, printed, error = make(folder, "env", PYTHON="./python")
        assert code == 0, error
        return "<-m><venv><--clear><.venv>" in printed

    (project / "python").write_text(ECHO)
    (project / "python").chmod(0o755)
    with (project / "requirements.txt").open("a") as file:
        file.write("# changed\n")
    assert not made_anew(project), "packages are exchanged in place"
    (project / ".venv/locked").unlink()
    assert made_anew(project), "killed while it was being made"
    moved = project.rename(project.parent / "moved here")
    assert made_anew(moved), "the scripts name the old folder"
    assert not made_anew(moved)


@pytest.mark.parametrize(
    "value", ["s3://b/p&touch evil", "x; touch evil", "`touch evil`", "$(shell touch evil)", 'a\'b "c"']
)
def test_values_of_variables_are_one_word(project, value):
    assert make(project, "remote", URL=value)[1] == f"<remote><--><{value}>\n"
    assert make(project, "remote", URL="u", ENDPOINT=value)[1] == f"<remote><--endpoint><{value}><--><u>\n"
    assert make(project, "demo", PORT=value)[1].splitlines()[-1] == f"<demo><--port><{value}>"
    assert make(project, "pr-report", BASE=value)[1] == f"<pull-request><{value}>\n"
    assert not (project / "evil").exists()


def test_the_site_cache_is_private(project, monkeypatch):
    monkeypatch.delenv("DVC_SITE_CACHE_DIR", raising=False)  # as `make test` hands it on
    (project / ".venv/bin/reprise").write_text('#!/bin/sh\necho "$DVC_SITE_CACHE_DIR"\n')
    assert make(project, "current")[1].splitlines()[-1] == f"{project}/.cache/dvc-site"


@pytest.mark.parametrize(
    ("lock", "lacks"),
    [
        ("", "everything"),
        (LOCK[:-3], "the end of its last line"),
        (LOCK[: LOCK.index("  last")], "last"),
        (LOCK[: LOCK.index("  fold@1")], "fold@1 last"),
    ],
)
def test_a_lock_that_was_cut_short_is_noticed(project, lock, lacks):
    (project / "dvc.lock").write_text(lock)
    code, _, error = make(project, "current")
    assert code == 2
    assert f"dvc.lock: cut short, it lacks {lacks}: run `git checkout dvc.lock`" in error
    call(project, "git", "checkout", "dvc.lock")
    assert make(project, "current")[0] == 0


def test_a_lock_that_lacks_stages_on_purpose_is_accepted(project):
    (project / "dvc.lock").write_text(LOCK.replace("  fold@1:\n    cmd: b\n", ""))
    assert make(project, "current")[0] == 2
    (project / "params.yaml").write_text("folds: [0]\n")
    assert make(project, "current")[0] == 0, "there is one fold less"
    (project / "dvc.lock").write_text(LOCK.replace("  last:\n    cmd: c\n", ""))
    assert make(project, "current")[0] == 2
    (project / "dvc.yaml").write_text(PIPELINE.replace("  last:\n    cmd: c\n", ""))
    assert make(project, "current")[0] == 0, "the stage was removed"
    (project / "dvc.lock").unlink()
    assert make(project, "current")[0] == 0


def test_a_lock_of_git_that_was_left_is_noticed(project):
    left = project / ".git/index.lock"
    left.touch()
    assert make(project, "current")[0] == 0, "Git may be at work"
    os.utime(left, (time.time() - 600,) * 2)
    code, _, error = make(project, "current")
    assert code == 2
    assert ".git/index.lock: a Git command was killed" in error


def test_explainers_are_trained_side_by_side(project):
    (project / ".venv/bin/dvc").write_text(
        '#!/bin/sh\n[ "$1" = --wait-for-lock ] && shift\ncase "$1" in\n'
        'status) printf "%s:\\n\\tchanged deps:\\n" "$2@ema" "$2@fixed" ;;\n'
        'repro) echo "$*" >>called; sleep 2; echo "end $*" >>called ;;\nesac\n'
    )
    assert make(project, "-j3", "explainers")[0] == 0
    called = (project / "called").read_text().splitlines()
    assert called[:2] == ["repro deepfake-detector", "end repro deepfake-detector"]
    assert sorted(called[2:4]) == [f"repro --single-item deepfake-explainer@{mode}" for mode in ("ema", "fixed")]
    assert len(called) == 6


def test_dvc_knows_the_options_that_the_makefile_gives_it():
    options = re.findall(r"/dvc (--\S+) (\w+)", (ROOT / "Makefile").read_text())
    assert {command for _, command in options} == {"repro", "status"}
    assert all(get_main_parser().parse_args(option).wait_for_lock for option in options)


def test_tasks_run_side_by_side_and_the_rest_at_the_end(project):
    (project / ".venv/bin/dvc").write_text(
        '#!/bin/sh\n[ "$1" = --wait-for-lock ] && shift\n[ "$1" = repro ] || exit 0\necho "$*" >>called\n'
        'case "$*" in *-e*) sleep 2 ;; esac\necho "end $*" >>called\n'
    )
    assert make(project, "JOBS=2", "repro")[0] == 0
    called = (project / "called").read_text().splitlines()
    assert set(called[:2]) == {"repro deepfake-explain", "repro taxonomy-ask taxonomy-evaluate"}, (
        "neither waits for the other's end"
    )
    assert called[-2:] == ["repro", "end repro"]
    assert sum(line.startswith("end") for line in called) == 5


def test_help_lists_every_target_for_people(project):
    _, printed, _ = make(project, "help")
    phony = {
        word
        for line in (ROOT / "Makefile").read_text().splitlines()
        if line.startswith(".PHONY")
        for word in line.split()[1:]
    }
    listed = {line.split()[0] for line in printed.splitlines()}
    assert listed == phony - {"check-locks", "install", "documents-folds"}
    assert Path(project / ".ci/check-locks").exists()
