"""Make spoofs of a person's own recordings by copy-synthesis, to train a detector on (Wang and Yamagishi, ICASSP 2023).

    python -m reprise.deepfake.vocode recordings/ data/deepfake/mine

Takes all recordings under a folder and writes each, at 16 kHz, with a copy-synthesis by every vocoder (or those named
by `--vocoders`) to OUT/flac, and OUT/protocol.txt in the layout of ASVspoof 2019: speaker (the folder that a recording
lies in), utterance, -, vocoder, key. Split the protocol by speakers into train, dev and eval.
"""

import argparse
import itertools
import logging
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from reprise.core.errors import InputError
from reprise.core.files import write_text
from reprise.core.seed import derive_seed
from reprise.deepfake.data.audio import EXTENSIONS, read_audio, write_flac
from reprise.deepfake.sample.vocoders import VOCODERS, synthesise

MIN_SECONDS, MAX_SECONDS = 0.2, 600.0


def main() -> int:
    """Make the set that the command line describes; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    arguments = parse_arguments()
    try:
        vocode(arguments.folder, arguments.out, arguments.vocoders, arguments.seed, arguments.processes)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def vocode(folder: Path, out: Path, names: "list[str]", seed: int, processes: int) -> None:
    """Write recordings, their syntheses and the protocol.

    Raises:
        InputError: a folder without recordings, two of one name, one that cannot be read, or an OUT that is not empty.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in EXTENSIONS and path.is_file())
    if not paths:
        raise InputError(f"{folder}: no recording in it; known extensions are {', '.join(EXTENSIONS)}")
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out}: not empty; name a new folder")
    stems = [path.stem for path in paths]
    if repeated := sorted({stem for stem in stems if stems.count(stem) > 1}):
        raise InputError(f"{folder}: several recordings are called {repeated[0]!r}")
    (out / "flac").mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(processes) as pool:
        same = [itertools.repeat(each) for each in (folder, out, names, seed)]
        lines = [line for part in pool.map(vocode_one, paths, *same, chunksize=4) for line in part]
    write_text(out / "protocol.txt", "\n".join(lines) + "\n")
    logging.getLogger("reprise").info(
        "%d recordings, %d spoofs: %s", len(paths), len(lines) - len(paths), out / "protocol.txt"
    )


def vocode_one(path: Path, folder: Path, out: Path, names: "list[str]", seed: int) -> "list[str]":
    """Write one recording and its syntheses; returns their protocol lines."""
    import torch

    torch.set_num_threads(1)
    samples = read_audio(path, MIN_SECONDS, MAX_SECONDS).samples
    speaker = path.parent.name if path.parent != folder else "-"
    lines = []
    for name in ("-", *names):
        utterance = path.stem if name == "-" else f"{path.stem}-{name}"
        generator = np.random.default_rng(derive_seed(seed, "vocode", path.stem, name))
        made = samples if name == "-" else synthesise(name, samples, generator)
        write_flac(out / "flac" / f"{utterance}.flac", made)
        lines.append(f"{speaker} {utterance} - {name} {'bonafide' if name == '-' else 'spoof'}")
    return lines


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Make spoofs of recordings by copy-synthesis.")
    parser.add_argument("folder", type=Path, help="recordings, in a folder a speaker")
    parser.add_argument("out", type=Path, help="new folder for flac/ and protocol.txt")
    parser.add_argument("--vocoders", nargs="+", choices=list(VOCODERS), default=list(VOCODERS), help="which (all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="side by side (all cores)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
