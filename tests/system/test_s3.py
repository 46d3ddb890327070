"""Storage on a real S3 server: whole, killed, damaged, refused, and as fast as a plain copy."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.system.s3_server import KEY, SECRET, S3Server
from tests.system.workspaces import clone_with_results

pytestmark = pytest.mark.s3

BIN = Path(sys.executable).parent
SMALL_FILES, SMALL_BYTES = 2000, 20_000
LARGE_BYTES = 2**30
JOBS = 16


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with tempfile.TemporaryDirectory(prefix="s3-") as folder:
        server = S3Server(Path(folder))
        try:
            server.start()
            server.add_user()
            yield server
        finally:
            server.stop()


@pytest.fixture
def client(server):
    import boto3
    from botocore.config import Config

    names = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET, "region_name": "us-east-1"}
    return boto3.client("s3", endpoint_url=server.endpoint, config=Config(max_pool_connections=JOBS), **names)


@pytest.fixture
def bucket(client, request):
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)[:50].strip("-")
    client.create_bucket(Bucket=name)
    return name


def environment(secret: str = SECRET) -> dict[str, str]:
    keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": secret, "AWS_DEFAULT_REGION": "us-east-1"}
    names = {"PYTHONPATH": str(ROOT), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    identity = {f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return {**os.environ, **names, **keys, **identity}


def call(folder: Path, *command: str, secret: str = SECRET) -> "subprocess.CompletedProcess[str]":
    if command[0] == "python":
        command = (sys.executable, *command[1:])
    return subprocess.run(
        command,
        cwd=folder,
        env=environment(secret),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=500,
    )


def must(folder: Path, *command: str) -> str:
    done = call(folder, *command)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}"
    return done.stdout


def set_remote(folder: Path, server: S3Server, bucket: str) -> None:
    must(folder, "python", "-m", "reprise.tools.remote", f"s3://{bucket}/dvc", "--endpoint", server.endpoint)


@pytest.fixture
def project(tmp_path, server, bucket) -> Path:
    """A repository with a folder of many files and one large file, and a remote that is empty."""
    folder = tmp_path / "project"
    folder.mkdir()
    must(folder, "git", "init", "--quiet")
    must(folder, "dvc", "init", "--quiet")
    make_files(folder / "many", 300, 20_000)
    (folder / "large.bin").write_bytes(os.urandom(24 * 2**20))
    must(folder, "dvc", "add", "--quiet", "many", "large.bin")
    set_remote(folder, server, bucket)
    must(folder, "git", "add", "-A")
    must(folder, "git", "commit", "--quiet", "-m", "data")
    return folder


def make_files(folder: Path, count: int, size: int) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"{number:05d}.bin").write_bytes(os.urandom(size))


def clone(project: Path, name: str = "clone") -> Path:
    folder = project.parent / name
    must(project.parent, "git", "clone", "--quiet", str(project), str(folder))
    return folder


def content(folder: Path) -> dict[str, bytes]:
    files = [*sorted((folder / "many").rglob("*")), folder / "large.bin"]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files if file.is_file()}


def objects(client: Any, bucket: str) -> list[str]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


def test_a_fresh_clone_pulls_and_has_nothing_to_run(tmp_path, server, bucket):
    """The whole project, with what `make repro` has computed here."""
    assert "up to date" in must(ROOT, "dvc", "status"), "run `make repro` first"
    source = tmp_path / "source"
    clone_with_results(source)
    must(source, "dvc", "config", "--local", "cache.dir", str(ROOT / ".dvc/cache"))
    set_remote(source, server, bucket)
    assert "verify = true" in (source / ".dvc/config").read_text()
    must(source, "git", "commit", "--quiet", "-am", "remote")
    must(source, "dvc", "push", "--quiet")
    assert "0 missing or damaged" in must(source, "python", "-m", "reprise.tools.audit")
    fresh = tmp_path / "fresh"
    must(tmp_path, "git", "clone", "--quiet", str(source), str(fresh))
    must(fresh, "dvc", "pull", "--quiet")
    assert "up to date" in must(fresh, "dvc", "repro")
    for task in ("taxonomy", "documents", "deepfake"):
        must(source, "git", "tag", "-a", f"{task}@v1.0.0", "-m", "registered")
        must(tmp_path, "dvc", "artifacts", "get", str(source), task, "--out", task)
        models = ROOT / "models" / task
        files = [
            path.relative_to(models) for path in sorted(models.rglob("*")) if path.suffix in (".json", ".safetensors")
        ]
        assert files
        for file in files:
            assert (tmp_path / task / file).read_bytes() == (models / file).read_bytes()


def test_a_killed_push_is_completed_by_the_next(project, client, bucket):
    process = subprocess.Popen(["dvc", "push", "--jobs", "2"], cwd=project, env=environment(), start_new_session=True)
    while len(objects(client, bucket)) < 40:
        assert process.poll() is None, "it was over before it could be killed"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert call(project, "python", "-m", "reprise.tools.audit").returncode == 1
    must(project, "dvc", "push")
    assert "0 missing or damaged" in must(project, "python", "-m", "reprise.tools.audit")
    fresh = clone(project)
    must(fresh, "dvc", "pull")
    assert content(fresh) == content(project)


@pytest.mark.parametrize("which", ["large.bin", "many/00007.bin", "many"])
def test_a_damaged_object_is_refused_named_and_healed(which, project, client, bucket):
    must(project, "dvc", "push")
    key = key_of(project, which)
    damaged = bytearray(client.get_object(Bucket=bucket, Key=key)["Body"].read())
    damaged[len(damaged) // 2] ^= 1
    client.put_object(Bucket=bucket, Key=key, Body=bytes(damaged))
    fresh = clone(project)
    refused = call(fresh, "dvc", "pull")
    assert refused.returncode != 0, refused.stdout
    assert not (fresh / which).is_file(), "the damaged file was taken"
    audit = call(project, "python", "-m", "reprise.tools.audit")
    assert audit.returncode == 1
    assert f"{which}: object {bucket}/{key}: damaged" in audit.stdout
    assert call(project, "python", "-m", "reprise.tools.audit", "--delete").returncode == 1
    must(project, "dvc", "push")
    assert "0 missing or damaged" in must(project, "python", "-m", "reprise.tools.audit")
    must(fresh, "dvc", "pull")
    assert content(fresh) == content(project)


def key_of(project: Path, path: str) -> str:
    """The object of a tracked file, from the .dvc files and the listings alone."""
    import hashlib

    if path == "many":
        text = (project / "many.dvc").read_text()
        digest = next(line.split()[-1] for line in text.splitlines() if "md5:" in line)
    else:
        digest = hashlib.md5((project / path).read_bytes()).hexdigest()
    return f"dvc/files/md5/{digest[:2]}/{digest[2:]}"


def test_a_missing_object_of_a_folder_is_named(project, client, bucket):
    must(project, "dvc", "push")
    client.delete_object(Bucket=bucket, Key=key_of(project, "many/00100.bin"))
    audit = call(project, "python", "-m", "reprise.tools.audit")
    assert audit.returncode == 1
    assert "many/00100.bin" in audit.stdout
    assert "missing" in audit.stdout
    call(project, "python", "-m", "reprise.tools.audit", "--delete")
    must(project, "dvc", "push")
    assert "0 missing or damaged" in must(project, "python", "-m", "reprise.tools.audit")


def test_what_cannot_work_says_why_and_loses_nothing(project, server, client, bucket):
    before = content(project)
    wrong_key = call(project, "dvc", "push", secret="wrong")
    set_remote(project, server, "no-such-bucket")
    no_bucket = call(project, "dvc", "push")
    set_remote(project, server, bucket)
    for done, reason in ((wrong_key, "Forbidden"), (no_bucket, "bucket")):
        assert done.returncode != 0
        assert reason.lower() in done.stdout.lower(), done.stdout
        assert "Traceback" not in done.stdout
    audit = call(project, "python", "-m", "reprise.tools.audit", secret="wrong")
    assert audit.returncode == 1
    assert "Traceback" not in audit.stdout, audit.stdout
    assert content(project) == before
    assert objects(client, bucket) == []


def test_a_server_that_goes_down_halfway(project, server, client, bucket):
    before = content(project)
    process = subprocess.Popen(
        ["dvc", "push", "--jobs", "16"],
        cwd=project,
        env=environment() | {"AWS_MAX_ATTEMPTS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while len(objects(client, bucket)) < 40:
        assert process.poll() is None, "it was over before the server went down"
        time.sleep(0.02)
    server.stop_gateway()
    printed, _ = process.communicate(timeout=500)
    assert process.returncode != 0
    assert "ERROR" in printed
    assert "Traceback" not in printed, printed
    server.start_gateway()
    must(project, "dvc", "push")
    assert "0 missing or damaged" in must(project, "python", "-m", "reprise.tools.audit")
    assert content(project) == before


def test_credentials_are_kept_out_of_the_tracked_configuration(project, server):
    refused = call(project, "python", "-m", "reprise.tools.remote", "s3://key:secret@bucket/path")
    assert refused.returncode == 1
    assert "credentials do not belong" in refused.stderr
    assert SECRET not in (project / ".dvc/config").read_text()


def test_gc_shows_what_it_would_take_from_other_branches(project):
    must(project, "dvc", "push")
    must(project, "git", "checkout", "--quiet", "-b", "other")
    (project / "large.bin").chmod(0o644)
    (project / "large.bin").write_bytes(os.urandom(1000))
    must(project, "dvc", "add", "--quiet", "large.bin")
    must(project, "git", "commit", "--quiet", "-am", "another file")
    must(project, "dvc", "push")
    one_branch = must(project, "dvc", "gc", "--workspace", "--cloud", "--dry", "--force")
    all_branches = must(project, "dvc", "gc", "--all-branches", "--cloud", "--dry", "--force")
    assert one_branch != all_branches
    assert "0 objects" in all_branches or "No unused" in all_branches, all_branches


def test_it_is_nearly_as_fast_as_a_plain_copy(tmp_path, server, client, bucket):
    """Prints the figures; run alone for figures that are to be kept."""
    source = tmp_path / "source"
    source.mkdir()
    must(source, "git", "init", "--quiet")
    must(source, "dvc", "init", "--quiet")
    make_files(source / "many", SMALL_FILES, SMALL_BYTES)
    with (source / "large.bin").open("wb") as file:
        for _ in range(LARGE_BYTES // 2**24):
            file.write(os.urandom(2**24))
    must(source, "dvc", "add", "--quiet", "many", "large.bin")
    set_remote(source, server, bucket)
    plain = {"many": sorted((source / "many").iterdir()), "large.bin": [source / "large.bin"]}
    figures = {name: {"boto3 upload": copy(client, bucket, files, "up", tmp_path)} for name, files in plain.items()}
    for name in plain:
        figures[name]["push"] = timed(source, "dvc", "push", "--quiet", "--jobs", str(JOBS), name)
    shutil.rmtree(source / ".dvc/cache")
    shutil.rmtree(source / "many")
    (source / "large.bin").unlink()
    for name, files in plain.items():
        figures[name]["boto3 download"] = copy(client, bucket, files, "down", tmp_path)
        figures[name]["pull"] = timed(source, "dvc", "pull", "--quiet", "--jobs", str(JOBS), name)
    print(json.dumps(figures, indent=2))
    # DVC hashes what it sends and fetches, and fetches one file by one connection, which a single large file shows.
    for name, allowed in (("many", 1.5), ("large.bin", 4.0)):
        assert figures[name]["push"] <= allowed * figures[name]["boto3 upload"], name
        assert figures[name]["pull"] <= allowed * figures[name]["boto3 download"], name


def copy(client: Any, bucket: str, files: list[Path], way: str, landing: Path) -> float:
    """Seconds that boto3 takes for the files, as many side by side as DVC's."""

    def move(file: Path) -> None:
        if way == "up":
            client.upload_file(str(file), bucket, f"plain/{file.name}")
        else:
            client.download_file(bucket, f"plain/{file.name}", str(landing / file.name))

    began = time.perf_counter()
    with ThreadPoolExecutor(JOBS) as pool:
        list(pool.map(move, files))
    return time.perf_counter() - began


def timed(folder: Path, *command: str) -> float:
    began = time.perf_counter()
    must(folder, *command)
    return time.perf_counter() - began


PREDICT = """
import sys
from pathlib import Path
from reprise.bulk.job import prepare
from reprise.bulk.run import run
from tests.bulk import toy
kind, source, target, models = sys.argv[1:]
print(run(prepare(getattr(toy, kind)(Path(models)), source, target, None)))
"""


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        pytest.param("ToyTexts", "in", id="folder"),
        pytest.param("ToyTexts", "in/a.txt", id="file"),
        pytest.param("ToyFiles", "in", id="rows"),
    ],
)
def test_predictions_of_the_store(tmp_path, server, client, bucket, kind, name):
    (tmp_path / "models").write_text("weights")
    (tmp_path / "in/sub").mkdir(parents=True)
    for number, file in enumerate(("a.txt", "sub/b.txt", "sub/\u00e9 c.txt")):
        text = "\n".join(["bad", *(f"line {number * 100 + line}" for line in range(20))])
        (tmp_path / "in" / file).write_text(text)
        client.upload_file(str(tmp_path / "in" / file), bucket, f"in/{file}")

    def predict(source: str, target: str) -> str:
        command = (sys.executable, "-c", PREDICT, kind, source, target, str(tmp_path / "models"))
        paths = f"{ROOT}{os.pathsep}{ROOT / 'src'}"
        variables = environment() | {"AWS_ENDPOINT_URL": server.endpoint, "PYTHONPATH": paths}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    here = tmp_path / "out"
    printed = predict(str(tmp_path / name), str(here))
    assert predict(f"s3://{bucket}/{name}", f"s3://{bucket}/out") == printed
    shards = {path.name: path.read_bytes() for path in here.glob("rows-*")}
    for file, content_here in shards.items():
        assert client.get_object(Bucket=bucket, Key=f"out/{file}")["Body"].read() == content_here
    first, *others = sorted(shards)
    times = {file: client.head_object(Bucket=bucket, Key=f"out/{file}")["LastModified"] for file in others}
    client.delete_object(Bucket=bucket, Key=f"out/{first}")
    assert f"'shards_done_before': {len(others)}" in predict(f"s3://{bucket}/{name}", f"s3://{bucket}/out")
    assert {file: client.head_object(Bucket=bucket, Key=f"out/{file}")["LastModified"] for file in others} == times
