"""Voices that read sentences aloud: spoofs by neural text-to-speech, of which no natural twin exists.

| Name of a voice | What reads | What it needs |
| --- | --- | --- |
| `hibari`, or `hibari:emma` | a small network that learned from Kokoro-82M, English | hibari-tts (Apache-2.0) |
| a file `NAME.onnx` beside `NAME.onnx.json` | a voice of Piper (VITS), any language | piper-tts (GPL-3.0) |
| a name of the hub, or a folder | VITS of transformers, such as `facebook/mms-tts-eng` | its weights |

The environment that everyone gets has neither package; `make speech-env` adds hibari-tts.
"""

import functools
import importlib.util
import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from reprise.core.errors import InputError
from reprise.deepfake.data.audio import RATE

Reader = Callable[[str, float, int], tuple[np.ndarray, int]]  # sentence, speed, seed -> samples (N,), their rate

HIBARI, HIBARI_DEFAULT = "hibari", "heart"
PIPER_SUFFIX = ".onnx"
SPEEDS = (0.85, 1.2)  # times a voice's own, which is always the same
LARGEST_SEED = 2**31
LETTERS_SHOWN = 5


def label(voice: str) -> str:
    """What files and protocols call a voice."""
    if is_hibari(voice):
        name = voice.partition(":")[2] or HIBARI_DEFAULT
        return HIBARI if name == HIBARI_DEFAULT else f"{HIBARI}_{name}"
    return (Path(voice).resolve() if Path(voice).exists() else Path(voice)).name.removesuffix(PIPER_SUFFIX)


def check_voice(voice: str) -> None:
    """Refuse a voice whose package or file is missing.

    Raises:
        InputError: it is missing, or its name says nothing.
    """
    if not voice.strip() or not label(voice).strip("-. "):
        raise InputError(f"--voice {voice!r}: expected hibari, a file NAME.onnx, a name of the hub or a folder")
    if is_hibari(voice) and importlib.util.find_spec("hibari") is None:
        raise InputError(f"the voice {voice} needs hibari-tts: make speech-env, or pip install hibari-tts")
    if voice.endswith(PIPER_SUFFIX):
        for path in (Path(voice), Path(f"{voice}.json")):
            if not path.is_file():
                raise InputError(f"{path}: no such file; a voice of Piper is two files, NAME.onnx and NAME.onnx.json")
        if importlib.util.find_spec("piper") is None:
            raise InputError(f"the voice {voice} needs piper-tts (GPL-3.0): pip install piper-tts")


def is_hibari(voice: str) -> bool:
    return voice.partition(":")[0] == HIBARI


@functools.lru_cache(maxsize=4)
def load_voice(voice: str) -> Reader:
    """Load a voice.

    Raises:
        InputError: it cannot be loaded.
    """
    check_voice(voice)
    load = hibari if is_hibari(voice) else piper if voice.endswith(PIPER_SUFFIX) else vits
    try:
        return load(voice)
    except Exception as error:  # of a hub, of onnxruntime, of JSON: each package has its own kinds
        where = "" if is_hibari(voice) or Path(voice).exists() else "no such folder, and from the hub: "
        raise InputError(f"the voice {voice} cannot be loaded: {where}{in_one_line(error)}") from error


def in_one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def hibari(voice: str) -> Reader:
    """A voice of hibari; voices other than `heart` are downloaded when they first speak."""
    from hibari import Hibari

    reader: Any = Hibari(voice=voice.partition(":")[2] or HIBARI_DEFAULT)

    def read(sentence: str, speed: float, seed: int) -> tuple[np.ndarray, int]:
        plain = unicodedata.normalize("NFKD", sentence)  # é is read as e
        refuse_letters({letter for letter in plain if letter.isalnum() and not letter.isascii()})
        return reader(sentence, speed=speed, seed=seed), reader.sample_rate

    return read


def refuse_letters(letters: set[str]) -> None:
    """Refuse letters that a voice would leave out without a word.

    Raises:
        InputError: there are any.
    """
    if letters:
        raise InputError(f"it does not know {', '.join(map(repr, sorted(letters)[:LETTERS_SHOWN]))}")


def piper(voice: str) -> Reader:
    """A voice of Piper; where there are several speakers, its default one."""
    import onnxruntime
    from piper import PiperConfig, PiperVoice, SynthesisConfig

    config = PiperConfig.from_dict(json.loads(Path(f"{voice}.json").read_text(encoding="utf-8")))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # the processes fill the cores

    def load(seed: int) -> Any:
        onnxruntime.set_seed(seed)  # a session takes it when it is made, so that each sentence needs a new one
        session = onnxruntime.InferenceSession(voice, options, providers=["CPUExecutionProvider"])
        return PiperVoice(session=session, config=config)

    load(0)  # an error says so before any sentence is read

    def read(sentence: str, speed: float, seed: int) -> tuple[np.ndarray, int]:
        chunks = load(seed).synthesize(sentence, SynthesisConfig(length_scale=config.length_scale / speed))
        parts = [np.zeros(0, np.float32), *(chunk.audio_float_array for chunk in chunks)]
        return np.concatenate(parts), config.sample_rate

    return read


def vits(voice: str) -> Reader:
    """VITS of transformers (Kim, Kong and Son, ICML 2021); where there are several speakers, the first.

    Raises:
        ValueError: the folder holds another model, or not all weights, which would be drawn at random.
    """
    import torch
    from transformers import AutoTokenizer, VitsModel
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # each process would draw its own
    tokenizer: Any = AutoTokenizer.from_pretrained(voice)
    loaded: Any = VitsModel.from_pretrained(voice, output_loading_info=True)
    model, found = loaded[0].eval(), loaded[1]
    if lacking := [*found["missing_keys"], *found["mismatched_keys"]]:
        raise ValueError(f"{len(lacking)} weights of VITS are missing, such as {lacking[0]}")
    own_speed = model.speaking_rate
    speaker = {"speaker_id": 0} if model.config.num_speakers > 1 else {}
    by_letter = not (getattr(tokenizer, "is_uroman", False) or getattr(tokenizer, "phonemize", False))

    @torch.inference_mode()
    def read(sentence: str, speed: float, seed: int) -> tuple[np.ndarray, int]:
        if by_letter:
            known = tokenizer.get_vocab()
            refuse_letters({each for each in sentence if each.isalnum() and not {each, each.lower()} & known.keys()})
        tokens = tokenizer(sentence, return_tensors="pt")
        model.speaking_rate = own_speed * speed
        torch.manual_seed(seed)
        return model(**tokens, **speaker).waveform[0].numpy(), model.config.sampling_rate

    return read


def read_aloud(voice: str, sentence: str, generator: np.random.Generator) -> np.ndarray:
    """Samples (N,) float32 at 16 kHz of a sentence, at a random speed.

    Raises:
        InputError: the voice cannot be loaded, cannot read the sentence, or says nothing.
    """
    import soxr

    speed, seed = float(generator.uniform(*SPEEDS)), int(generator.integers(LARGEST_SEED))
    read = load_voice(voice)
    try:
        samples, rate = read(sentence, speed, seed)
    except InputError as error:
        raise InputError(f"the voice {voice} cannot read this: {error}") from None
    except Exception as error:  # each package has its own kinds
        raise InputError(f"the voice {voice} cannot read this: {in_one_line(error)}") from error
    if not samples.any() or not np.isfinite(samples).all():
        raise InputError(f"the voice {voice} says nothing")
    return np.asarray(soxr.resample(np.asarray(samples, np.float32), rate, RATE), np.float32)
