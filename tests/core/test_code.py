import importlib.metadata

import pytest

from reprise.core import code


def test_a_hash_is_of_the_modules_that_were_named(monkeypatch):
    before = code.hash_modules("reprise.core.files", "reprise.core.errors")
    assert before == code.hash_modules("reprise.core.files", "reprise.core.errors")
    edited = {**code._AT_START, "reprise.core.seed": "edited"}
    monkeypatch.setattr(code, "_AT_START", edited)
    assert before == code.hash_modules("reprise.core.files", "reprise.core.errors")
    edited["reprise.core.errors"] = "edited"
    assert before != code.hash_modules("reprise.core.files", "reprise.core.errors")
    with pytest.raises(KeyError):
        code.hash_modules("reprise.core.misspelt")


def test_versions_are_those_that_are_installed():
    assert code.versions("numpy", "torch") == (
        f"numpy {importlib.metadata.version('numpy')} torch {importlib.metadata.version('torch')}"
    )
