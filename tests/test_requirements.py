"""What pyproject.toml admits is what was tried: a lower version may have holes that are known by now."""

import re
import tomllib

from packaging.version import Version

from tests.conftest import ROOT


def locked_in(name):
    found = re.findall(r"^([\w.-]+)==([^ ;\\]+)", (ROOT / name).read_text(), re.MULTILINE)
    return {package: Version(version) for package, version in found}


def test_no_floor_lies_below_the_locked_release():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    optional = project["project"]["optional-dependencies"]
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"], *optional["demo"]]
    locked = locked_in("requirements-demo.txt")
    for line in wanted:
        name, floor = re.split(r">=|==", line)
        assert Version(floor).release[:2] == locked[name].release[:2], f"{name}: locked {locked[name]}, floor {floor}"
        assert Version(floor) <= locked[name]


def test_the_demo_adds_packages_and_changes_none():
    own, demo = locked_in("requirements.txt"), locked_in("requirements-demo.txt")
    assert {name: demo.get(name) for name in own} == own
    assert {"gradio", "gradio-client", "torchcam"} <= demo.keys() - own.keys()
