"""What pyproject.toml admits is what was tried: a lower version may have holes that are known by now."""

import re
import tomllib

import pytest
from packaging.version import Version

from tests.conftest import ROOT


def test_no_floor_lies_below_the_locked_release():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["project"]["optional-dependencies"]
    wanted = [
        *project["project"]["dependencies"],
        *project["dependency-groups"]["dev"],
        *groups["ray"],
        *groups["speech"],
        *groups["demo"],
    ]
    locked: dict[str, Version] = {}
    for name in ("-ray", "-speech", "-demo", ""):
        locked |= versions(f"requirements{name}.txt")
    for line in wanted:
        name, floor = re.split(r">=|==", re.sub(r"\[.*\]", "", line))
        assert Version(floor).release[:2] == locked[name].release[:2], f"{name}: locked {locked[name]}, floor {floor}"
        assert Version(floor) <= locked[name]


@pytest.mark.parametrize("group", ["ray", "speech", "demo"])
def test_what_a_group_needs_is_what_the_environment_has(group):
    """Installing it exchanges nothing."""
    locked = versions("requirements.txt")
    for name, version in versions(f"requirements-{group}.txt").items():
        assert locked.get(name, version) == version, name


def versions(name: str) -> dict[str, Version]:
    """What a lock names."""
    found = re.findall(r"^([\w.-]+)==([^ ;\\]+)", (ROOT / name).read_text(), re.MULTILINE)
    return {package: Version(version) for package, version in found}
