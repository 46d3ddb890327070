"""The command that classifies texts."""

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprise.core.command import run_command
from reprise.taxonomy import predict
from reprise.taxonomy.data.hierarchy import Hierarchy
from tests.taxonomy.readers import value_or_error

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
    (tmp_path / "texts.txt").write_text("a\tthe ball head slips\nno id here\n" + "z\t" + "word " * 40_000 + "\n")
    monkeypatch.chdir(tmp_path)
    code, out, _ = call("--file", "texts.txt", "--top-k", "3", "--accelerator", "cpu")
    assert code == 0
    records = [json.loads(line) for line in out.splitlines()]
    assert [record["id"] for record in records] == ["a", "2", "z"]
    for record in records:
        assert len(record["top"]) == 3
        for found in record["classes"]:
            assert len(found["path"]) == len(found["ids"]) == len(found["probabilities"])
            assert found["probabilities"] == sorted(found["probabilities"], reverse=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--file", "none.txt"], r"none.txt: no such file"),
        (["--file", "models"], r"models: a folder; expected a file"),
        (["--text", ""], "--text is empty; expected a text"),
        (["--text", " \t "], "--text is empty; expected a text"),
        (["--text", "\udcff"], "--text is not UTF-8"),
        ([], "give either --text or --file"),
        (["--text", "x", "--file", "y"], "give either --text or --file"),
        (["--text", "x", "--accelerator", "abacus"], "'abacus'; choose auto, cpu"),
        (["--text", "x", "--model", "models"], "models: "),
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


def test_every_line_of_a_file_has_its_line_of_output(in_finished, call, tmp_path):
    lines = [
        b"a\tthe ball head slips",
        b"",
        b"b\t ",
        b"\ttea",
        b"c\t\xff",
        b"a\ttwice",
        "e\u0301\ttea".encode(),
        "\u00e9\ttea".encode(),
        b"d\x1b[2J\xe2\x80\xae\ttea",
        b"x\x00y",
        b"plain",
    ]
    path = tmp_path / "texts.txt"
    path.write_bytes(b"\n".join(lines) + b"\n")
    code, out, _ = call("--file", str(path), "--accelerator", "cpu")
    assert code == 1
    assert all(line.isprintable() for line in out.splitlines())
    records = [json.loads(line, parse_constant=refuse_constant) for line in out.splitlines()]
    assert [record["id"] for record in records] == [
        "a", "2", "b", "4", "5", "a", "é", "é", "d\x1b[2J\u202e", "10", "11"
    ]  # fmt: skip
    errors = [record.get("error", "").removeprefix(f"{path}:") for record in records]
    assert errors == [
        "",
        "2: no text",
        "3: no text",
        "4: nothing before the tab; expected a text, or doc id<TAB>text",
        "5: byte 3 of the line is not UTF-8 (0xff)",
        "6: duplicate id 'a', first on line 1",
        "",
        "8: duplicate id 'é', first on line 7",
        "",
        "10: a NUL character; expected UTF-8 text",
        "",
    ]
    assert all(("top" in record) != ("error" in record) for record in records)


def refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def test_a_file_without_a_text_gives_no_number(in_finished, call, tmp_path):
    (tmp_path / "empty.txt").write_bytes(b"")
    code, out, error = call("--file", str(tmp_path / "empty.txt"))
    assert (code, out) == (1, "")
    assert "no texts; expected one a line" in error
    (tmp_path / "blank.txt").write_bytes(b"\n\n")
    code, out, _ = call("--file", str(tmp_path / "blank.txt"))
    assert code == 1
    assert [sorted(json.loads(line)) for line in out.splitlines()] == [["error", "id"]] * 2


@given(content=st.binary(max_size=100) | st.text(alphabet="a\té\n\r\0 ", max_size=30).map(str.encode))
def test_any_bytes_give_a_document_a_line_or_one_line_of_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "texts.txt"
    path.write_bytes(content)
    documents, error = value_or_error(lambda: predict.read_documents(path))
    if documents is None:
        assert error
        assert error.isprintable()
    else:
        lines = content.removeprefix(b"\xef\xbb\xbf").removesuffix(b"\n").count(b"\n") + 1
        assert len(documents) == lines
        good = [document for document in documents if document.error is None]
        assert len({document.id for document in good}) == len(good)
        assert all(document.text.strip() for document in good)


def diamonds(levels: int) -> Hierarchy:
    """A root and levels of two classes, each level fully linked with the next: 2^levels paths to the last classes."""
    pairs = [(2 * level + 1, 2 * level + 2) for level in range(levels)]
    edges = [(0, child) for child in pairs[0]]
    edges += [(parent, child) for above, below in itertools.pairwise(pairs) for parent in above for child in below]
    ids = tuple(str(number) for number in range(2 * levels + 1))
    return Hierarchy(ids, ids, ((),) * len(ids), tuple(edges))


def test_a_class_of_four_million_paths_is_described_by_its_best():
    hierarchy = diamonds(22)
    chosen = np.ones(len(hierarchy), dtype=bool)
    probabilities = np.linspace(1, 0.5, len(hierarchy))
    started = time.process_time()
    described = predict.describe_prediction(probabilities, chosen, hierarchy, 3)
    assert time.process_time() - started < 2
    assert len(described["classes"]) == 2 * predict.PATHS_SHOWN
    assert described["classes"][0]["ids"] == [str(number) for number in (0, *range(1, 45, 2))]


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_and_a_quiet_console(in_finished, tmp_path):
    (tmp_path / "texts.txt").write_text("tea and more of it\n" * 3000)
    command = [sys.executable, "-m", "reprise.taxonomy.predict", "--accelerator", "cpu"]
    environment = os.environ | {"PYTHONPATH": str(Path(predict.__file__).parents[2])}
    one = subprocess.run([*command, "--text", "tea"], env=environment, capture_output=True, text=True, check=True)
    assert (len(one.stdout.splitlines()), one.stderr) == (1, "")
    with subprocess.Popen(
        [*command, "--file", str(tmp_path / "texts.txt")],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["id"] == "1"
        process.stdout.close()
        assert process.stderr.read() == ""
