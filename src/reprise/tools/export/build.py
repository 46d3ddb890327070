"""Write one folder with all that prediction with a task's models needs, ready for the model hub.

    reprise export documents shared/pages
    reprise predict documents page.png --models shared/pages
    hf upload NAME/pages shared/pages .

Run it from the root, after `dvc repro`. The folder holds the models, a model card with data, recipe, figures and
licences, the notices of weights of others, and ONNX files for prediction without torch. Models and figures are compared
with dvc.lock first, so that the card's figures are of these models. The ONNX files are compared with torch on `--check`
random inputs; where an operator has no form in ONNX, or the answers differ by more than 1e-4, they are left out, and
the card says why. The folder appears whole or not at all.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from reprise.core.command import run_command
from reprise.core.errors import InputError

if TYPE_CHECKING:
    from reprise.onnx.graphs import Agreement, Contents
    from reprise.tools.export.licences import Part

TOLERANCE = 1e-4  # between a probability or score of torch and of onnxruntime
SEED = 0  # of the random inputs

Task = Literal["taxonomy", "documents", "deepfake"]


def main(
    task: Annotated[Task, typer.Argument(help="taxonomy, documents or deepfake.")],
    folder: Annotated[Path, typer.Argument(help="To write; an earlier export is replaced.")],
    force: Annotated[bool, typer.Option("--force", help="Replace any folder.")] = False,
    onnx: Annotated[bool, typer.Option("--onnx/--no-onnx", help="Whether to write ONNX files.")] = True,
    check: Annotated[int, typer.Option(min=1, help="Random inputs to compare ONNX with torch on.")] = 10,
    licence: Annotated[str, typer.Option(help="Of what was trained here, as SPDX calls it.")] = "mit",
    pretrained_licence: Annotated[
        str | None, typer.Option(help="Of weights that training began from, where it is not known here.")
    ] = None,
) -> None:
    """Write one folder with a task's models, card and ONNX files."""
    from reprise.tools.export.card import Facts, write_card
    from reprise.tools.export.evidence import counts_of, figures_of, read_lock, refuse_unrecorded, sources_of
    from reprise.tools.export.folder import files_in, new_folder, refuse_other, write_manifest
    from reprise.tools.export.licences import judge_parts, write_notices
    from reprise.tools.export.subjects import SUBJECTS

    refuse_other(folder, force)  # before the minutes that the rest may take
    lock = read_lock()
    contents = contents_of(task, Path("models", task))
    for path in contents.files.values():
        refuse_unrecorded(path, lock)
    figures = figures_of(task, lock)
    parts = judge_parts(contents, pretrained_licence)
    with new_folder(folder, force) as new:
        copy_files(contents, parts, new, onnx)
        agreement, reason = write_onnx(contents, parts, new, check) if onnx else (None, "they were not asked for")
        write_notices(new, parts)
        counts = counts_of(task, SUBJECTS[task].counts)
        sources = sources_of(task, lock)
        write_card(new, Facts(task, licence, contents, parts, sources, counts, figures, agreement, reason))
        referenced = {part.pretrained.part: part.pretrained.name for part in parts if not part.packed}
        write_manifest(new, task, referenced)
        size = sum((new / name).stat().st_size for name in files_in(new))
        count = len(files_in(new))
    typer.echo(f"{folder}: {count} files, {size / 1e6:.1f} MB")
    if agreement is None:
        typer.echo(f"no ONNX files: {reason}", err=onnx)
    else:
        typer.echo(
            f"ONNX differs from torch by {agreement.difference:.1e} at most on {agreement.inputs} inputs; "
            f"{agreement.onnx_seconds:.2f} s, torch {agreement.torch_seconds:.2f} s, a thread each"
        )


def contents_of(task: Task, models: Path) -> "Contents":
    """Ask a task what to export.

    Raises:
        InputError: a model is missing or damaged.
    """
    if task == "taxonomy":
        from reprise.taxonomy.export import contents as taxonomy

        return taxonomy(models)
    if task == "documents":
        from reprise.documents.export import contents as documents

        return documents(models)
    from reprise.deepfake.export import contents as deepfake

    return deepfake(models)


def copy_files(contents: "Contents", parts: Sequence["Part"], folder: Path, onnx: bool) -> None:
    """Copy what prediction reads, without weights that may not be passed on, and without what is for ONNX alone."""
    from reprise.onnx.session import ONNX

    left_out = {name for part in parts if not part.packed for name in part.pretrained.separate}
    for name, path in contents.files.items():
        if name not in left_out and (onnx or not name.startswith(f"{ONNX}/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / name)


def write_onnx(
    contents: "Contents", parts: Sequence["Part"], folder: Path, check: int
) -> "tuple[Agreement | None, str | None]":
    """Write the ONNX files and compare them with torch; what is no good is removed.

    Returns:
        The comparison; or None and the reason why there are no ONNX files.
    """
    from reprise.onnx.graphs import write_graphs
    from reprise.onnx.session import ONNX

    if missing := [part.pretrained.name for part in parts if not part.packed]:
        return None, f"they would hold the weights of {missing[0]}"
    try:
        write_graphs(folder, contents)
        agreement = contents.agreement(folder, check, SEED)
    except InputError as error:
        shutil.rmtree(folder / ONNX, ignore_errors=True)
        return None, str(error).replace(str(folder), folder.name)
    if not agreement.difference <= TOLERANCE:
        shutil.rmtree(folder / ONNX, ignore_errors=True)
        return None, f"their answers differ from torch's by {agreement.difference:.1e}, more than {TOLERANCE:g}"
    return agreement, None


if __name__ == "__main__":
    run_command(main)
