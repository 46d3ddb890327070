import numpy as np
import pytest

from reprise.taxonomy.zero_shot.row_cache import cached_rows


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
