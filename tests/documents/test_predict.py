"""The command that classifies any images."""

import json
import os
import time
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from reprise.core.command import run_command
from reprise.documents import predict
from reprise.documents.data import images
from reprise.documents.data.images import cache_size, decode
from reprise.documents.network.ensemble import load_ensemble
from tests.documents.helpers import KINDS, draw_page


def call_predict(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["predict", *(str(argument) for argument in arguments)])
    with pytest.raises(SystemExit) as end:
        run_command(predict.main)
    captured = capsys.readouterr()
    return end.value.code, [json.loads(line) for line in captured.out.splitlines()], captured.err


@pytest.mark.parametrize("seconds", ["inf", "1e15"])
def test_a_time_limit_that_no_timer_takes_is_refused(monkeypatch, capsys, seconds):
    code, _, error = call_predict(monkeypatch, capsys, "page.jpg", "--seconds", seconds)
    assert code == 2
    assert "--seconds" in error


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


def test_the_least_sure_pages_are_written_to_a_table(in_finished, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").symlink_to(in_finished / "models")
    for number, kind in enumerate(KINDS):
        draw_page(kind, 70 + number).save(f"{number}.png")
    options = ("--ask", "next.csv", "--ask-count", 2, "--accelerator", "cpu")
    _, records, _ = call_predict(monkeypatch, capsys, "0.png", "1.png", "2.png", "none.png", *options)
    ranked = [sorted(record["probabilities"].values())[-2:] for record in records[:3]]
    margins = {record["path"]: second - best for record, (second, best) in zip(records[:3], ranked, strict=True)}
    table = pd.read_csv("next.csv")
    assert table["ID"].tolist() == sorted(margins, key=lambda path: -margins[path])[:2]
    assert table["target"].isna().all()


def test_a_sheet_of_what_was_predicted(in_finished, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").symlink_to(in_finished / "models")
    for number, kind in enumerate(KINDS):
        draw_page(kind, 70 + number).save(f"{number}.png")
    options = ("--sheet", "pictures", "--accelerator", "cpu")
    code, records, _ = call_predict(monkeypatch, capsys, "0.png", "1.png", "2.png", "none.png", *options)
    assert (code, len(records)) == (1, 4)
    assert sorted(path.name for path in Path("pictures").iterdir()) == ["predicted_pages.png", "predictions.png"]
    call_predict(monkeypatch, capsys, "none.png", "--sheet", "empty", "--accelerator", "cpu")
    assert Path("empty/predictions.png").is_file(), "no page could be read: a sentence says so"
    code, records, said = call_predict(monkeypatch, capsys, "0.png", "--sheet", "0.png", "--accelerator", "cpu")
    assert (code, records) == (1, [])
    assert said.strip().endswith("--sheet 0.png: not a folder")


def test_a_bad_image_is_an_error_record_among_the_others(in_finished, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").symlink_to(in_finished / "models")
    draw_page("dots", 60).save("good.png")
    Path("text.png").write_text("not a picture")
    Path("cut.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    Image.new("L", (40, 40)).save("black.png")
    code, records, _ = call_predict(
        monkeypatch, capsys, "text.png", "good.png", "none.jpg", "cut.jpg", "black.png", "--accelerator", "cpu"
    )
    assert code == 1
    assert [record["path"] for record in records] == ["text.png", "good.png", "none.jpg", "cut.jpg", "black.png"]
    assert [record.get("class_name") for record in records] == [None, "dots", None, None, records[4]["class_name"]]
    assert records[0] == {"path": "text.png", "error": records[0]["error"]}
    assert records[0]["error"].startswith("text.png: not an image that can be read")
    assert records[2]["error"] == "none.jpg: no such file"
    assert records[4]["warning"] == "the page is of one colour all over"


def test_a_file_of_several_pages_is_judged_by_its_first_one_which_is_said(in_finished, monkeypatch, capsys):
    page, other = draw_page("dots", 60), draw_page("dots", 61)
    page.save("one.tif")
    page.save("two.tif", save_all=True, append_images=[other])
    _, records, _ = call_predict(monkeypatch, capsys, "one.tif", "two.tif", "--accelerator", "cpu")
    assert records[1].pop("warning") == "the file holds several pages, of which the first was read"
    assert records[0] | {"path": "two.tif"} == records[1]


def test_some_folds_alone(in_finished, monkeypatch, capsys):
    _, records, _ = call_predict(monkeypatch, capsys, "own/test/page0.png", "--folds", "1", "--accelerator", "cpu")
    ensemble = load_ensemble()
    page = decode(Path("own/test/page0.png"), cache_size(ensemble.image_size), 200.0).pixels[None]
    expected = ensemble.fold_probabilities(1, page)[0]
    assert list(records[0]["probabilities"].values()) == pytest.approx(expected, abs=1e-5)
    code, _, errors = call_predict(monkeypatch, capsys, "own/test", "--folds", "0,7", "--accelerator", "cpu")
    assert (code, errors) == (1, "no fold '7'; the models have 0, 1\n")


def test_an_image_that_takes_too_long_is_given_up(in_finished, monkeypatch, capsys, tmp_path):
    slow = lambda path, _: time.sleep(60 if path.name == "pipe.png" else 0)  # noqa: E731
    monkeypatch.setattr(images, "_refuse_large_file", slow)
    (tmp_path / "pipe.png").touch()
    code, records, _ = call_predict(
        monkeypatch, capsys, tmp_path / "pipe.png", "own/test/page0.png", "--seconds", "0.5", "--accelerator", "cpu"
    )
    assert code == 1
    assert records[0]["error"] == f"{tmp_path}/pipe.png: not read within 0.5 s"
    assert "probabilities" in records[1]


def test_names_that_are_no_text_or_move_a_cursor_are_spelt_out(in_finished, monkeypatch, capsys, tmp_path):
    paths = [tmp_path / os.fsdecode(b"\xff.png"), tmp_path / "a\x1b[2Jb.png"]
    for path in paths:
        draw_page("dots", 60).save(path)
    monkeypatch.setattr("sys.argv", ["predict", *map(str, paths), "--accelerator", "cpu"])
    with pytest.raises(SystemExit):
        run_command(predict.main)
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["path"] for line in lines] == [str(path) for path in paths]
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["empty"], "empty: no image in it; known extensions are"),
        (["own/test", "--models", "nowhere"], "nowhere/ensemble.json: no such file; run `dvc repro`"),
    ],
)
def test_prediction_says_what_is_missing(in_finished, monkeypatch, capsys, arguments, message):
    Path("empty").mkdir(exist_ok=True)
    code, records, errors = call_predict(monkeypatch, capsys, *arguments, "--accelerator", "cpu")
    assert (code, records) == (1, [])
    assert errors.startswith(message)
    assert errors.count("\n") == 1
