"""What pyproject.toml admits is what was tried: a lower version may have holes that are known by now."""

import re
import tomllib

from packaging.version import Version

from tests.conftest import ROOT


def test_no_floor_lies_below_the_locked_release():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    found = re.findall(r"^([\w.-]+)==([^ ;\\]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    locked = {name: Version(version) for name, version in found}
    for line in wanted:
        name, floor = re.split(r">=|==", line)
        assert Version(floor).release[:2] == locked[name].release[:2], f"{name}: locked {locked[name]}, floor {floor}"
        assert Version(floor) <= locked[name]
