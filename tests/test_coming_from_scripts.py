"""Each command of docs/coming-from-scripts.md is one that its tool takes; the system test of that name runs them."""

import re
import shlex
from typing import Any

import pytest
from dvc.cli import parse_args

from reprise.cli import COMMANDS, command_group
from reprise.core.params import PARAMS_FILE
from tests.conftest import ROOT, read_params
from tests.test_pipeline import STAGES

PAGE = (ROOT / "docs/coming-from-scripts.md").read_text()


def commands_of(page: str) -> list[str]:
    """Commands in the second column of the tables."""
    cells = [line.split(" | ")[1] for line in page.splitlines() if line.startswith("| ") and line.count(" | ") == 2]
    return [code for cell in cells for code in re.findall(r"`([^`]+)`", cell)]


COMMANDS_OF_PAGE = commands_of(PAGE)


@pytest.mark.parametrize("flag", ["--mode basic", "--optimize", "--n-trials", "--use-calibration", "--auto-continue"])
def test_the_flags_of_the_originals_have_a_row(flag):
    assert f"`{flag}" in PAGE


@pytest.mark.parametrize("flag", ["--resume", "--fold 0", "--fold 1,2,3", "START_FROM_STAGE", "--stage1", "--stage2"])
def test_so_have_those_of_the_shell_script(flag):
    assert f"| `{flag}" in PAGE


@pytest.mark.parametrize("command", [command for command in COMMANDS_OF_PAGE if command.startswith("dvc ")])
def test_dvc_takes_the_command(command, tmp_path, monkeypatch):
    from dvc.utils.hydra import apply_overrides

    parsed = parse_args(shlex.split(command)[1:])
    for stage in getattr(parsed, "targets", []) or []:
        assert any(name.partition("@")[0] == stage or name == stage for name in STAGES), stage
    if overrides := getattr(parsed, "set_param", None):
        monkeypatch.chdir(tmp_path)
        (tmp_path / PARAMS_FILE).write_text((ROOT / PARAMS_FILE).read_text())
        before = leaves_of(read_params())
        apply_overrides(str(PARAMS_FILE), [str(override) for override in overrides])
        from ruamel.yaml import YAML

        after = leaves_of(YAML(typ="safe").load((tmp_path / PARAMS_FILE).read_text()))
        assert after.keys() == before.keys(), "a value that exists is changed"
        assert after != before


@pytest.mark.parametrize("command", [command for command in COMMANDS_OF_PAGE if command.startswith("reprise ")])
def test_reprise_takes_the_command(command):
    name, *words = shlex.split(command)[1:]
    assert name in COMMANDS
    group = command_group()
    with group.make_context("reprise", [name, *words]) as context:
        own = group.get_command(context, name)
        assert own is not None
        if hasattr(own, "get_command"):
            with own.make_context(name, words, parent=context) as inner:
                own = own.get_command(inner, words[0])
                own.make_context(words[0], words[1:], parent=inner).close()
        else:
            own.make_context(name, words, parent=context).close()


def test_other_commands_are_of_make_or_the_shell():
    others = [command for command in COMMANDS_OF_PAGE if not command.startswith(("dvc ", "reprise "))]
    assert {command.split()[0] for command in others} <= {"make", "tail", "ls"}


def leaves_of(params: dict, prefix: str = "") -> dict:
    found: dict[str, Any] = {}
    for key, value in params.items():
        name = f"{prefix}{key}"
        found |= leaves_of(value, f"{name}.") if isinstance(value, dict) and value else {name: value}
    return found
