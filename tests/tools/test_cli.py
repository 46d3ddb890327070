"""The command line: what `reprise` lists, what it imports, and how fast it is."""

import importlib
import json
import subprocess
import sys
import time

import pytest
import typer

from reprise.cli import COMMANDS
from reprise.core.command import typer_app
from tests.conftest import ROOT

HEAVY = {
    "torch",
    "pandas",
    "scipy",
    "sklearn",
    "matplotlib",
    "lightning",
    "dvclive",
    "dvc",
    "transformers",
    "timm",
    "torchvision",
    "plotly",
    "soundfile",
    "PIL",
}
PATHS = [
    (name, *own)
    for name, entry in COMMANDS.items()
    for own in ([()] if isinstance(entry, tuple) else [(key,) for key in entry])
]
PROBE = """
import json, sys
from reprise.cli import command_group
try:
    command_group()(sys.argv[1:], prog_name="reprise")
except SystemExit as end:
    print(json.dumps([end.code, sorted(sys.modules)]))
"""


def module_of(path):
    entry = COMMANDS[path[0]]
    return entry[0] if isinstance(entry, tuple) else entry[path[1]][0]


def probe(*arguments):
    """Exit code, what was printed, and the modules that were imported."""
    command = [sys.executable, "-c", PROBE, *arguments]
    done = subprocess.run(command, cwd=ROOT / "src", capture_output=True, text=True, check=True)
    *printed, last = done.stdout.splitlines()
    code, modules = json.loads(last)
    return code, "\n".join(printed), set(modules)


def test_help_imports_no_command():
    code, printed, modules = probe("--help")
    assert code == 0
    assert all(f"  {name} " in printed for name in COMMANDS)
    assert not modules & HEAVY
    packages = ("tools", "training", "taxonomy", "documents", "deepfake")
    assert not [name for name in modules if name.startswith(tuple(f"reprise.{package}" for package in packages))]


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_a_command_imports_what_it_needs_alone(path):
    code, printed, modules = probe(*path, "--help")
    assert code == 0
    assert f"Usage: reprise {' '.join(path)} [OPTIONS]" in printed
    assert module_of(path) in modules
    assert not modules & HEAVY, "what is slow to import is imported when the command runs"
    others = {module_of(other) for other in PATHS if other != path}
    assert not modules & others


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_a_command_is_a_module_with_options_that_are_explained(path):
    module = importlib.import_module(module_of(path))
    assert module.__doc__
    assert f"reprise {' '.join(path)}" in module.__doc__ or f"python -m {module.__name__}" in module.__doc__
    command = typer.main.get_command(typer_app(module.main))
    assert command.help
    assert all(getattr(parameter, "help", None) for parameter in command.params)
    done = subprocess.run([sys.executable, "-m", module_of(path), "--help"], cwd=ROOT / "src", capture_output=True)
    assert done.returncode == 0


def test_help_is_fast():
    """A few times what importing Typer costs, and so well under a second."""
    commands = {"help": ["-m", "reprise.cli", "--help"], "typer": ["-c", "import typer"]}
    best = dict.fromkeys(commands, float("inf"))
    for _ in range(5):
        for name, arguments in commands.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, *arguments], cwd=ROOT / "src", capture_output=True, check=True)
            best[name] = min(best[name], time.perf_counter() - started)
    assert best["help"] < 4 * best["typer"], best


def test_a_wrong_name_is_refused_and_a_group_lists_its_commands():
    assert probe("nothing")[0] == 2
    code, printed, modules = probe("predict", "--help")
    assert code == 0
    assert all(name in printed for name in COMMANDS["predict"])
    assert not modules & HEAVY


def test_a_shell_completes_names_and_options(monkeypatch):
    def complete(words):
        asked = {"_REPRISE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
        for name, value in asked.items():
            monkeypatch.setenv(name, value)
        command = [sys.executable, "-c", "from reprise.cli import main; main()"]
        return subprocess.run(command, cwd=ROOT / "src", capture_output=True, text=True, check=False).stdout.split()

    assert complete("reprise sw") == ["sweep"]
    assert complete("reprise predict d") == ["documents", "deepfake"]
    assert "--trials" in complete("reprise sweep --tr")
