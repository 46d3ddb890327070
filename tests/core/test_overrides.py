import pytest
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import load_yaml
from hypothesis import given
from hypothesis import strategies as st

from reprise.core.overrides import experiment, override

PATHS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="$"), min_size=1) | (
    st.sampled_from(
        ["a b", "it's", 'a "b"', "a\\", 'a\\"b', "true", "12", "1e3", "a=b", "a,b", "{x}", "null", "é", "a:b", "~", "/"]
    )
)


@given(PATHS.filter(lambda text: not text.startswith("[")))
def test_every_path_is_read_back_as_it_is(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "params.yaml"
    path.write_text("a: 1\nb: 2\n")
    apply_overrides(str(path), [override("b", text)])
    assert load_yaml(str(path)) == {"a": 1, "b": text}


@pytest.mark.parametrize(
    ("path", "printed"), [("/data/mine", "taxonomy.data=/data/mine"), ("my data", "'taxonomy.data=\"my data\"'")]
)
def test_a_printed_path_is_quoted_where_it_has_to_be_and_readable_then(path, printed):
    command = experiment({"taxonomy.data": path}, "taxonomy-evaluate")
    assert command == f"dvc exp run -S {printed} taxonomy-evaluate"
