"""Which weights of others may travel with a model, and the notices that their licences ask for."""

import dataclasses
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from reprise.core.errors import InputError
from reprise.onnx.graphs import Contents, Pretrained


@dataclasses.dataclass(frozen=True)
class Known:
    """A licence that was looked up.

    Attributes:
        licence: SPDX's name, in small letters, as the model hub writes it.
        holder: whom the copyright line names.
    """

    licence: str
    holder: str


# By the start of their name on the hub.
KNOWN = {
    "sentence-transformers/all-MiniLM-L6-v2": Known("apache-2.0", "the authors of sentence-transformers"),
    "timm/tf_efficientnet_lite": Known("apache-2.0", "Google LLC; converted by Ross Wightman"),
    "openai/whisper-": Known("mit", "2022 OpenAI"),
}
# Licences under which weights, changed or not, may be passed on with a notice.
PASSED_ON = {"apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "isc", "cc0-1.0", "cc-by-4.0", "unlicense"}
TEXTS = {"apache-2.0": "apache-2.0.txt", "mit": "mit.txt"}  # beside this file


@dataclasses.dataclass(frozen=True)
class Part:
    """Weights of somebody else, and what becomes of them.

    Attributes:
        pretrained: what they are.
        licence: None: not known.
        holder: None: not known.
        packed: whether they are in the folder; else the folder names them.
    """

    pretrained: Pretrained
    licence: str | None
    holder: str | None
    packed: bool


def judge_parts(contents: Contents, stated: str | None) -> list[Part]:
    """Decide for each pretrained part whether it may be packed.

    Args:
        contents: of a task.
        stated: the licence that the person who exports states for what is not known here.

    Raises:
        InputError: weights of an unknown licence are mixed with what was trained.
    """
    parts = []
    for pretrained in contents.pretrained:
        known = next((each for start, each in KNOWN.items() if pretrained.name.startswith(start)), None)
        licence = known.licence if known else (stated or pretrained.licence)
        allowed = licence is not None and (licence in PASSED_ON or licence == stated)
        if not allowed and not pretrained.separate:
            why = "is not known here" if licence is None else f"is {licence}"
            raise InputError(
                f"{pretrained.name}: its licence {why}, and its weights are mixed with what was trained; where it "
                "allows to pass them on, name it: --pretrained-licence apache-2.0"
            )
        parts.append(Part(pretrained, licence, known.holder if known else None, allowed))
    return parts


def write_notices(folder: Path, parts: Sequence[Part]) -> None:
    """Write NOTICE.md and the texts of licences for the packed parts; nothing where there are none."""
    packed = [part for part in parts if part.packed]
    if not packed:
        return
    lines = ["# Notices", "", "This folder holds weights of others:", ""]
    for part in packed:
        lines.append(f"- {part.pretrained.name}: {part.pretrained.part}; {licence_line(part)}")
        if part.licence in TEXTS:
            name = f"LICENSE-{part.licence}.txt"
            text = resources.files(__package__).joinpath(TEXTS[part.licence]).read_text(encoding="utf-8")
            (folder / name).write_text(text.replace("{holder}", part.holder or part.pretrained.name), encoding="utf-8")
            lines[-1] += f", whose text is in {name}"
        lines[-1] += "."
    (folder / "NOTICE.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def licence_line(part: Part) -> str:
    """Copyright and licence, as far as they are known."""
    holder = f"copyright {part.holder}, " if part.holder else ""
    return f"{holder}licence {part.licence}"
