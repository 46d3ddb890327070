"""Addresses of remotes: which are written, which are refused, and that a refusal repeats no secret."""

import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reprise.core.command import typer_app
from reprise.tools import remote

SECRET = "hunter2"


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    subprocess.run(["dvc", "init", "--no-scm", "--quiet"], check=True)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(typer_app(remote.main), arguments)


@pytest.mark.parametrize("url", ["s3://bucket/path@v2", "s3://bucket", "../store", "/mnt/store"])
def test_an_address_is_written_with_verification(project, url):
    assert run(url).exit_code == 0
    config = Path(".dvc/config").read_text()
    assert "verify = true" in config
    assert Path(url).name in config


def test_an_endpoint_is_written(project):
    assert run("s3://bucket/path", "--endpoint", "http://127.0.0.1:9000").exit_code == 0
    assert "endpointurl = http://127.0.0.1:9000" in Path(".dvc/config").read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        [f"s3://KEY:{SECRET}@bucket/path"],
        [f"KEY:{SECRET}@bucket"],
        [f"s3://KEY:{SECRET}%40bucket"],
        [f"https://host/store?access_token={SECRET}"],
        [f"s3://bucket/path#password={SECRET}"],
        [f"https://host/store?X-Amz-Signature={SECRET}"],
        ["s3://bucket", "--endpoint", f"http://user:{SECRET}@host:9000"],
        ["s3://bucket", "--endpoint", f"http://host:9000/?token={SECRET}"],
        [f"s3:/KEY:{SECRET}@bucket"],
        [f"{SECRET}@bucket/path"],
        [f"KEY:{SECRET}"],
        [f"s3:/KEY{SECRET}"],
    ],
)
def test_credentials_are_refused_without_being_repeated(project, arguments):
    before = Path(".dvc/config").read_text()
    done = run(*arguments)
    assert done.exit_code == 1
    assert SECRET not in done.output
    assert len(done.stderr.splitlines()) == 1
    assert Path(".dvc/config").read_text() == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["s3:/bucket"],
        ["s3://"],
        [""],
        ["host:folder"],
        ["s3://b", "--endpoint", "host"],
        ["--", "--system"],
        ["s3://bucket/a\nb"],
        ["s3://bucket/\x1b[2J"],
    ],
)
def test_what_is_no_address_is_refused(project, arguments):
    before = Path(".dvc/config").read_text()
    done = run(*arguments)
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1
    assert Path(".dvc/config").read_text() == before
