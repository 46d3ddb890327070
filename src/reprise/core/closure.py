"""A stage's code as one hash, which DVC compares instead of files.

A stage runs its module, `src/run.py`, and what these import of the package, directly or not: its closure, worked out
from the sources alone, with the imports inside functions. Hashed are the tokens of these files. Comments, docstrings,
blank lines and the way in which a statement is laid out in lines do not count; strings count as they are written.

The stage `recipe@<task>` writes the hashes of a task's stages to `models/<task>/code.json`, and every other stage has
its own among its params in dvc.yaml.
"""

import ast
import dataclasses
import tokenize
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path

from reprise.core.errors import InputError
from reprise.core.files import hash_bytes, write_json

SOURCE = Path(__file__).parents[2]  # holds run.py and the package
PACKAGE = "reprise"
RECIPE = "recipe"  # the stage that writes the hashes, and so depends on files
LAYOUT = {"NEWLINE": "\n", "INDENT": "\n+", "DEDENT": "\n-"}  # no other token starts with a line end
NO_CODE = ("COMMENT", "NL", "ENDMARKER")

Position = tuple[int, int]  # line from 1, character from 0


def code_path(task: str) -> Path:
    """Where the hashes of a task's stages lie."""
    return Path("models") / task / "code.json"


def write_code(task: str) -> None:
    """Write the hash of each of a task's stages but `recipe`: module -> 16 hex digits."""
    write_json(code_path(task), code_of_stages(task))


def code_of_stages(task: str, folder: Path = SOURCE) -> dict[str, str]:
    """Hash the code of each of a task's stages but `recipe`.

    Args:
        task: whose stages.
        folder: of the sources.

    Returns:
        Module, such as `core_classes` -> hash, sorted.

    Raises:
        InputError: a source is not Python in UTF-8, or has a relative import.
    """
    sources = Sources(folder)
    stages = sorted(path.stem for path in folder.joinpath(PACKAGE, task, "stages").glob("*.py"))
    return {name: sources.hash_stage(f"{task}.{name}") for name in stages if name not in (RECIPE, "__init__")}


@dataclasses.dataclass(frozen=True)
class Module:
    """What counts of a source file.

    Attributes:
        imports: dotted names of the package that it may import.
        code: hash of its tokens; empty where it has none.
    """

    imports: frozenset[str]
    code: str


class Sources:
    """The sources below a folder; each file is read once.

    Args:
        folder: holds `run.py` and the package.
    """

    def __init__(self, folder: Path = SOURCE) -> None:
        self.folder = folder
        self._modules: dict[Path, Module] = {}

    def read(self, path: Path) -> Module:
        """Parse a file.

        Raises:
            InputError: it is not there, is not Python in UTF-8, or has a relative import.
        """
        if path not in self._modules:
            try:
                text = path.read_text(encoding="utf-8")
            except FileNotFoundError:
                raise InputError(f"{path}: no such file") from None
            except UnicodeDecodeError:
                raise InputError(f"{path}: not text in UTF-8") from None
            self._modules[path] = parse(text, str(path))
        return self._modules[path]

    def imports(self, path: Path) -> frozenset[Path]:
        """Files of the package that a file imports, anywhere in it; a package's `__init__.py` only if it holds code."""
        names = self.read(path).imports
        prefixes = {tuple(name.split(".")[:length]) for name in names for length in range(1, name.count(".") + 2)}
        modules = {self.folder.joinpath(*parts).with_suffix(".py") for parts in prefixes}
        packages = {self.folder.joinpath(*parts, "__init__.py") for parts in prefixes}
        found = {path for path in modules if path.is_file()}
        return frozenset(found | {path for path in packages if path.is_file() and self.read(path).code})

    def closure(self, *paths: Path) -> frozenset[Path]:
        """Files, and all that they import."""
        found, waiting = set(), list(paths)
        while waiting:
            current = waiting.pop()
            if current not in found:
                found.add(current)
                waiting += self.imports(current)
        return frozenset(found)

    def of_stage(self, stage: str) -> frozenset[Path]:
        """Files of the code that `python src/run.py <stage>` runs; stage: such as `taxonomy.train`."""
        task, module = stage.split(".")
        return self.closure(self.folder / "run.py", self.folder.joinpath(PACKAGE, task, "stages", f"{module}.py"))

    def hash_stage(self, stage: str) -> str:
        """Hash names and code of a stage's files; 16 hex digits."""
        named = {path.relative_to(self.folder).as_posix(): self.read(path).code for path in self.of_stage(stage)}
        return hash_bytes(*(part.encode() for item in sorted(named.items()) for part in item))[:16]


def parse(text: str, name: str) -> Module:
    r"""Read what counts of a source.

    Args:
        text: the source, with line ends as \n.
        name: of the file, for messages.

    Raises:
        InputError: it is not Python, or has a relative import.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) else ""
        raise InputError(f"{name}{line}: not Python: {getattr(error, 'msg', error)}") from None
    imports: set[str] = set()
    docstrings: dict[Position, Position] = {}
    lines = text.split("\n")
    for node in _statements(tree):
        match node:
            case ast.Import():
                imports |= {alias.name for alias in node.names}
            case ast.ImportFrom():
                if node.level:
                    raise InputError(f"{name}:{node.lineno}: relative import; write {PACKAGE}.… in full")
                imports |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
            case ast.Module() | ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                docstrings |= _docstring(node, lines)
    own = frozenset(imported for imported in imports if imported.split(".")[0] == PACKAGE)
    code = [token.encode() for token in _code(lines, docstrings)]
    return Module(own, hash_bytes(*code) if code else "")


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """A module and all statements in it; expressions, which hold neither imports nor docstrings, are passed over."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for _, value in ast.iter_fields(node):
            if isinstance(value, list):
                waiting += [
                    child for child in value if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case)
                ]


def _docstring(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]
) -> dict[Position, Position]:
    """Start and end of a docstring; nothing where there is none."""
    match node.body:
        case [ast.Expr(value=ast.Constant(value=str())) as statement, *_]:
            start = _position(lines, statement.lineno, statement.col_offset)
            return {start: _position(lines, statement.end_lineno or 0, statement.end_col_offset or 0)}
    return {}


def _position(lines: list[str], line: int, byte: int) -> Position:
    """A position whose column `ast` counts in bytes."""
    return line, len(lines[line - 1].encode()[:byte].decode())


def _code(lines: list[str], docstrings: Mapping[Position, Position]) -> Iterator[str]:
    """Tokens without comments and docstrings; line ends and indentation only where statements start and end."""
    end, dropped = (0, 0), False
    for kind, token, start in _tokens(lines):
        end = docstrings.get(start, end)
        if kind in NO_CODE:
            continue
        if start < end:
            dropped = True
            continue
        if not (dropped and kind == "NEWLINE"):  # the line end of a docstring goes with it
            yield LAYOUT.get(kind, token)
        dropped = False


def _tokens(lines: list[str]) -> Iterator[tuple[str, str, Position]]:
    """Kind, text and start of each token. F-strings, which Python cuts up from 3.12 on, are one here."""
    opened, depth = (0, 0), 0
    for token in tokenize.generate_tokens(StringIO("\n".join(lines)).readline):
        kind = tokenize.tok_name[token.type]
        if kind.endswith("STRING_START"):
            opened = opened if depth else token.start
            depth += 1
        if not depth:
            yield kind, token.string, token.start
        elif kind.endswith("STRING_END"):
            depth -= 1
            if not depth:
                yield "STRING", _cut(lines, opened, token.end), opened


def _cut(lines: list[str], start: Position, end: Position) -> str:
    """The text between two positions."""
    within = lines[start[0] - 1 : end[0]]
    within[-1] = within[-1][: end[1]]
    within[0] = within[0][start[1] :]
    return "\n".join(within)
