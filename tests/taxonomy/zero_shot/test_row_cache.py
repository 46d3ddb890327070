from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from reprise.taxonomy.zero_shot.row_cache import cached_rows, write_entry


@pytest.fixture
def compute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    calls: list[list[str]] = []

    def lengths(texts: list[str]) -> np.ndarray:
        calls.append(texts)
        return np.array([[len(text), len(set(text))] for text in texts], dtype=np.float32)

    lengths.calls = calls  # type: ignore[attr-defined]
    return lengths


def rows(texts, compute, settings="s", chunk=2):
    return cached_rows("toy", settings, texts, 2, compute, chunk=chunk, label="test")


def test_rows_are_computed_once(compute):
    texts = ["a", "bb", "ccc", "dd", "e"]
    first = rows(texts, compute)
    assert first[:, 0].tolist() == [1, 2, 3, 2, 1]
    assert [len(call) for call in compute.calls] == [2, 2, 1]
    assert np.array_equal(rows(texts, compute), first)
    assert len(compute.calls) == 3


def test_an_appended_text_costs_its_chunk_and_other_settings_cost_all(compute):
    rows(["a", "b", "c"], compute)
    rows(["a", "b", "c", "d"], compute)
    assert compute.calls[-1] == ["c", "d"]
    rows(["a", "b"], compute, settings="t")
    assert len(compute.calls) == 4


def test_a_killed_run_goes_on_after_its_last_whole_chunk(compute):
    def fail(texts: list[str]) -> np.ndarray:
        if "c" in texts:
            raise KeyboardInterrupt
        return compute(texts)

    with pytest.raises(KeyboardInterrupt):
        rows(["a", "b", "c"], fail)
    assert rows(["a", "b", "c"], compute)[:, 0].tolist() == [1, 1, 1]
    assert compute.calls == [["a", "b"], ["c"]]


def entries() -> list[Path]:
    return sorted(Path(".cache/toy").rglob("*.safetensors"))


def changed_value(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)


def other_shape(path: Path) -> None:
    write_entry(path, np.ones((1, 2), dtype=np.float32))


def changed_rows(path: Path) -> None:
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        rows, metadata = file.get_tensor("rows"), file.metadata()
    save_file({"rows": rows + 1}, path, metadata)


def another_entry(path: Path) -> None:
    path.write_bytes(next(other for other in entries() if other != path).read_bytes())


@pytest.mark.parametrize(
    "damage",
    [
        changed_value,
        changed_rows,
        other_shape,
        another_entry,
        lambda path: path.write_bytes(path.read_bytes()[:-3]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\x93NUMPY" * 20),
        lambda path: save_file({"other": np.ones((2, 2), dtype=np.float32)}, path),
    ],
)
def test_a_damaged_entry_is_computed_again_with_one_line(compute, damage, caplog):
    texts = ["a", "bb", "ccc", "dd"]
    first = rows(texts, compute)
    path = entries()[0]
    whole = path.read_bytes()
    damage(path)
    assert path.read_bytes() != whole
    with caplog.at_level("WARNING", logger="reprise"):
        assert np.array_equal(rows(texts, compute), first)
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        f"{path}: a damaged cache entry; its texts are computed again"
    ]
    assert path.read_bytes() == whole
    assert len(compute.calls) == 3


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(place=st.integers(0, 10_000), bits=st.integers(1, 255), cut=st.booleans())
def test_no_damage_to_an_entry_changes_a_row(compute, place, bits, cut):
    texts = ["a", "bb", "ccc", "dd"]
    first = rows(texts, compute)
    path = entries()[0]
    content = bytearray(path.read_bytes())
    place %= len(content)
    content[place] ^= bits
    path.write_bytes(content[:place] if cut else content)
    assert np.array_equal(rows(texts, compute), first)
