"""The `reprise` command: every command of the project under one name, each imported when it is chosen.

reprise --help
reprise predict documents scan.jpg
reprise --install-completion
"""

import importlib
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from reprise.core.command import typer_app

# Name -> module and what it does, in a line; a dict is a group of commands.
COMMANDS: dict[str, tuple[str, str] | dict[str, tuple[str, str]]] = {
    "predict": {
        "taxonomy": ("reprise.taxonomy.predict", "Classify texts into the class hierarchy."),
        "documents": ("reprise.documents.predict", "Classify images of pages."),
        "deepfake": ("reprise.deepfake.predict", "Tell synthesised from natural speech, and show the moments."),
    },
    "check": ("reprise.tools.check.command", "Look at a folder of data before training: layout, gaps, oddities."),
    "export": ("reprise.tools.export.build", "Write a folder with a task's models, their card and ONNX files."),
    "correct": {
        "taxonomy": ("reprise.tools.correct.taxonomy", "Say what a document is about, or what a class means."),
        "documents": ("reprise.tools.correct.documents", "Say whether the label of a page is right."),
        "deepfake": ("reprise.tools.correct.deepfake", "Say what a recording is: natural or synthesised."),
    },
    "vocode": ("reprise.deepfake.vocode", "Make spoofs of recordings and sentences, to train on."),
    "batch-size": ("reprise.tools.batch_size", "Find the largest training batch that fits into memory."),
    "sweep": ("reprise.tools.sweep", "Search a task's parameters, each trial a DVC experiment."),
    "compare": ("reprise.tools.compare", "Compare the headline figures of two commits or experiments."),
    "experiments": ("reprise.tools.experiments", "List the experiments, a line each, with noise marks."),
    "pull-request": ("reprise.tools.pull_request", "Write what changed against a base, as Markdown."),
    "demo": ("reprise.tools.demo.command", "Open a page of this machine to use the models, and see why."),
    "report": ("reprise.tools.report.build", "Write one HTML page with all figures, curves and pictures."),
    "current": ("reprise.tools.current", "Fail where dvc.lock is behind the code."),
    "verify": ("reprise.tools.verify", "Compute everything anew, and compare with what is committed."),
    "remote": ("reprise.tools.remote", "Set the remote that dvc push and dvc pull use."),
    "audit": ("reprise.tools.audit", "Check every object on the remote against dvc.lock."),
    "doctor": ("reprise.tools.doctor", "Print what this machine has: devices, memory, versions."),
}
GROUPS = {
    "predict": "Use the trained models on your own texts, pages and recordings.",
    "correct": "Answer what the models are unsure of, in files beside the data.",
}


class LazyCommand(TyperCommand):
    """A name and its line of help, which imports its module when it is run, or asked for its own help.

    Args:
        name: of the command.
        module: has a function `main`.
        help: one line.
    """

    def __init__(self, name: str, module: str, help: str) -> None:
        super().__init__(name, help=help)
        self.module = module

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Hand over to the module's own command: Typer runs the command that the context names."""
        command = typer.main.get_command(typer_app(importlib.import_module(self.module).main))
        return command.make_context(info_name, args, parent, **extra)


def main() -> None:
    """Run the command line; the process ends with the command's exit code."""
    command_group()(prog_name="reprise")


def command_group() -> TyperGroup:
    """Everything in COMMANDS, as one command."""
    app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None, no_args_is_help=True)
    app.callback(help="Three research systems as DVC pipelines that anyone can re-run, change and compare.")(
        lambda: None
    )
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    for name, entry in COMMANDS.items():
        if isinstance(entry, tuple):
            root.add_command(LazyCommand(name, *entry))
            continue
        group = TyperGroup(name=name, help=GROUPS[name], no_args_is_help=True, rich_markup_mode=None)
        for own_name, own in entry.items():
            group.add_command(LazyCommand(own_name, *own))
        root.add_command(group)
    return root


if __name__ == "__main__":
    main()
