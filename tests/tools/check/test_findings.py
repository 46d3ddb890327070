import json
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import load_yaml
from hypothesis import given
from hypothesis import strategies as st

from reprise.tools.check.findings import Findings, override, same_content

PATHS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="$"), min_size=1) | (
    st.sampled_from(
        ["a b", "it's", 'a "b"', "a\\", 'a\\"b', "true", "12", "1e3", "a=b", "a,b", "{x}", "null", "é", "a:b", "~", "/"]
    )
)


@given(PATHS.filter(lambda text: not text.startswith("[")))
def test_every_path_is_read_back_as_it_is(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "params.yaml"
    path.write_text("a: 1\nb: 2\n")
    apply_overrides(str(path), [override("b", text)])
    assert load_yaml(str(path)) == {"a": 1, "b": text}


@pytest.mark.parametrize(
    ("path", "printed"), [("/data/mine", "taxonomy.data=/data/mine"), ("my data", "'taxonomy.data=\"my data\"'")]
)
def test_a_printed_path_is_quoted_where_it_has_to_be_and_readable_then(path, printed):
    command = Findings(overrides={"taxonomy.data": path}).command("taxonomy-evaluate")
    assert command == f"dvc exp run -S {printed} taxonomy-evaluate"


def test_files_of_one_content_are_grouped(tmp_path):
    for name, content in {"a": b"1", "b": b"2", "c": b"1", "d": b"12"}.items():
        (tmp_path / name).write_bytes(content)
    paths = [Path(tmp_path, name) for name in "abcd"]
    assert same_content(paths) == [[tmp_path / "a", tmp_path / "c"]]


@pytest.mark.parametrize("task", ["taxonomy", "documents", "deepfake"])
def test_a_check_does_without_the_libraries_that_train_and_score(task):
    slow = ["torch", "transformers", "scipy.stats", "sklearn.metrics", "matplotlib"]  # seconds before anything is read
    code = f"import json, sys, reprise.tools.check.{task}; print(json.dumps([n for n in {slow} if n in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
