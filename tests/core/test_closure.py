"""Hashes of code: what keeps them and what changes them, by hand; closures against Python's own finder of imports."""

import ast
import json
import modulefinder
import random
import re
import shutil
import textwrap
from pathlib import Path

import pytest

from reprise.core.closure import Sources, code_of_stages, code_path, parse, write_code
from reprise.core.errors import InputError
from reprise.core.stage import check_recorded_code
from tests.import_closure import PACKAGE, SOURCE, SOURCES, TASKS

STAGES = [f"{path.parts[-3]}.{path.stem}" for path in PACKAGE.glob("*/stages/[!_]*.py")]
SOURCE_TEXT = '''"""What the module is for."""

import os  # for paths

LIMIT = 3


class Box:
    """A box."""

    size = 1


def pack(things, /, *, limit=LIMIT):
    """Pack things.

    Args:
        things: what.
    """
    from reprise.core import files  # late

    if len(things) > limit:
        raise ValueError(f"{len(things)} # too many: {limit!r}")
    text = """one

    two  # no comment
    """
    return [text, files, os.sep]
'''


def code(text: str) -> str:
    return parse(text, "source.py").code


def changed(old: str, new: str) -> bool:
    assert SOURCE_TEXT.count(old) == 1, old
    return code(SOURCE_TEXT.replace(old, new)) != code(SOURCE_TEXT)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""What the module is for."""\n', ""),
        ('"""What the module is for."""', "'''Ünlike\n\nbefore.'''  # and a comment"),
        ("  # for paths", ""),
        ("LIMIT = 3\n", "# three\nLIMIT = 3  # as before: 'quoted', \"quoted\"\n\n\n"),
        ("class Box:\n", "class Box:\n    # before the docstring\n\n"),
        ('    """A box."""\n\n', ""),
        ('    """A box."""\n', '    ("A "  # in two\n     "case.")\n'),
        ("    Args:\n        things: what.\n", "\n\n        more\n"),
        ("    size = 1\n", "    size = 1   \n    \n"),
        ("limit=LIMIT):", "limit=LIMIT  # the most\n    ):"),
        ("[text, files, os.sep]", "[\n        text,\n\n        files, os.sep]"),
        ("    return [", "# at the margin\n    return ["),
        ("LIMIT = 3\n", "LIMIT = \\\n    3\n"),
    ],
)
def test_comments_docstrings_and_layout_do_not_count(old, new):
    assert not changed(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("LIMIT = 3", '"""A string that is no docstring."""\nLIMIT = 3'),
        ("size = 1", 'size = 1\n    """A string after an attribute."""'),
        (" # too many", ""),
        ("# too many", "# too much"),
        ("!r", ""),
        ("one\n\n", "one\n"),
        ("one\n", "one \n"),
        ("  # no comment", ""),
        ("    text = ", "        text = "),
        ("        raise", "        pass\n    raise"),
        ("from reprise.core import files", "from reprise.core import figures as files"),
        ("import os", "import posixpath as os"),
        ("def pack", "async def pack"),
        ("    size = 1\n", ""),
    ],
)
def test_what_runs_counts(old, new):
    assert changed(old, new)


def test_a_line_that_a_backslash_continues_is_another_than_one_that_it_ends():
    assert code("x = 1 \\\n- 2\n") != code("x = 1 \\\n\n- 2\n")


def test_nested_docstrings_go_and_their_bodies_stay():
    assert code("def f():\n    'f'\n    def g(): 'g'; return 1\n") != code("def f():\n    def g(): return 2\n")
    assert code("class A:\n    'A'\nx = 1\n") == code("class A:\n    'other'\nx = 1\n")
    assert code("if x:\n    'no docstring'\n") != code("if x:\n    'none'\n")
    assert code("") == code("'only a docstring'\n") == code("# nothing\n\n") == ""


def test_random_comments_and_blank_lines_keep_the_hash_of_modules():
    """Put after line ends that Python's parser, not its tokenizer, says are outside of strings: those of statements."""
    draw = random.Random(0)
    for path in draw.sample(sorted(PACKAGE.rglob("*.py")), 20):
        text = path.read_text()
        lines = text.split("\n")
        for end in sorted({node.end_lineno or 0 for node in ast.parse(text).body}, reverse=True):
            lines[end:end] = draw.choices(["", "   ", "# a 'comment", '#"""', "    # further in"], k=draw.randrange(3))
        assert code("\n".join(lines)) == code(text), path


@pytest.mark.parametrize("task", TASKS)
def test_closures_are_what_pythons_own_finder_finds(task):
    """It reads bytecode, where this reads syntax trees."""
    for stage in (stage for stage in STAGES if stage.startswith(task)):
        finder = modulefinder.ModuleFinder([str(SOURCE)])
        finder.run_script(str(SOURCE / "run.py"))
        finder.import_hook(f"reprise.{task}.stages", None, [stage.removeprefix(f"{task}.")])
        files = {Path(getattr(module, "__file__", None) or "x") for module in finder.modules.values()}
        found = {path for path in files if path.is_relative_to(SOURCE) and path.name != "__init__.py"}
        assert found == SOURCES.of_stage(stage), stage


def test_no_stage_reads_its_docstrings_or_its_source_or_files_of_the_package():
    """They are not hashed."""
    files = set().union(*map(SOURCES.of_stage, STAGES))
    for path in files:
        assert not re.search(r"__doc__|getdoc|getsource|importlib\.resources", path.read_text()), path
    data = [path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")]
    assert data
    for path in data:
        assert not [file for file in files if file.is_relative_to(path.parent)], f"{path} may be read by a stage"


def test_modules_are_imported_by_name_only_where_a_stage_starts():
    """What a name computed at run time imports is not in a closure."""
    files = set().union(*map(SOURCES.of_stage, STAGES))
    importing = {path for path in files if re.search(r"import_module|__import__", path.read_text())}
    assert importing == {PACKAGE / "core/stage.py"}


@pytest.fixture
def toy(tmp_path):
    """A package with a task of two stages."""
    for name, text in {
        "run.py": "from reprise.core.stage import run\n",
        "reprise/__init__.py": '"""A package."""\n',
        "reprise/core/__init__.py": "",
        "reprise/core/stage.py": "run = 1\n",
        "reprise/toy/__init__.py": "",
        "reprise/toy/one.py": "import json\nfrom reprise.toy import two\n",
        "reprise/toy/two.py": "from reprise.toy.one import json\n",
        "reprise/toy/deep/__init__.py": "",
        "reprise/toy/deep/three.py": "x = 3\n",
        "reprise/toy/stages/__init__.py": "",
        "reprise/toy/stages/train.py": "def main():\n    import reprise.toy.one\n",
        "reprise/toy/stages/evaluate.py": "from reprise.toy.deep.three import x\n",
        "reprise/toy/stages/recipe.py": "def main():\n    pass\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_closure_of_modules_that_import_each_other(toy):
    found = {path.relative_to(toy).as_posix() for path in Sources(toy).of_stage("toy.train")}
    task = {"reprise/toy/one.py", "reprise/toy/two.py", "reprise/toy/stages/train.py"}
    assert found == {"run.py", "reprise/core/stage.py"} | task


def rehashed(folder: Path, before: dict[str, str]) -> set[str]:
    now = code_of_stages("toy", folder)
    return {stage for stage in before if before[stage] != now[stage]}


def test_an_edit_changes_the_hashes_of_the_stages_that_import_it(toy):
    before = code_of_stages("toy", toy)
    assert list(before) == ["evaluate", "train"]
    assert all(re.fullmatch("[0-9a-f]{16}", value) for value in before.values())
    for name, expected in {
        "reprise/toy/two.py": {"train"},
        "reprise/toy/deep/three.py": {"evaluate"},
        "reprise/toy/stages/recipe.py": set(),
        "reprise/core/stage.py": {"train", "evaluate"},
        "run.py": {"train", "evaluate"},
        "reprise/toy/deep/__init__.py": {"evaluate"},
        "reprise/__init__.py": {"train", "evaluate"},
    }.items():
        kept = (toy / name).read_text()
        (toy / name).write_text(f"{kept}# a comment\n")
        assert rehashed(toy, before) == set(), name
        (toy / name).write_text(f"{kept}y = 1\n")
        assert rehashed(toy, before) == expected, name
        (toy / name).write_text(kept)
    assert code_of_stages("toy", toy) == before


def test_a_module_that_moves_changes_the_hash(toy):
    before = code_of_stages("toy", toy)
    shutil.move(toy / "reprise/toy/deep/three.py", toy / "reprise/toy/deep/four.py")
    assert rehashed(toy, before) == {"evaluate"}, "the import leads nowhere now"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = (\n", r"two\.py:1: not Python: '\(' was never closed$"),
        ("x = 1\nfrom . import one\n", r"two\.py:2: relative import; write reprise\.… in full$"),
        (b"x = '\xff'\n", r"two\.py: not text in UTF-8$"),
        ("x = '\0'\n", r"two\.py.*: not Python: "),
    ],
)
def test_a_source_that_cannot_be_read_is_one_line(toy, text, message):
    (toy / "reprise/toy/two.py").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message):
        code_of_stages("toy", toy)


def test_code_that_was_edited_after_it_was_hashed_is_refused_under_dvc(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_STAGE", "taxonomy-train")
    check_recorded_code("taxonomy.train")  # nothing is recorded
    write_code("taxonomy")
    check_recorded_code("taxonomy.train")
    check_recorded_code("taxonomy.recipe")
    recorded = json.loads(code_path("taxonomy").read_text())
    code_path("taxonomy").write_text(json.dumps(recorded | {"train": "0" * 16}))
    check_recorded_code("taxonomy.evaluate")
    said = r"models/taxonomy/code\.json: taxonomy\.train was edited since; run `dvc repro recipe@taxonomy`"
    with pytest.raises(InputError, match=f"{said}, then this again"):
        check_recorded_code("taxonomy.train")
    monkeypatch.delenv("DVC_STAGE")
    check_recorded_code("taxonomy.train")
    assert re.search(f"{said} before `dvc commit`", caplog.text)
    code_path("taxonomy").write_text("[1]")
    with pytest.raises(InputError, match=r"code\.json: expected an object; run `dvc repro recipe@taxonomy`"):
        check_recorded_code("taxonomy.train")


def test_hashes_do_not_depend_on_the_version_of_python():
    """From 3.12 on Python cuts up f-strings; these were hashed with 3.11, 3.12 and 3.13."""
    text = textwrap.dedent(
        r"""
        def f(a, ü="ä"):
            'Ä docstring.'; b = f'''{a!r:>{ü}} # {
                a}''' f"{{}}"  # ß
            return rb"\x00" + b, f"{'é'}{a = }"  # é
        """
    )
    assert code(text)[:16] == "7cb3823fa3d65ca1"
