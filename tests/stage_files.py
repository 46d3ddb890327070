"""What tests of whole stages ask of the files that a folder holds after a run."""

import hashlib
import json
from pathlib import Path
from typing import Any


def digests(*folders: str) -> dict[str, str]:
    """Hashes of all files but timings."""
    files = [path for folder in folders for path in sorted(Path(folder).rglob("*")) if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files if "timing" not in path.parts}


def read(path: str) -> Any:
    """A JSON file's value."""
    return json.loads(Path(path).read_text())
