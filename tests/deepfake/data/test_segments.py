import os
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprise.core.errors import InputError
from reprise.deepfake.data.partial import join_partial_spoofs, make_partial_spoofs, take_labelled_spoofs
from reprise.deepfake.data.protocols import Trial
from reprise.deepfake.data.segments import find_segment_labels, read_segment_labels, runs, spoofed_spans
from reprise.deepfake.explainer.curve import FRAME
from reprise.deepfake.quality.faithfulness import frame_labels
from tests.deepfake.helpers import make_corpus


def write_labels(path, labels):
    """As PartialSpoof's files are: a pickled dictionary of arrays of strings."""
    arrays: Any = {name: np.array(list(text)) for name, text in labels.items()}
    np.save(path, arrays, allow_pickle=True)


def test_the_labels_are_those_that_numpy_reads(tmp_path):
    path = tmp_path / "eval_seglab_0.16.npy"
    write_labels(path, {"CON_E_1": "1001", "LA_E_2": "11"})
    expected = np.load(path, allow_pickle=True).item()
    found = read_segment_labels(path)
    assert {name: (values == "0").tolist() for name, values in expected.items()} == {
        name: values.tolist() for name, values in found.items()
    }


def test_a_pickle_of_numpy_1_is_read(tmp_path):
    path = tmp_path / "eval_seglab_0.16.npy"
    content = np.array({"a": np.array(["1", "0"])}, dtype=object)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
        file.write(pickle.dumps(content, protocol=3).replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert read_segment_labels(path)["a"].tolist() == [False, True]


class Evil:
    def __reduce__(self):
        return os.mkdir, ("pwned",)


@pytest.mark.parametrize("content", [{"a": Evil()}, [1], {"a": np.array(["2"])}, {1: np.array(["1"])}])
def test_anything_else_is_one_line_and_runs_nothing(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    np.save("eval_seglab_0.16.npy", np.array(content, dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"eval_seglab_0\.16\.npy: ") as error:
        read_segment_labels(tmp_path / "eval_seglab_0.16.npy")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "pwned").exists()


@given(st.binary(max_size=100))
def test_any_bytes_are_one_line(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.npy"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a dictionary of segment labels"):
        read_segment_labels(path)


def test_the_shortest_segments_count(tmp_path):
    (tmp_path / "segment_labels").mkdir()
    for name in ("eval_seglab_0.64.npy", "eval_seglab_0.02.npy", "dev_seglab_0.01.npy", "eval_seglab_x.npy"):
        write_labels(tmp_path / "segment_labels" / name, {})
    assert find_segment_labels(tmp_path, "eval") == (tmp_path / "segment_labels/eval_seglab_0.02.npy", 0.02)
    assert find_segment_labels(tmp_path, "train") is None


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.integers(0, 319))
def test_stretches_say_the_same_as_the_labels_of_every_sample(spoofed, lacking):
    length = 320 * len(spoofed) - lacking
    said = np.zeros(length, bool)
    for start, end in runs(np.array(spoofed), 320, length):
        said[start:end] = True
    assert np.array_equal(said, np.repeat(spoofed, 320)[:length])
    assert np.array_equal(frame_labels(320 * len(spoofed), runs(np.array(spoofed), 320, 320 * len(spoofed))), spoofed)


TRIALS = [Trial("a", "s", "-", False, "p:1"), Trial("b", "s", "A01", True, "p:2")]


def test_labels_and_protocol_have_to_agree(tmp_path):
    path, lengths = tmp_path / "eval_seglab_0.1.npy", {"a": 4800, "b": 4800}
    write_labels(path, {"a": "111", "b": "101", "other": "0"})
    assert spoofed_spans(path, 0.1, TRIALS, lengths) == {"b": [[1600, 3200]]}
    write_labels(path, {"a": "000", "b": "101"})  # 0 for natural: the other way round
    with pytest.raises(InputError, match=r"p:1: 'a' is bonafide, but .* has spoofed segments"):
        spoofed_spans(path, 0.1, TRIALS, lengths)
    write_labels(path, {"b": "1011111"})
    with pytest.raises(InputError, match=r"utterance 'b': 7 segments of 0\.1 s; the recording has 0\.30 s"):
        spoofed_spans(path, 0.1, TRIALS, lengths)


def test_labelled_spoofs_stand_beside_spliced_ones():
    corpus = make_corpus(4)
    names = corpus.table["utterance"].tolist()
    spans = {
        names[4]: [[0, 3200], [6400, 9600]],
        names[5]: [],  # natural all over
        names[6]: [[0, int(corpus.samples[6])]],  # spoofed all over
        names[0]: [[0, 3200]],  # not a spoof
    }
    labelled = take_labelled_spoofs(corpus, spans, 5, 0)
    assert labelled.table["source"].tolist() == [names[4]]
    assert labelled.table["twin"].tolist() == [4]
    assert np.array_equal(labelled.waveform(0), corpus.waveform(4))
    labels = frame_labels(int(labelled.samples[0]), labelled.table["spans"][0])
    assert labels.sum() == 2 * 3200 / FRAME
    spliced = make_partial_spoofs(corpus, 2, (0.2, 0.4), 0)
    both = join_partial_spoofs(spliced, labelled)
    assert len(both) == 3
    for row, (part, own) in enumerate([(spliced, 0), (spliced, 1), (labelled, 0)]):
        assert np.array_equal(both.waveform(row), part.waveform(own))
    assert len(take_labelled_spoofs(corpus, spans, 0, 0)) == 0
