"""Reports of changes, in a repository of two commits with the files that Reprise's own would have."""

import copy
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from reprise.core import files
from reprise.core.closure import code_of_stages, code_path
from reprise.core.command import typer_app
from reprise.core.errors import InputError
from reprise.core.params import Hardware, load_params
from reprise.tools import compare as compare_command
from reprise.tools import current, pull_request, verify
from reprise.tools.headlines import HEADLINES, compare, interval_of_change, read_headlines
from reprise.tools.lock import caused_here, writer_of
from reprise.tools.repository import WORKSPACE, Snapshot, base_of, commit_of, file_at, look_up
from tests.conftest import ROOT

HEADLINE = "{task: toy, title: F1, short: F1, file: metrics/toy.json, key: test.f1, better: %s, tolerance: 0.05}"
PIPELINE = """
stages:
  score:
    cmd: python score.py
    deps: [src/toy]
    params: [rate]
    metrics: [{metrics/toy.json: {cache: false}}]
"""
HASHED = """
  hash:
    cmd: python src/run.py toy.recipe
    deps: [src/reprise, src/run.py]
    outs: [{models/toy/code.json: {cache: false}}]
  train:
    cmd: python src/run.py toy.train
    params: [{models/toy/code.json: [train]}]
    outs: [model]
  evaluate:
    cmd: python src/run.py toy.evaluate
    params: [{models/toy/code.json: [evaluate]}]
    deps: [model]
    outs: [scores]
  last:
    cmd: python last.py
    deps: [scores]
    outs: [end]
"""


def git(*arguments: str) -> None:
    names = ["-c", "user.name=test", "-c", "user.email=test"]
    subprocess.run(["git", *names, *arguments], check=True, capture_output=True)


def run(command, *arguments):
    return CliRunner().invoke(typer_app(command.main), arguments)


def write(value: float, rate: float) -> None:
    Path("metrics/toy.json").write_text(json.dumps({"test": {"f1": value, "f1_ci95": [value - 0.02, value + 0.02]}}))
    Path("params.yaml").write_text(f"rate: {rate}\n")
    Path("src/toy/score.py").write_text(f"# {rate}\n")
    subprocess.run(["dvc", "commit", "--force", "--quiet"], check=True)


@pytest.fixture
def two_commits(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    git("init", "--quiet", "--initial-branch", "main")
    subprocess.run(["dvc", "init", "--quiet"], check=True)
    for folder in ("metrics", "src/toy"):
        Path(folder).mkdir(parents=True)
    HEADLINES.write_text(f"- {HEADLINE % 'higher'}\n- {(HEADLINE % 'lower').replace('title: F1', 'title: loss')}\n")
    Path("dvc.yaml").write_text(PIPELINE)
    write(0.5, 1.0)
    git("add", "-A")
    git("commit", "--quiet", "-m", "base")
    git("checkout", "--quiet", "-b", "change")
    write(0.6, 2.0)
    git("commit", "--quiet", "-am", "change")


def test_the_report_says_what_changed_and_which_way(two_commits):
    done = run(pull_request, "main")
    assert done.exit_code == 0
    printed = done.stdout
    assert r"| toy | F1 (higher is better) | 0.5000 | 0.6000 | +0.1000 | +0.0717 to +0.1283 | 🟢 better |" in printed
    assert r"| toy | loss (lower is better) | 0.5000 | 0.6000 | +0.1000 | +0.0717 to +0.1283 | 🔴 worse |" in printed
    assert r"| `score` | code (src/toy), parameters | different outputs: 1 |" in printed
    assert "| `params.yaml` | `rate` | `1` | `2` |" in printed
    assert "| `metrics/toy.json` | `test.f1` | `0.5` | `0.6` |" in printed
    assert printed.index("### Headlines") < printed.index("### Stages") < printed.index("### All metrics")


def test_without_changes_it_says_so(two_commits):
    done = run(pull_request, "HEAD")
    assert done.exit_code == 0
    assert "No stage was computed anew." in done.stdout
    assert "No change of parameters." in done.stdout
    assert "No change of metrics." in done.stdout


def test_names_of_a_report_are_text(two_commits):
    evil = "<img src=x onerror=alert(1)> | @everyone #1"
    HEADLINES.write_text(HEADLINES.read_text().replace("title: F1", f"title: '{evil}'"))
    Path("metrics/toy.json").write_text(json.dumps({"test": {"f1": 0.6}, evil: 1}))
    printed = run(pull_request, "main").stdout
    assert "<img" not in printed.replace("`<img", ""), "HTML only as code"
    assert "@everyone" not in printed.replace("`<img src=x onerror=alert(1)> \\| @everyone #1`", "")
    rows = [line for line in printed.splitlines() if line.startswith("| `metrics/toy.json`")]
    assert len(rows) == 2
    assert all(row.replace(r"\|", "").count("|") == 5 for row in rows), "a name adds no cell"


def test_a_stale_lock_is_said_first_and_fails(two_commits):
    assert run(current).exit_code == 0
    Path("src/toy/score.py").write_text("# newer\n")
    done = run(pull_request, "main")
    assert done.exit_code == 1
    assert "`dvc.lock` is behind the code: `score` would run" in done.stdout
    done = run(current)
    assert done.exit_code == 1
    assert "dvc.lock is behind: score would run" in done.stdout


def test_an_unknown_base_is_one_line(two_commits):
    done = run(pull_request, "nowhere")
    assert done.exit_code == 1
    assert done.stderr == "nowhere: no such commit, branch, tag or experiment\n"
    with pytest.raises(InputError, match="nowhere"):
        base_of("nowhere")


def test_the_base_is_where_the_branches_part(two_commits):
    git("checkout", "--quiet", "main")
    part = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    Path("other").write_text("x")
    git("add", "-A")
    git("commit", "--quiet", "-m", "main went on")
    git("checkout", "--quiet", "change")
    assert base_of("main") == part
    assert look_up(file_at("main", Path("metrics/toy.json")), "test.f1") == 0.5
    assert look_up(file_at("main", Path("nothing.json")), "test.f1") is None


def test_verification_allows_what_is_tolerated(two_commits, capsys):
    figures = Path("metrics/toy.json")
    assert verify.report(Path(), exact=False)
    assert "score                           1 of 1" in capsys.readouterr().out
    figures.write_text(json.dumps({"test": {"f1": 0.64}}))
    assert verify.report(Path(), exact=False)
    figures.write_text(json.dumps({"test": {"f1": 0.66}}))
    assert not verify.report(Path(), exact=False)
    assert "DIFFERS" in capsys.readouterr().out
    figures.unlink()
    assert not verify.report(Path(), exact=False), "a figure that is gone does not agree"


def test_a_figure_that_neither_side_has_agrees(two_commits, capsys):
    HEADLINES.write_text(HEADLINES.read_text().replace("key: test.f1, better: lower", "key: test.loss, better: lower"))
    assert verify.report(Path(), exact=True)
    assert "2 of 2 figures agree" in capsys.readouterr().out
    Path("metrics/toy.json").write_text(json.dumps({"test": {"f1": 0.6, "loss": 0.0}}))
    assert not verify.report(Path(), exact=False), "a figure that is new does not agree"


def test_verification_expects_the_same_bytes_where_kernels_are_pinned(two_commits, capsys):
    assert verify.report(Path(), exact=True)
    lock = Path("dvc.lock")
    lock.write_text(re.sub("md5: [0-9a-f]{32}", f"md5: {'0' * 32}", lock.read_text()))
    assert verify.report(Path(), exact=False), "the figure agrees"
    assert not verify.report(Path(), exact=True)
    printed = capsys.readouterr().out
    assert "score                           0 of 1  DIFFERS" in printed
    assert "1 outputs have other bytes" in printed


@pytest.mark.parametrize(
    ("same_bytes", "able", "devices", "expected"),
    [
        (True, True, ["cpu"], True),
        (False, True, ["cpu"], False),
        (True, False, ["cpu"], False),
        (True, True, ["cuda:0"], False),
    ],
)
def test_which_machines_compute_the_same_bytes(monkeypatch, same_bytes, able, devices, expected):
    hardware = load_params("hardware", Hardware, ROOT / "params.yaml")
    monkeypatch.setattr(verify, "load_params", lambda *_: hardware.model_copy(update={"same_bytes": same_bytes}))
    monkeypatch.setattr(verify.kernels, "can_pin", lambda: able)
    monkeypatch.setattr(verify, "torch_devices", lambda _: devices)
    assert verify.computes_the_same_bytes() == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", r"headlines\.yaml: expected a list"),
        ("- {task: toy}", r"headlines\.yaml: entry 1.*missing"),
        (f"- {HEADLINE % 'bigger'}", r"headlines\.yaml: entry 1.*better"),
    ],
)
def test_a_wrong_list_of_headlines_is_named(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    HEADLINES.write_text(text)
    with pytest.raises(InputError, match=message):
        read_headlines()


def verdicts(base="main"):
    return [change.verdict for change in compare(Snapshot(base, commit_of(base)), WORKSPACE)]


def test_a_change_beyond_noise_is_better_or_worse(two_commits):
    assert verdicts() == ["better", "worse"]
    higher, _ = compare(Snapshot("main", commit_of("main")), WORKSPACE)
    assert higher.difference == pytest.approx(0.1)
    assert higher.interval == pytest.approx((0.1 - 0.02 * 2**0.5, 0.1 + 0.02 * 2**0.5))
    Path("metrics/toy.json").unlink()
    assert verdicts() == ["gone", "gone"]


def test_a_small_change_is_within_noise(two_commits):
    write(0.52, 3.0)
    assert verdicts() == ["within noise"] * 2
    printed = run(pull_request, "main").stdout
    assert "| +0.0200 | -0.0083 to +0.0483 | ⚪ within noise |" in printed


def test_the_spread_between_seeds_is_noise_as_well(two_commits):
    headlines = HEADLINES.read_text()
    HEADLINES.write_text(headlines.replace("tolerance: 0.05", "tolerance: 0.05, seed_sd: 0.03"))
    assert verdicts() == ["better", "worse"], "1.96 * sqrt(2) * 0.03 = 0.083, and 0.028 of the test items: 0.088"
    HEADLINES.write_text(headlines.replace("tolerance: 0.05", "tolerance: 0.05, seed_sd: 0.04"))
    assert verdicts() == ["within noise"] * 2


def test_a_stage_that_did_not_run_has_the_same_figures(two_commits):
    git("commit", "--quiet", "--allow-empty", "-m", "nothing")
    assert verdicts("HEAD") == ["same"] * 2
    Path("metrics/toy.json").write_text(json.dumps({"test": {"f1": 0.9}}))
    assert verdicts("HEAD") == ["same"] * 2, "edited by hand: dvc.lock knows nothing of it, and is called stale"


def test_what_changed_without_a_cause_was_computed_elsewhere(two_commits):
    write(0.8, 2.0)
    assert verdicts("HEAD") == ["computed elsewhere"] * 2
    printed = run(pull_request, "HEAD").stdout
    assert printed.index("### Headlines") < printed.index("### Computed elsewhere") < printed.index("| toy | F1")
    assert "| computed elsewhere |" in printed
    done = run(compare_command, "HEAD")
    assert done.stdout.index("computed elsewhere: no parameter") < done.stdout.index("F1")


def test_a_cause_upstream_is_a_cause(two_commits):
    lock: dict[str, Any] = {
        "make": {"cmd": "m", "params": {"params.yaml": {"x": 1}}, "outs": [{"path": "data", "md5": "a"}]},
        "score": {"cmd": "s", "deps": [{"path": "data/t.csv", "md5": "b"}], "outs": [{"path": "m.json", "md5": "c"}]},
    }
    now = copy.deepcopy(lock)
    assert not caused_here(lock, now, "score")
    now["make"]["outs"][0]["md5"] = now["score"]["deps"][0]["md5"] = now["score"]["outs"][0]["md5"] = "z"
    assert not caused_here(lock, now, "score"), "only what stages wrote differs"
    now["make"]["params"]["params.yaml"]["x"] = 2
    assert caused_here(lock, now, "score")
    now = copy.deepcopy(lock)
    now["score"]["deps"].append({"path": "src/a", "md5": "y"})
    assert caused_here(lock, now, "score")
    assert not caused_here(lock, now, "make")
    assert writer_of(lock, "data/t.csv") == "make"
    assert writer_of(lock, "database") is None


def test_without_an_interval_nothing_is_judged(two_commits):
    Path("metrics/toy.json").write_text(json.dumps({"test": {"f1": 0.7}}))
    subprocess.run(["dvc", "commit", "--force", "--quiet"], check=True)
    git("commit", "--quiet", "-am", "no interval")
    Path("src/toy/score.py").write_text("# other\n")
    Path("metrics/toy.json").write_text(json.dumps({"test": {"f1": 0.9}}))
    subprocess.run(["dvc", "commit", "--force", "--quiet"], check=True)
    assert verdicts("HEAD") == ["changed"] * 2


def test_the_same_items_are_compared_pairwise(two_commits):
    """Ten items of 400 more are right and none is wrong: clear where items are paired, too little for intervals."""
    items = "items: {file: metrics/items.csv, id: id, statistic: mean, columns: [hit]}"
    HEADLINES.write_text(f"- {(HEADLINE % 'higher').replace('tolerance', f'{items}, tolerance')}\n")

    def write_items(hits, rate):
        rows = [f"{number:03d},{hit:d}" for number, hit in enumerate(hits)]
        Path("metrics/items.csv").write_text("\n".join(["id,hit", *rows]))
        write(sum(hits) / len(hits), rate)
        git("add", "-A")
        git("commit", "--quiet", "-m", "items")

    write_items([number % 2 == 0 for number in range(400)], 5.0)
    write_items([number % 2 == 0 or number % 40 == 1 for number in range(400)], 6.0)
    assert verdicts("HEAD~1") == ["better"]
    assert verdicts("main") == ["within noise"], "the base has no items: by the figures' intervals, which are wider"
    git("checkout", "--quiet", "HEAD~1")
    write_items([number % 2 == 0 or number % 200 == 1 for number in range(400)], 7.0)
    assert verdicts("HEAD~1") == ["within noise"], "two items more"
    Path("metrics/items.csv").write_text("id,hit\n1,1\n")
    with pytest.raises(InputError, match=r"items\.csv \(workspace\): mean of its rows is 1\.0000, but F1 .* is 0\.505"):
        judge_against_itself()


def judge_against_itself():
    (headline,) = read_headlines()
    return interval_of_change(headline, WORKSPACE, WORKSPACE)


def test_comparing_two_commits_in_a_terminal(two_commits):
    done = run(compare_command, "main", "change")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[1].split() == ["toy", "F1", "0.5000", "0.6000", "+0.1000", "+0.0717", "to", "+0.1283", "better"]
    assert max(map(len, lines)) <= 120
    assert run(compare_command, "main", "nowhere").stderr == "nowhere: no such commit, branch, tag or experiment\n"


def test_stages_whose_data_is_not_here_are_behind_as_well(two_commits):
    with Path("dvc.yaml").open("a") as file:
        file.write("  make: {cmd: python make.py, params: [other], outs: [data]}\n")
        file.write("  use: {cmd: python use.py, deps: [data], outs: [model]}\n")
        file.write("  last: {cmd: python last.py, deps: [model], outs: [end]}\n")
    for name in ("data", "model", "end"):
        Path(name).write_text(name)
    Path("params.yaml").write_text("rate: 2.0\nother: 1\n")
    subprocess.run(["dvc", "commit", "--force", "--quiet"], check=True)
    shutil.rmtree(".dvc/cache")
    for name in ("data", "model", "end"):
        Path(name).unlink()
    assert run(current).exit_code == 0
    Path("params.yaml").write_text("rate: 2.0\nother: 2\n")
    assert "is behind: make would" in run(current).stdout, "it may write the same data as before"
    Path("dvc.yaml").write_text(Path("dvc.yaml").read_text().replace("deps: [data]", "deps: [data, src/toy]"))
    done = run(current)
    assert done.exit_code == 1
    assert done.stdout.startswith("dvc.lock is behind: make, ")
    assert all(f" {name}" in done.stdout for name in ("use", "last"))
    assert "score" not in done.stdout


def test_a_pipeline_that_cannot_be_read_is_one_line(two_commits):
    Path("dvc.yaml").write_text("stages: [")
    done = run(current)
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1


def commit_code(message: str) -> None:
    """Record the workspace as what its code has computed."""
    files.write_json(code_path("toy"), code_of_stages("toy", Path("src")))
    for name in ("model", "scores", "end"):
        Path(name).write_text(f"{name} {message}")
    subprocess.run(["dvc", "commit", "--force", "--quiet"], check=True)
    git("add", "-A")
    git("commit", "--quiet", "-m", message)


@pytest.fixture
def hashed(two_commits):
    """The repository with stages that have a hash of their code: of a helper, which the evaluation alone imports."""
    stages = Path("src/reprise/toy/stages")
    stages.mkdir(parents=True)
    Path("src/run.py").write_text("import sys\n")
    (stages / "train.py").write_text("def main():\n    pass\n")
    (stages / "evaluate.py").write_text("from reprise.toy import helper\n")
    (stages.parent / "helper.py").write_text("LIMIT = 1\n")
    with Path("dvc.yaml").open("a") as file:
        file.write(HASHED)
    commit_code("hashed")


def append(path: str, text: str) -> None:
    with Path(path).open("a") as file:
        file.write(text)


def test_stages_whose_code_was_edited_are_named_before_it_is_hashed(hashed):
    assert run(current).exit_code == 0
    append("src/reprise/toy/helper.py", "# a comment\n")
    assert "is behind: hash would run" in run(current).stdout
    append("src/reprise/toy/helper.py", "LIMIT = 2\n")
    assert "is behind: hash, evaluate would run" in run(current).stdout
    append("src/run.py", "import os\n")
    assert "is behind: hash, train, evaluate would run" in run(current).stdout
    subprocess.run(["dvc", "freeze", "--quiet", "train"], check=True)
    assert "is behind: hash, evaluate would run" in run(current).stdout, "a frozen stage does not run"
    Path("src/run.py").write_text("import (\n")
    done = run(current)
    assert done.exit_code == 1
    assert done.stderr.startswith("src/run.py:1: not Python: ")


def test_what_follows_an_edited_stage_without_data_would_run_as_well(hashed):
    shutil.rmtree(".dvc/cache")
    for name in ("model", "scores", "end"):
        Path(name).unlink()
    append("src/reprise/toy/helper.py", "LIMIT = 2\n")
    assert "is behind: hash, evaluate, last would run" in run(current).stdout


def test_the_report_lists_edited_files_and_no_hashes(hashed):
    append("src/reprise/toy/helper.py", "LIMIT = 2\n")
    append("src/reprise/toy/stages/train.py", "# a comment\n")
    commit_code("edited")
    printed = run(pull_request, "HEAD~1").stdout
    assert "| `evaluate` | code (toy/helper.py), data (model) | different outputs: 1 |" in printed
    assert "| `hash` | code (src/reprise) | different outputs: 1 |" in printed
    assert "| `train` |" not in printed
    assert "No change of parameters." in printed
    printed = run(pull_request, "main").stdout
    assert "| `train` | new |" in printed
    append("src/reprise/toy/helper.py", "# a comment\n")
    commit_code("a comment")
    assert "code" not in run(pull_request, "HEAD~1").stdout.replace("| `hash` | code (src/reprise) |", "")
