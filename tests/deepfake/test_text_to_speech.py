import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import soxr
import torch
from safetensors.torch import load_file, save_file
from transformers import VitsModel, VitsTokenizer

from reprise.core.errors import InputError
from reprise.deepfake.data.audio import RATE
from reprise.deepfake.text_to_speech import SPEEDS, check_voice, label, load_voice, read_aloud
from tests.deepfake.tiny_voice import save_tiny_voice


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    return str(save_tiny_voice(tmp_path_factory.mktemp("voices") / "tiny"))


@pytest.mark.parametrize(
    ("voice", "name"),
    [
        ("hibari", "hibari"),
        ("hibari:heart", "hibari"),
        ("hibari:emma", "hibari_emma"),
        ("voices/en_US-joe-medium.onnx", "en_US-joe-medium"),
        ("facebook/mms-tts-eng", "mms-tts-eng"),
    ],
)
def test_protocols_call_a_voice_by_a_short_name(voice, name):
    assert label(voice) == name


@pytest.mark.parametrize("speed", [0.8, 1.25])
def test_vits_reads_as_transformers_itself_does(voice, speed):
    samples, rate = load_voice(voice)("good morning", speed, 7)
    model, tokenizer = VitsModel.from_pretrained(voice).eval(), VitsTokenizer.from_pretrained(voice)
    model.speaking_rate = speed
    torch.manual_seed(7)
    with torch.no_grad():
        expected = model(**tokenizer("good morning", return_tensors="pt")).waveform[0]
    assert rate == 22_050
    np.testing.assert_array_equal(samples, expected.numpy())


def test_a_faster_voice_says_the_same_in_less_time(voice):
    slow, fast = (len(load_voice(voice)("good morning", speed, 0)[0]) for speed in (0.5, 1.0))
    assert slow / fast == pytest.approx(2, rel=0.15)


def test_readings_have_the_rate_of_recordings_and_repeat_with_the_draw(voice):
    first, again, other = (read_aloud(voice, "good morning", np.random.default_rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert len(other) != len(first)
    generator = np.random.default_rng(0)
    speed, seed = float(generator.uniform(*SPEEDS)), int(generator.integers(2**31))
    np.testing.assert_array_equal(first, soxr.resample(load_voice(voice)("good morning", speed, seed)[0], 22_050, RATE))


def test_letters_that_a_voice_lacks_are_an_error_and_not_left_out(voice):
    with pytest.raises(InputError, match=r"the voice .*tiny cannot read this: it does not know '1', 'é'"):
        read_aloud(voice, "Good café 1", np.random.default_rng(0))


def test_a_voice_without_all_its_weights_is_refused(tmp_path):
    """Transformers would draw those that are missing at random."""
    folder = save_tiny_voice(tmp_path / "v")
    tensors = load_file(folder / "model.safetensors")
    removed = next(name for name in tensors if name.startswith("decoder."))
    save_file({name: tensor for name, tensor in tensors.items() if name != removed}, folder / "model.safetensors")
    with pytest.raises(
        InputError, match=r"cannot be loaded: ValueError: 1 weights of VITS are missing, such as decoder"
    ):
        load_voice(str(folder))


def test_of_several_speakers_the_first_reads(tmp_path):
    folder = str(save_tiny_voice(tmp_path / "v", num_speakers=3, speaker_embedding_size=4))
    samples, _ = load_voice(folder)("good morning", 1.0, 7)
    model, tokenizer = VitsModel.from_pretrained(folder).eval(), VitsTokenizer.from_pretrained(folder)
    outputs = []
    for speaker in (0, 1):
        torch.manual_seed(7)
        with torch.no_grad():
            outputs.append(model(**tokenizer("good morning", return_tensors="pt"), speaker_id=speaker).waveform[0])
    np.testing.assert_array_equal(samples, outputs[0].numpy())
    assert len(outputs[1]) != len(samples) or not np.array_equal(samples, outputs[1].numpy())


class FakePiper(types.ModuleType):
    """What `piper` and `onnxruntime` are asked for: samples that say the seed and the scale."""

    SynthesisConfig = staticmethod(lambda length_scale: length_scale)
    PiperConfig = types.SimpleNamespace(from_dict=lambda read: types.SimpleNamespace(**read))

    @staticmethod
    def PiperVoice(session, config):  # noqa: N802 -- a class of the package
        def synthesize(sentence, scale):
            return [types.SimpleNamespace(audio_float_array=np.full(2000, value)) for value in (session, scale)]

        return types.SimpleNamespace(synthesize=synthesize)


def test_piper_gets_seed_and_speed(tmp_path, monkeypatch):
    seeds: list[int] = []
    monkeypatch.setitem(sys.modules, "piper", FakePiper("piper"))
    monkeypatch.setattr("onnxruntime.set_seed", seeds.append)
    monkeypatch.setattr("onnxruntime.InferenceSession", lambda path, options, providers: seeds[-1] / 10)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    path = tmp_path / "joe.onnx"
    path.touch()
    Path(f"{path}.json").write_text(json.dumps({"length_scale": 1.5, "sample_rate": 22_050}))
    samples, rate = load_voice(str(path))("good morning", 2.0, 3)
    assert rate == 22_050
    np.testing.assert_array_equal(samples, [0.3] * 2000 + [0.75] * 2000)  # its own scale is 1.5


@pytest.mark.parametrize("name", ["", " ", "-", "x/-.onnx", ".."])
def test_a_voice_needs_a_name(tmp_path, monkeypatch, name):
    (tmp_path / "-").mkdir()
    monkeypatch.chdir("/" if name == ".." else tmp_path)
    with pytest.raises(InputError, match=f"^--voice '{name}': expected hibari, a file"):
        check_voice(name)


def test_an_error_while_a_voice_reads_is_one_line(voice, monkeypatch):
    def fail(sentence, speed, seed):
        raise IndexError("list index\nout of range")

    monkeypatch.setattr("reprise.deepfake.text_to_speech.load_voice", lambda name: fail)
    with pytest.raises(InputError, match=r"^the voice x cannot read this: IndexError: list index out of range$"):
        read_aloud("x", "good", np.random.default_rng(0))
    monkeypatch.setattr("reprise.deepfake.text_to_speech.load_voice", lambda name: lambda *_: (np.zeros(9), RATE))
    with pytest.raises(InputError, match=r"^the voice x says nothing$"):
        read_aloud("x", "good", np.random.default_rng(0))


def test_a_voice_that_is_missing_says_what_it_needs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [])  # no package is found
    monkeypatch.setattr(sys, "meta_path", [])
    monkeypatch.delitem(sys.modules, "hibari", raising=False)
    with pytest.raises(InputError, match="the voice hibari:emma needs hibari-tts: make speech-env"):
        check_voice("hibari:emma")
    with pytest.raises(InputError, match=r"joe\.onnx: no such file; a voice of Piper is two files"):
        check_voice("joe.onnx")
    Path("joe.onnx").touch()
    with pytest.raises(InputError, match=r"joe\.onnx\.json: no such file"):
        check_voice("joe.onnx")
    Path("joe.onnx.json").write_text(json.dumps({}))
    with pytest.raises(InputError, match=r"the voice joe\.onnx needs piper-tts"):
        check_voice("joe.onnx")


def test_a_voice_that_cannot_be_loaded_is_one_line(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"^the voice .* cannot be loaded: \w+Error: [^\n]*$"):
        load_voice(str(tmp_path))
