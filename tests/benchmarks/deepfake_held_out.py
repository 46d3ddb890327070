"""How far verdicts carry over to kinds of synthesis that no training had: each kind of train left out once.

    python -m tests.benchmarks.deepfake_held_out .cache/held-out

Runs at the root of a clone, on the corpus that `deepfake` names in params.yaml, whose splits have to be protocols in
the layout of ASVspoof 2019. For each kind (attack) of train, a copy of the protocols leaves it out of train and dev,
and all other kinds out of eval; the stages recipe, prepare, detector and evaluate run on it. A second call goes on with
what is not there yet. Prints the equal error rates of network, baseline and fused verdict on the kind left out.
"""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from ruamel.yaml import YAML

from reprise.core.command import run_command
from reprise.core.errors import InputError
from reprise.core.files import read_json
from reprise.core.params import PARAMS_FILE, load_path

NATURAL = "-"  # the attack of natural speech
STAGES = ("recipe", "prepare", "detector", "evaluate")
EVALUATION = Path("metrics/deepfake/evaluation.json")


def main(folder: Annotated[Path, typer.Argument(help="Where the runs are kept.")]) -> None:
    """Leave out each kind in turn."""
    splits = {split: read_protocol(load_path(f"deepfake.protocols.{split}")) for split in ("train", "dev", "eval")}
    kinds = sorted({fields[3] for fields in splits["train"]} - {NATURAL})
    rates: dict[str, list[float]] = {"network": [], "baseline": [], "fused": []}
    for kind in kinds:
        place = folder / kind
        if not (place / EVALUATION).exists():
            lay_out(place, splits, kind)
            run_stages(place)
        report = read_json(place / EVALUATION)
        found = report["eval"]["eer"], report["baseline"]["eval"]["eer"], report["fused"]["eval"]["eer"]
        for own, rate in zip(rates.values(), found, strict=True):
            own.append(rate)
        print(kind, *(f"{name} {rate:.3f}" for name, rate in zip(rates, found, strict=True)))
    print("mean", *(f"{name} {sum(own) / len(own):.3f}" for name, own in rates.items()))


def read_protocol(path: Path) -> list[list[str]]:
    """Fields of each line: speaker, utterance, -, attack, key.

    Raises:
        InputError: a line has others.
    """
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    for number, fields in enumerate(lines, 1):
        if len(fields) != 5:
            raise InputError(
                f"{path}: line {number}: {len(fields)} fields; expected speaker, utterance, -, attack, key"
            )
    return lines


def lay_out(place: Path, splits: dict[str, list[list[str]]], kind: str) -> None:
    """Write protocols without a kind, and a params.yaml that names them."""
    place.mkdir(parents=True, exist_ok=True)
    if not (place / ".cache").exists():
        (place / ".cache").symlink_to(Path(".cache").resolve())
    for split, lines in splits.items():
        kept = [fields for fields in lines if (fields[3] in (NATURAL, kind) if split == "eval" else fields[3] != kind)]
        (place / f"{split}.txt").write_text("".join(" ".join(fields) + "\n" for fields in kept), encoding="utf-8")
    params = YAML().load(PARAMS_FILE)
    params["deepfake"]["data"] = str(load_path("deepfake.data").resolve())
    params["deepfake"]["protocols"] = {split: f"{split}.txt" for split in splits}
    with (place / PARAMS_FILE).open("w", encoding="utf-8") as file:
        YAML().dump(params, file)


def run_stages(place: Path) -> None:
    """Run the stages in a folder, with the code of this repository."""
    stages = Path("src/run.py").resolve()
    for stage in STAGES:
        if subprocess.run([sys.executable, stages, f"deepfake.{stage}"], cwd=place, check=False).returncode:
            raise InputError(f"deepfake.{stage} failed in {place}")


if __name__ == "__main__":
    run_command(main)
