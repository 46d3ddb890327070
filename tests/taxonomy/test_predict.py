"""The command that classifies texts."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from reprise.core.command import run_command
from reprise.taxonomy import predict

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs the command with arguments: exit code, standard output and standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["predict", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run_command(predict.main)
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


def test_prediction_needs_the_model_folder_alone(in_finished, tmp_path, monkeypatch, call):
    (tmp_path / "models").symlink_to(in_finished / "models")
    (tmp_path / "texts.txt").write_text("a\tthe ball head slips\n\nno id here\n" + "z\t" + "word " * 40_000 + "\n")
    monkeypatch.chdir(tmp_path)
    code, out, _ = call("--file", "texts.txt", "--top-k", "3", "--accelerator", "cpu")
    assert code == 0
    records = [json.loads(line) for line in out.splitlines()]
    assert [record["id"] for record in records] == ["a", "3", "z"]
    for record in records:
        assert len(record["top"]) == 3
        for found in record["classes"]:
            assert len(found["path"]) == len(found["ids"]) == len(found["probabilities"])
            assert found["probabilities"] == sorted(found["probabilities"], reverse=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--file", "none.txt"], r"none.txt: no such file"),
        (["--text", "x", "--model", "none.safetensors"], r"none.safetensors: no such file; run `dvc repro`"),
        (["--text", "x", "--model", "damaged.safetensors"], r"damaged.safetensors: not a whole safetensors file"),
    ],
)
def test_prediction_says_what_is_missing(in_finished, call, arguments, message):
    model = Path("models/taxonomy/self_trained.safetensors").read_bytes()
    Path("damaged.safetensors").write_bytes(model[: len(model) // 2])
    code, out, error = call(*arguments)
    assert (code, out) == (1, "")
    assert message in error
    assert error.count("\n") == 1
