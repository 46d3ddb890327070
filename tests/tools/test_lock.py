import pytest

from reprise.core.errors import InputError
from reprise.tools.lock import stages_of
from reprise.tools.repository import Snapshot


@pytest.mark.parametrize("text", ["schema: '2.0'", "[1, 2", "stages: 5", "just text", "stages:"])
def test_a_damaged_lock_is_one_line(text):
    with pytest.raises(InputError, match=r"^dvc\.lock: not what DVC writes; restore it with `git checkout dvc\.lock`$"):
        stages_of(text)


def test_no_lock_has_no_stages():
    assert stages_of(None) == stages_of(" \n") == {}
    assert stages_of("schema: '2.0'\nstages:\n  a:\n    cmd: b\n") == {"a": {"cmd": "b"}}


def test_a_file_that_is_no_text_is_one_line(tmp_path):
    (tmp_path / "metrics.json").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"^metrics\.json: not text in UTF-8, in workspace$"):
        Snapshot("workspace", root=tmp_path).read((tmp_path / "metrics.json").relative_to(tmp_path))
