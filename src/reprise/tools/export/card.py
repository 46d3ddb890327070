"""The model card: README.md with the model hub's YAML head, as huggingface_hub writes it."""

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from reprise.core.text import for_markdown
from reprise.onnx.graphs import Agreement, Contents
from reprise.tools.export.evidence import Figure, Source
from reprise.tools.export.folder import files_in
from reprise.tools.export.licences import Part, licence_line
from reprise.tools.export.subjects import SUBJECTS

SAMPLE = re.compile(r"^data/[a-z]+/sample(/|$)")  # generated data
HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a card is written from.

    Attributes:
        task: its name.
        licence: of what was trained here, by SPDX.
        contents: what the folder holds.
        parts: weights of others.
        sources: the data.
        counts: of the data, by label.
        figures: measured.
        agreement: of the ONNX files with torch; None: there are none.
        onnx_reason: why there are none.
    """

    task: str
    licence: str
    contents: Contents
    parts: Sequence[Part]
    sources: Sequence[Source]
    counts: Mapping[str, int]
    figures: Sequence[Figure]
    agreement: Agreement | None
    onnx_reason: str | None


def write_card(folder: Path, facts: Facts) -> None:
    """Write README.md; the other files are there already."""
    from huggingface_hub import ModelCard

    sections = {
        "What it does": does(facts),
        "How to use it": usage(facts),
        "Data": data(facts),
        "Recipe": recipe(facts),
        "Figures": figures(facts),
        "On what it was measured, and on what not": limits(facts),
        "ONNX": onnx(facts),
        "Licences": licences(facts),
        "Files": files(folder),
    }
    text = [f"# {SUBJECTS[facts.task].title}"]
    for title, lines in sections.items():
        text += [f"## {title}", "\n".join(lines).strip()]
    ModelCard(f"---\n{head(facts).to_yaml()}\n---\n\n" + "\n\n".join(text) + "\n").save(folder / "README.md")


def head(facts: Facts) -> Any:
    """The YAML head: huggingface_hub's ModelCardData."""
    from huggingface_hub import EvalResult, ModelCardData

    subject = SUBJECTS[facts.task]
    data_name = facts.sources[0].path if facts.sources else "unknown"
    results = [
        EvalResult(
            task_type=subject.pipeline,
            dataset_type=data_name.replace("/", "-"),
            dataset_name=data_name,
            metric_type=subject.metric if figure.first else re.sub(r"\W+", "_", figure.headline.short).lower(),
            metric_name=figure.headline.title,
            metric_value=round(figure.value, 4),
        )
        for figure in facts.figures
    ]
    bases = [part.pretrained.name for part in facts.parts if HUB_NAME.fullmatch(part.pretrained.name)]
    return ModelCardData(
        license=facts.licence,
        library_name="reprise",
        pipeline_tag=subject.pipeline,
        tags=[facts.task, "dvc", *(["onnx"] if facts.agreement else [])],
        base_model=bases or None,
        model_name=f"reprise-{facts.task}" if results else None,
        eval_results=results or None,
    )


def does(facts: Facts) -> Iterator[str]:
    yield SUBJECTS[facts.task].does


def usage(facts: Facts) -> Iterator[str]:
    command = SUBJECTS[facts.task].command
    yield f"With Reprise installed, in this folder:\n\n```sh\n{command} --models ."
    if facts.agreement:
        yield f"{command} --models . --onnx  # without torch"
    yield "```"
    if facts.agreement:
        yield f"\nWithout Reprise, from this folder:\n\n```python\n{facts.contents.onnx_example.strip()}\n```"


def data(facts: Facts) -> Iterator[str]:
    if facts.counts:
        yield ", ".join(f"{count} {label}" for label, count in facts.counts.items()) + ".\n"
    yield "| Path | MD5, as DVC records it | Files | Bytes |\n| --- | --- | --- | --- |"
    for source in facts.sources:
        path = for_markdown(source.path, code=True)
        yield f"| {path} | `{source.md5}` | {source.files} | {source.size} |"


def recipe(facts: Facts) -> Iterator[str]:
    yield "```yaml"
    for key, value in facts.contents.recipe.items():
        yield f"{key}: {json.dumps(value, ensure_ascii=False)}"
    yield "```"


def figures(facts: Facts) -> Iterator[str]:
    if not facts.figures:
        yield "None: the data has no labels to measure by."
        return
    yield "| Figure | Value | 95 % interval | Better |\n| --- | --- | --- | --- |"
    for figure in facts.figures:
        interval = "" if figure.interval is None else f"{figure.interval[0]:.4f} to {figure.interval[1]:.4f}"
        yield f"| {figure.headline.title} | {figure.value:.4f} | {interval} | {figure.headline.better} |"


def limits(facts: Facts) -> Iterator[str]:
    if any(SAMPLE.match(source.path) for source in facts.sources):
        yield "The figures are of generated data. They show that training works, and say little of real data.\n"
    else:
        yield "The figures are of the data above alone.\n"
    yield "Not measured:\n"
    for limit in SUBJECTS[facts.task].limits:
        yield f"- {limit}"


def onnx(facts: Facts) -> Iterator[str]:
    agreement = facts.agreement
    if agreement is None:
        yield f"This folder has no ONNX files: {for_markdown(facts.onnx_reason)}."
        return
    yield f"The ONNX files start from {facts.contents.onnx_input}.\n"
    yield (
        f"On {agreement.inputs} random inputs the answers differ from torch's by {agreement.difference:.1e} at most. "
        f"All of them took {agreement.onnx_seconds:.2f} s, and {agreement.torch_seconds:.2f} s with torch, in one run, "
        "on one CPU thread each."
    )


def licences(facts: Facts) -> Iterator[str]:
    yield f"What was trained here: {facts.licence}.\n"
    for part in facts.parts:
        name = for_markdown(part.pretrained.name, code=True)
        if part.packed:
            yield f"- {part.pretrained.part}: {name}, {licence_line(part)}; part of this folder, see NOTICE.md."
        else:
            known = f"licence {part.licence}" if part.licence else "of a licence that is not known here"
            yield f"- {part.pretrained.part}: {name}, {known}; not part of this folder, fetched at the first use."


def files(folder: Path) -> Iterator[str]:
    yield "`export.json` holds the SHA-256 of each.\n\n| File | Bytes |\n| --- | --- |"
    for name in files_in(folder):
        yield f"| {for_markdown(name, code=True)} | {(folder / name).stat().st_size} |"
