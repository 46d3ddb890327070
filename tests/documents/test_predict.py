"""The command that classifies any images."""

import json
from pathlib import Path

import pytest

from reprise.core.command import run_command
from reprise.documents import predict
from reprise.documents.data.images import cache_size, decode
from reprise.documents.network.ensemble import load_ensemble
from tests.documents.helpers import KINDS, draw_page


def call_predict(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["predict", *(str(argument) for argument in arguments)])
    with pytest.raises(SystemExit) as end:
        run_command(predict.main)
    captured = capsys.readouterr()
    return end.value.code, [json.loads(line) for line in captured.out.splitlines()], captured.err


def test_any_image_is_predicted_from_the_models_alone(in_finished, tmp_path, monkeypatch, capsys):
    (tmp_path / "models").symlink_to(in_finished / "models")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scans").mkdir()
    for number, kind in enumerate(KINDS):
        draw_page(kind, 50 + number).rotate(90).save(tmp_path / f"scans/{number}.jpg")
    draw_page("dots", 60).convert("CMYK").save(tmp_path / "one.tif")
    code, records, _ = call_predict(monkeypatch, capsys, "one.tif", "scans", "--accelerator", "cpu")
    assert code == 0
    assert [record["path"] for record in records] == ["one.tif", "scans/0.jpg", "scans/1.jpg", "scans/2.jpg"]
    ensemble = load_ensemble()
    for record in records:
        page = decode(Path(record["path"]), cache_size(ensemble.image_size), 200.0).pixels[None]
        expected = ensemble.probabilities(page)[0]
        assert list(record["probabilities"].values()) == pytest.approx(expected, abs=1e-5)
        assert record["class_name"] == KINDS[expected.argmax()]
        assert record["probability"] == pytest.approx(expected.max(), abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.jpg"], "none.jpg: no such file"),
        (["empty"], "empty: no image in it; known extensions are"),
        (["text.png"], "text.png: not an image that can be read"),
        (["own/test", "--models", "nowhere"], "nowhere/ensemble.json: no such file"),
    ],
)
def test_prediction_says_what_is_missing(in_finished, monkeypatch, capsys, arguments, message):
    Path("empty").mkdir(exist_ok=True)
    Path("text.png").write_text("not a picture")
    code, records, errors = call_predict(monkeypatch, capsys, *arguments, "--accelerator", "cpu")
    assert (code, records) == (1, [])
    assert errors.startswith(message)
    assert errors.count("\n") == 1
