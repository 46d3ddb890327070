"""What README and docs name exists: files, make targets, commands, stages, parameters."""

import re
from pathlib import Path

import pytest

from reprise.cli import COMMANDS
from tests.conftest import ROOT, read_params
from tests.import_closure import PACKAGE, TASKS

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "data/README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {str(page.relative_to(ROOT)): page.read_text() for page in PAGES}
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def code_of(text: str) -> str:
    """Blocks and inline code, a command a line."""
    blocks = [body for _, body in BLOCK.findall(text)]
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", BLOCK.sub("", text))])


@pytest.mark.parametrize("page", TEXTS)
def test_relative_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)", TEXTS[page]):
        if not target.startswith("http"):
            assert (ROOT / page).parent.joinpath(target).exists(), target


@pytest.mark.parametrize("page", TEXTS)
def test_make_targets_exist(page):
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake (?:-j\d+ )?([a-z][a-z0-9-]*)", code_of(TEXTS[page])))
    assert named <= targets


@pytest.mark.parametrize("page", TEXTS)
def test_commands_exist(page):
    code = code_of(TEXTS[page])
    for words in re.findall(r"^(?:\$ )?reprise ([a-z][^\n]*)", code, re.MULTILINE):
        name, *rest = words.split()
        assert name in COMMANDS, words
        group = COMMANDS[name]
        if isinstance(group, dict) and rest and re.fullmatch("[a-z]+", rest[0]):
            assert rest[0] in group, words
    for module in re.findall(r"-m (reprise\.[a-z_.]+)", code):
        assert PACKAGE.parent.joinpath(*module.split(".")).with_suffix(".py").exists(), module


@pytest.mark.parametrize("page", TEXTS)
def test_stages_exist(page):
    code = code_of(TEXTS[page])
    for task, stage in re.findall(r"src/run\.py ([a-z]+)\.([a-z_]+)", code):
        if task in TASKS:
            assert (PACKAGE / task / f"stages/{stage}.py").exists(), f"{task}.{stage}"
    declared = set(re.findall(r"^  ([a-z-]+):$", (ROOT / "dvc.yaml").read_text(), re.MULTILINE))
    for words in re.findall(r"dvc (?:repro|freeze|commit)([^\n|&#`]*)", code):
        for name in re.findall(r"\b((?:taxonomy|documents|deepfake)-[a-z-]+)", words):
            assert name in declared, name


@pytest.mark.parametrize("page", TEXTS)
def test_parameters_exist(page):
    params = read_params()
    named = re.findall(r"-S '?([a-z_.0-9-]+)=", code_of(TEXTS[page]))
    named += re.findall(r"`((?:taxonomy|documents|deepfake|hardware|log|train)\.(?!csv)[a-z_.]+[a-z_])`", TEXTS[page])
    for key in named:
        value = params
        for part in key.split("."):
            assert isinstance(value, dict), key
            assert part in value, f"{key}: no such parameter"
            value = value[part]


def test_the_readme_is_short():
    lines = TEXTS["README.md"].splitlines()
    assert len(lines) <= 180
    assert max(map(len, lines)) <= 120


def test_measured_figures_name_machine_and_date():
    """A page with results says on which kind of machine and when they were measured."""
    for page, text in TEXTS.items():
        if page.startswith("docs/") and re.search(r"^## Results", text, re.MULTILINE):
            assert re.search(r"(AMD|Intel).*20\d\d-\d\d-\d\d", text.replace("\n", " ")), page


def test_no_page_names_a_place_of_one_machine():
    for page, text in TEXTS.items():
        assert not re.search(r"(?<![\w.])/(tmp|root|home|work)/", text), page


def test_every_page_is_reachable_from_the_readme():
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or not page.is_file():
            continue
        reached.add(page)
        links = [target for target in re.findall(r"\]\(([^)#]+)", page.read_text()) if not target.startswith("http")]
        waiting += [Path(page.parent, target).resolve() for target in links if target.endswith(".md")]
    assert {page for page in PAGES if page.parent.name == "docs"} <= reached
