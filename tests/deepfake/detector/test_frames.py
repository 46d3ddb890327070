from collections.abc import Iterator

import numpy as np
import pytest
import torch

from reprise.core import code
from reprise.core.errors import InputError
from reprise.core.seed import derive_seed
from reprise.deepfake.data.audio import RATE
from reprise.deepfake.detector.copies import CHANGING, change_key, change_of, make_copies
from reprise.deepfake.detector.crops import CropMaker
from reprise.deepfake.detector.frames import DECIDING, encoder_key, hear, hear_once
from reprise.deepfake.detector.model import Detector
from reprise.deepfake.detector.pieces import LENGTHS, moment_centres
from reprise.deepfake.detector.scoring import score_utterance
from reprise.deepfake.detector.windows import describe
from tests.conftest import TINY_WHISPER
from tests.deepfake.helpers import make_corpus, speech, tiny_recipe


def whisper_recipe(**changes):
    return tiny_recipe("whisper", ssl_weights=False, ssl_config=TINY_WHISPER, **changes)


VIEWS = 3  # Conformer, statistics, pooled states


@pytest.fixture
def detector() -> Iterator[Detector]:
    torch.manual_seed(0)
    yield Detector(whisper_recipe()).eval()
    encoder_key.cache_clear()
    change_key.cache_clear()


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("seconds", [0.4, 0.613, 1.3])
def test_hearing_then_judging_is_the_detector(detector, seconds):
    samples = speech(seconds, 0)
    with torch.no_grad():
        whole = float(detector(torch.from_numpy(samples)[None]).logits[0])
    assert -score_utterance(samples, detector) == pytest.approx(whole, abs=2e-2)  # frames are kept in half precision


@pytest.mark.parametrize("seconds", [7.9, 8.5, 30.0, 57.5])
def test_a_long_recording_has_a_frame_for_every_40_ms(detector, seconds):
    assert len(hear(speech(seconds, 0), detector)) == int(seconds * 25)


@pytest.mark.parametrize("seconds", [0.05, 0.3, 1.3])
def test_every_moment_is_described_also_of_a_short_recording(detector, seconds):
    samples = speech(seconds, 0)
    described = describe(samples, detector)
    assert described.shape == (len(moment_centres(len(samples))), len(LENGTHS), VIEWS * 32 + 1)
    assert np.isfinite(described).all()


def test_a_window_is_a_slice_of_what_was_heard(detector):
    samples = speech(2.0, 1)
    frames = torch.from_numpy(hear(samples, detector)).float()[None]
    with torch.no_grad():
        output = detector.judge(detector.condense(frames[:, 21:31]))  # 0.4 s around 1.05 s, frame 26
    described = describe(samples, detector)[10, LENGTHS.index(0.4)]
    np.testing.assert_allclose(described[:-1], output.vectors[0].numpy(), atol=1e-4)
    assert described[-1] == pytest.approx(float(output.logits[0]), abs=1e-4)


def test_a_recording_is_heard_once(detector, monkeypatch):
    samples = speech(0.5, 0)
    first = np.array(hear_once(samples, detector))
    np.testing.assert_array_equal(first, hear(samples, detector))
    changed = np.array(hear_once(samples, detector, change=("louder noise", lambda same: same + speech(0.5, 9))))
    assert np.abs(changed - first).max() > 0.1
    monkeypatch.setattr(Detector, "listen", None)
    np.testing.assert_array_equal(first, hear_once(samples, detector))


def test_another_encoder_hears_anew(detector):
    samples = speech(0.5, 0)
    first = np.array(hear_once(samples, detector))
    torch.manual_seed(1)
    other = Detector(whisper_recipe()).eval()
    np.testing.assert_array_equal(hear_once(samples, other), hear(samples, other))
    assert not np.array_equal(first, hear_once(samples, other))


@pytest.mark.parametrize("module", DECIDING)
def test_edited_code_hears_anew(detector, monkeypatch, module):
    samples = speech(0.5, 0)
    hear_once(samples, detector)
    edit(monkeypatch, module)
    monkeypatch.setattr(Detector, "listen", None)
    with pytest.raises(TypeError):
        hear_once(samples, detector)


@pytest.mark.parametrize("module", CHANGING)
def test_edited_code_makes_copies_anew(detector, monkeypatch, module):
    corpus, recipe = make_corpus(2), whisper_recipe(resyntheses=1, channel_copies=1)
    make_copies(corpus, detector, recipe, 0, "cpu")
    edit(monkeypatch, module)
    heard = []

    def listen(self: Detector, samples: torch.Tensor) -> torch.Tensor:
        heard.append(samples)
        return torch.zeros(1, 3, 16)

    monkeypatch.setattr(Detector, "listen", listen)
    make_copies(corpus, detector, recipe, 0, "cpu")
    assert len(heard) == 4 + 2  # a channel copy of each of the four, a re-synthesis of each natural one; no recording


def edit(monkeypatch, module: str) -> None:
    """Have one source look as if it had been another one at the process's start."""
    monkeypatch.setattr(code, "_AT_START", {**code._AT_START, f"reprise.deepfake.{module}": "edited"})
    encoder_key.cache_clear()
    change_key.cache_clear()


def test_crops_of_frames_are_slices_of_twins_at_the_same_place(detector):
    corpus = make_corpus(3)
    recipe = whisper_recipe(crop_seconds=[0.4, 0.4], partial_spoofs=0, resynthesis_share=0, resyntheses=0)
    copies = make_copies(corpus, detector, recipe, 0, "cpu")
    crops, labels = CropMaker(corpus, recipe, copies)(torch.tensor([3, 5]), np.random.default_rng(0))
    assert crops.shape[:2] == (4, 10)
    assert labels.tolist() == [1, 1, 0, 0]
    for place, row in enumerate([3, 5]):
        wholes = [hear(corpus.waveform(each), detector).astype(np.float32) for each in (row, row - 3)]
        starts = [
            start
            for start in range(len(wholes[0]) - 9)
            if np.array_equal(wholes[0][start : start + 10], crops[place].numpy())
            and np.array_equal(wholes[1][start : start + 10], crops[place + 2].numpy())
        ]
        assert len(starts) == 1


def test_partial_spoofs_of_frames_are_natural_but_for_a_stretch(detector):
    corpus = make_corpus(3)
    recipe = whisper_recipe(crop_seconds=[1.0, 1.0], partial_spoofs=1, partial_seconds=[0.2, 0.2], resynthesis_share=0)
    copies = make_copies(corpus, detector, recipe, 0, "cpu")
    crops, _ = CropMaker(corpus, recipe, copies)(torch.tensor([3, 4]), np.random.default_rng(0))
    for spoof, natural in zip(crops[:2], crops[2:], strict=True):
        assert (spoof != natural).any(1).nonzero()[:, 0].diff().eq(1).all()
        assert (spoof != natural).any(1).sum() == 5


def test_resyntheses_come_with_their_natural_utterance(detector):
    corpus = make_corpus(2)
    recipe = whisper_recipe(crop_seconds=[1.2, 1.2], partial_spoofs=0, resyntheses=1, resynthesis_share=1)
    (copies,) = made_copies = make_copies(corpus, detector, recipe, 0, "cpu")
    assert [len(made) for made in copies.resyntheses] == [1, 1, 0, 0]
    crops, _ = CropMaker(corpus, recipe, made_copies)(torch.tensor([2, 3]), np.random.default_rng(0))
    for spoof, natural in zip(crops[:2], crops[2:], strict=True):
        row = next(r for r in range(2) if np.array_equal(copies.forms[r][0][:5], natural[:5].numpy()))
        assert np.array_equal(copies.resyntheses[row][0][:5], spoof[:5].numpy())


def test_copies_serve_detectors_of_samples_too():
    corpus = make_corpus(2)
    recipe = tiny_recipe(channel_copies=2, resyntheses=1, resynthesis_share=0.5)
    (copies,) = made_copies = make_copies(corpus, Detector(recipe), recipe, 0, "cpu")
    assert [len(forms) for forms in copies.forms] == [3] * 4
    np.testing.assert_array_equal(copies.forms[0][0], corpus.waveform(0))
    (again,) = make_copies(corpus, Detector(recipe), recipe, 0, "cpu")
    np.testing.assert_array_equal(copies.forms[2][1], again.forms[2][1])
    samples, labels = CropMaker(corpus, recipe, made_copies)(torch.tensor([2, 3]), np.random.default_rng(0))
    assert samples.shape[0] == 4
    assert samples.shape[1] >= recipe.crop_seconds[0] * RATE
    assert labels.tolist() == [1, 1, 0, 0]


def test_no_view_outvotes_another():
    """A piece that is natural at the best to one view is as suspicious as the other view finds it."""
    torch.manual_seed(0)
    head = Detector(whisper_recipe(evidence="summed", pooled_states=False)).head
    readouts = [torch.zeros(1, 48), torch.randn(1, 64)]
    with torch.no_grad():
        for view in head.views:  # type: ignore[union-attr]
            view.projection.bias.zero_()
        logit, _, each = head(readouts)
        evidence = each[0, 1] + head.views[1].bias  # type: ignore[union-attr, index]
        assert float(logit) == pytest.approx(float(evidence - head.bias))
        assert float(head([torch.randn(1, 48), readouts[1]])[0]) >= float(logit)


@pytest.mark.parametrize("speed", [0.8, 1.25])
def test_speed_moves_length_and_pitch_together(speed):
    tone = np.sin(2 * np.pi * 400 * np.arange(2 * RATE) / RATE).astype(np.float32) / 2
    changed = change_of("as it is", 0, speed)(tone)
    assert len(changed) == round(2 * RATE / speed)
    spectrum = np.abs(np.fft.rfft(changed * np.hanning(len(changed))))
    assert spectrum.argmax() * RATE / len(changed) == pytest.approx(400 * speed, abs=1)
    np.testing.assert_allclose(changed[2000:-2000].std(), tone.std(), rtol=0.01)


def test_copies_are_made_at_every_speed():
    corpus = make_corpus(2)
    recipe = tiny_recipe(channel_copies=1, resyntheses=1, resynthesis_share=0.5, speeds=[0.8, 1.25])
    as_recorded, slow, fast = make_copies(corpus, Detector(recipe), recipe, 0, "cpu")
    count = len(corpus.waveform(0))
    assert [len(form) for form in (*as_recorded.forms[0], *as_recorded.resyntheses[0])] == [count] * 3
    assert [len(form) for form in (*slow.forms[0], *slow.resyntheses[0])] == [round(count / 0.8)] * 3
    assert [len(form) for form in (*fast.forms[0], *fast.resyntheses[0])] == [round(count / 1.25)] * 3
    plain = tiny_recipe(channel_copies=1, resyntheses=1, resynthesis_share=0.5)
    (alone,) = make_copies(corpus, Detector(plain), plain, 0, "cpu")
    np.testing.assert_array_equal(as_recorded.forms[3][1], alone.forms[3][1])


def test_a_frozen_encoder_hears_each_speed_and_keeps_them_apart(detector):
    corpus, seed = make_corpus(2), 3
    recipe = whisper_recipe(channel_copies=0, resyntheses=0, resynthesis_share=0, speeds=[0.8, 1.25])
    for _ in ("computed", "of the cache"):
        for speed, copies in zip((1, 0.8, 1.25), make_copies(corpus, detector, recipe, seed, "cpu"), strict=True):
            for row, (form,) in enumerate(copies.forms):
                samples = corpus.waveform(row)
                change = change_of("as it is", derive_seed(seed, "as it is", row, 0), speed)
                np.testing.assert_array_equal(form, hear(samples if speed == 1 else change(samples), detector))


@pytest.mark.parametrize("speeds", [[1.0], [0.9, 0.9], [0.4]])
def test_speeds_that_say_nothing_new_are_refused(speeds):
    with pytest.raises(InputError, match="speeds"):
        tiny_recipe(speeds=speeds)
