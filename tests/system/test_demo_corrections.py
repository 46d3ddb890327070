"""The demo's tab of corrections, on copies of the samples: in a browser, by keyboard, by programs and by strangers.

`DEMO_PICTURES=docs/pictures pytest -m system tests/system/test_demo_corrections.py -k pictures` takes the docs'.
"""

import csv
import json
import os
import shutil
import signal
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT, read_params
from tests.system.browser import open_browser
from tests.system.test_demo import LONG, View, start, take_picture
from tests.test_docs import BLOCK, TEXTS

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("demo")]

DATA = {"taxonomy": "data/taxonomy/mine", "documents": "data/documents/mine", "deepfake": "data/deepfake/mine/flac"}
ANSWERS = ("label_corrections.csv", "seed_documents.txt", "class_related_keywords.txt", "flac/verdicts.txt")

SEEN = {"Labels": "its label", "Documents": "likely", "Classes": "mistaken for", "Recordings": "its protocol"}


def work_in(folder: Path, data: dict[str, str]) -> None:
    """Make a working folder with this checkout's models, copies of the samples, and three suspects."""
    for name in ("models", "headlines.yaml"):
        (folder / name).symlink_to(ROOT / name)
    for task in DATA:
        (folder / "data" / task).mkdir(parents=True)
        (folder / "data" / task / "prepared").symlink_to(ROOT / "data" / task / "prepared")
        for name in ("sample", "mine"):
            shutil.copytree(ROOT / "data" / task / "sample", folder / "data" / task / name)
    shutil.copytree(ROOT / "metrics", folder / "metrics")
    params = read_params()
    for task, path in data.items():
        params[task]["data"] = path
    with (folder / "params.yaml").open("w") as file:
        YAML(typ="safe").dump(params, file)
    pages = suspects(folder)
    rows = [f"{page},{page},letter,invoice,0.9{place},0.0{place},0" for place, page in enumerate(pages)]
    header = "ID,file,label,predicted,probability,label_probability,fold"
    (folder / "metrics/documents/suspects.csv").write_text("\n".join([header, *rows, ""]))


def suspects(folder: Path) -> list[str]:
    """Three pages that the models are said to contradict."""
    with (folder / "data/documents/sample/train.csv").open() as file:
        return [row["ID"] for row in csv.DictReader(file)][:3]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """The page of copies of the samples: its address and its working folder."""
    folder = tmp_path_factory.mktemp("corrections")
    work_in(folder, DATA)
    process = start("--port", "0", cwd=folder)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate()[1]
    yield line.split()[0], folder
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


@pytest.fixture
def page(running):
    """The same, without an answer so far."""
    for name in ANSWERS:
        for path in running[1].glob(f"data/*/mine/{name}"):
            path.unlink()
    return running


def opened(browser, address, part="Labels", width=1400, scheme="light"):
    """A view of one part of the tab of corrections, once its questions are there."""
    view = View(browser, address, width, scheme)
    view.open_tab("Correct")
    see(view, SEEN["Labels"])
    if part != "Labels":
        view.page.get_by_role("tab", name=part).click()
        see(view, SEEN[part])
    return view


def see(view, text):
    view.page.get_by_text(text).locator("visible=true").first.wait_for(timeout=LONG)


def press(view, key, text):
    """Press a key, and wait for what the page says then."""
    view.page.keyboard.press(key)
    see(view, text)


def decisions(folder):
    with (folder / "data/documents/mine/label_corrections.csv").open() as file:
        return {row["ID"]: row["decision"] for row in csv.DictReader(file)}


def test_suspects_are_answered_by_keys_alone(page):
    address, folder = page
    train = (folder / "data/documents/mine/train.csv").read_bytes()
    first, second, third = suspects(folder)
    with open_browser() as browser:
        view = opened(browser, address)
        see(view, "Suspect 1 of 3; 0 answered")
        press(view, "k", f"{first}: keep. In data/documents/mine/label_corrections.csv; then run dvc repro")
        press(view, "c", f"{second}: change to")
        press(view, "u", f"{third}: unsure. That was the last one.")
        assert decisions(folder) == {first: "keep", second: "change", third: "unsure"}
        press(view, "z", f"{third}: the answer is undone")
        press(view, "z", f"{second}: the answer is undone")
        assert decisions(folder) == {first: "keep"}
        press(view, "ArrowLeft", "Suspect 1 of 3; 1 answered")
        press(view, "ArrowRight", "Suspect 2 of 3; 1 answered")
        view.page.keyboard.press("t")
        view.page.keyboard.type("k")  # a letter of a class, and no answer
        view.page.keyboard.press("Escape")
        press(view, "ArrowRight", "Suspect 3 of 3; 1 answered")
        for _ in range(80):
            view.page.keyboard.press("Tab")
            if view.page.evaluate("document.activeElement.id === 'suspect-keep'"):
                break
        press(view, "Enter", f"{third}: keep.")
        assert decisions(folder) == {first: "keep", third: "keep"}
        assert (folder / "data/documents/mine/train.csv").read_bytes() == train
        assert view.complaints == []
        assert view.foreign == []


def test_two_tabs_lose_no_answer(page):
    address, folder = page
    first, second, _ = suspects(folder)
    with open_browser() as browser:
        here, there = opened(browser, address), opened(browser, address)
        press(there, "ArrowRight", "Suspect 2 of 3")
        press(here, "k", f"{first}: keep")
        press(there, "u", f"{second}: unsure")
        assert decisions(folder) == {first: "keep", second: "unsure"}
        press(here, "z", f"{first}: the answer is undone")
        assert decisions(folder) == {second: "unsure"}


def test_documents_are_labelled_and_classes_described_by_keys(page):
    address, folder = page
    with open_browser() as browser:
        view = opened(browser, address, "Documents")
        press(view, "1", "Document 2 of 30; 1 answered")
        press(view, "2", "Document 3 of 30; 2 answered")
        seeds = folder / "data/taxonomy/mine/seed_documents.txt"
        assert len(seeds.read_text().splitlines()) == 2
        press(view, "z", "the answer is undone")
        assert len(seeds.read_text().splitlines()) == 1
        view.page.get_by_role("tab", name="Classes").click()
        see(view, "mistaken for")
        view.page.keyboard.press("Escape")
        view.page.evaluate("document.activeElement.blur()")
        view.page.keyboard.press("t")
        view.page.keyboard.type("it chews: loudly, at night")
        press(view, "Enter", "then run dvc repro taxonomy-evaluate taxonomy-ask")
        said = (folder / "data/taxonomy/mine/class_related_keywords.txt").read_text()
        assert said.endswith(":it chews loudly at night\n")
        assert view.complaints == []


def test_a_recording_is_heard_and_judged_by_keys(page):
    address, folder = page
    with open_browser("--autoplay-policy=no-user-gesture-required") as browser:
        view = opened(browser, address, "Recordings")
        see(view, "Moments of highest importance")
        view.page.evaluate("document.activeElement.blur()")
        view.page.keyboard.press("1")
        sound = view.page.locator("audio.key-1:visible")
        assert sound.evaluate("audio => audio.loop && !audio.paused")
        view.page.keyboard.press("1")
        assert sound.evaluate("audio => audio.paused")
        press(view, "s", ": spoof. In data/deepfake/mine/flac/verdicts.txt; then run dvc repro deepfake-evaluate")
        verdicts = folder / "data/deepfake/mine/flac/verdicts.txt"
        assert verdicts.read_text().endswith(" eval spoof\n")
        see(view, "Moments of highest importance")
        press(view, "z", "the answer is undone")
        assert not verdicts.exists()
        assert view.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_no_part_scrolls_sideways_and_pictures_are_taken(page, width, scheme):
    table = page[1] / "metrics/documents/suspects.csv"
    before = table.read_bytes()
    if os.environ.get("DEMO_PICTURES"):  # of what the models really contradict
        shutil.copy(ROOT / "metrics/documents/suspects.csv", table)
    try:
        with open_browser() as browser:
            view = opened(browser, page[0], width=width, scheme=scheme)
            for part in ("Recordings", "Classes", "Documents", "Labels"):
                view.page.get_by_role("tab", name=part).click()
                see(view, {**SEEN, "Recordings": "Moments of highest importance"}[part])
                view.page.wait_for_timeout(1500)  # pictures and charts take their places
                assert view.page.evaluate("document.documentElement.scrollWidth") <= width, f"{part} scrolls sideways"
            take_picture(view, "Correct", width, scheme)
            assert view.complaints == []
    finally:
        table.write_bytes(before)


@pytest.fixture(scope="module")
def client(running):
    from gradio_client import Client

    return Client(running[0], verbose=False)


def test_programs_read_questions_and_write_answers(page, client):
    from gradio_client.exceptions import AppError

    _, folder = page
    mine = folder / "data"
    first = client.predict(api_name="/suspects")["suspects"][0]
    assert first["page"] == suspects(folder)[0]
    assert Path(client.predict(first["page"], api_name="/suspect_picture")).stat().st_size > 0
    record = client.predict(first["page"], "change", first["predicted_target"], api_name="/correct_page")
    assert record["decisions"] == {"keep": 0, "change": 1, "unsure": 0}
    assert decisions(folder) == {first["page"]: "change"}
    client.predict(first["page"], "withdraw", api_name="/correct_page")
    assert not (mine / "documents/mine/label_corrections.csv").exists()
    question = client.predict(api_name="/questions")["documents"][0]
    (line,) = client.predict(question["document"], [question["likely"][0]["id"]], api_name="/label_document")["lines"]
    assert (mine / "taxonomy/mine/seed_documents.txt").read_text() == f"{line}\n"
    unclear = client.predict(api_name="/unclear_classes")["classes"][0]
    client.predict(unclear["id"], "it chews", api_name="/describe_class")
    assert (mine / "taxonomy/mine/class_related_keywords.txt").read_text().endswith(":it chews\n")
    drawn = client.predict("eval", 2, api_name="/recordings")["recordings"]
    heard = client.predict(drawn[0]["recording"], api_name="/hear")[0]
    assert heard["name"] == drawn[0]["recording"]
    client.predict(drawn[0]["recording"], "spoof", api_name="/judge_recording")
    assert (mine / "deepfake/mine/flac/verdicts.txt").read_text() == f"{drawn[0]['recording']} eval spoof\n"
    records = [{"name": name, "probabilities": {"a": sure, "b": 1 - sure}} for name, sure in (("x", 0.9), ("y", 0.6))]
    table = Path(client.predict(records, api_name="/pages_to_label")).read_text().splitlines()
    assert [row.split(",")[0] for row in table] == ["ID", "y", "x"]
    with pytest.raises(AppError, match=r"the answer: decision 'drop'; expected keep, change, unsure"):
        client.predict(first["page"], "drop", api_name="/correct_page")


def test_the_program_of_the_docs_runs(page, client, capsys):
    found = [body for language, body in BLOCK.findall(TEXTS["docs/serving.md"]) if "/correct_page" in body and language]
    assert len(found) == 1
    exec(found[0], {"client": client})
    assert "dvc repro documents-evaluate" in capsys.readouterr().out
    assert list(decisions(page[1]).values()) == ["keep"]


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example:7860"}]
)
@pytest.mark.parametrize("content", ["application/json", "text/plain"])
def test_pages_of_others_write_nothing(page, headers, content):
    address, folder = page
    body = json.dumps({"data": [suspects(folder)[0], "keep", ""]}).encode()
    asked = urllib.request.Request(
        f"{address}/gradio_api/call/correct_page", body, {"Content-Type": content, **headers}, method="POST"
    )
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(asked)
    assert not (folder / "data/documents/mine/label_corrections.csv").exists()


def test_a_browser_on_another_page_cannot_answer(page):
    address, folder = page
    call = {"address": f"{address}/gradio_api/call/correct_page", "data": [suspects(folder)[0], "keep", ""]}
    with open_browser() as browser:
        stranger = browser.new_page()
        stranger.set_content("<p>another page</p>")
        for content in ("text/plain", "application/json"):
            stranger.evaluate(
                """async ({address, data, content}) => fetch(address, {method: "POST", mode: "no-cors",
                headers: {"Content-Type": content}, body: JSON.stringify({data})}).catch(() => 0)""",
                {**call, "content": content},
            )
    assert not (folder / "data/documents/mine/label_corrections.csv").exists()


def test_a_sample_takes_no_answer_and_says_how_to_copy_it(page):
    address, folder = page
    params = folder / "params.yaml"
    before = params.read_text()
    params.write_text(before.replace(DATA["documents"], "data/documents/sample"))
    try:
        with open_browser() as browser:
            view = opened(browser, address)
            line = "cp -r data/documents/sample data/documents/mine"
            see(view, line)
            view.page.keyboard.press("k")
            view.page.get_by_test_id("toast-body").get_by_text(line).first.wait_for(timeout=LONG)
    finally:
        params.write_text(before)
    assert not list(folder.glob("data/documents/*/label_corrections.csv"))
