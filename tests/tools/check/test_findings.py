import json
import subprocess
import sys
from pathlib import Path

import pytest

from reprise.tools.check.findings import same_content


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
