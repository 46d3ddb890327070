"""Objects on a remote that are missing, and remotes that cannot be asked. Damaged objects: tests/system/test_s3.py."""

import subprocess

import pytest
import typer.testing

from reprise.core.command import typer_app
from reprise.tools.audit import main
from reprise.tools.remote import main as remote
from reprise.tools.repository import dvc


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    return tmp_path


@pytest.fixture
def project(folder):
    subprocess.run(["git", "init", "--quiet"], check=True)
    dvc("init", "--quiet")
    (folder / "pages").mkdir()
    (folder / "pages/1.bin").write_bytes(b"page")
    dvc("add", "--quiet", "pages")
    return folder


def run():
    return typer.testing.CliRunner().invoke(typer_app(main))


def test_objects_are_missing_until_they_are_pushed(project):
    remote(str(project / "store"))
    assert run().exit_code == 1
    assert "1 objects checked, 1 missing or damaged" in run().stdout
    dvc("push", "--quiet")
    done = run()
    assert (done.exit_code, done.stdout) == (0, "2 objects checked, 0 missing or damaged\n")


def test_a_store_that_does_not_answer_is_one_line(project, monkeypatch):
    for name, value in {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "MAX_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    remote("s3://bucket/path", "http://127.0.0.1:1")
    done = run()
    assert done.exit_code == 1
    assert done.stderr.startswith("audit: the default remote: Could not connect")
    assert len(done.stderr.splitlines()) == 1


def test_a_folder_without_dvc_is_one_line(folder):
    done = run()
    assert done.exit_code == 1
    assert done.stderr.startswith("audit: you are not inside of a DVC repository")
    assert len(done.stderr.splitlines()) == 1


def test_without_a_remote_the_command_that_sets_one_is_named(project):
    done = run()
    assert done.exit_code == 1
    assert done.stderr == "no remote is set; `make remote URL=s3://bucket/path` sets one\n"
