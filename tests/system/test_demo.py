"""The demo as people and programs use it: in a browser, by gradio_client, with curl; with the models of this checkout.

`DEMO_PICTURES=docs/pictures pytest -m system tests/system/test_demo.py -k every_tab` takes the pictures of the docs.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import ROOT
from tests.system.browser import open_browser
from tests.test_docs import BLOCK, TEXTS

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("demo")]

PICTURE_WIDTH = 900  # pixels, of the docs
LONG = 60_000  # milliseconds; models are read at the first use, beside other work
TABS = {
    "Texts": ("Nearest class texts", "Words that speak for"),
    "Pages": ("Nearest training pages", "Probabilities are calibrated"),
    "Speech": ("Moments of highest importance", "Calibrated probability"),
    "Runs": ("Headline figures", "documents: calibration error"),
}
SILENT_MICROPHONE = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


def start(*arguments: str, cwd: Path = ROOT, **environment: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "reprise.tools.demo.command", *arguments]
    return subprocess.Popen(
        command, cwd=cwd, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The running page: its process, its address, and the processor seconds that it took to answer."""
    uploads = tmp_path_factory.mktemp("tmp")
    process = start("--port", "0", TMPDIR=str(uploads))
    assert process.stdout is not None
    line = process.stdout.readline()
    used = psutil.Process(process.pid).cpu_times()
    assert line, process.communicate()[1]
    yield process, line.split()[0], used.user + used.system
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert list(uploads.glob("reprise-demo-*")) == [], "what was dropped on the page is deleted when it ends"


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Files of each kind, good and bad."""
    folder = tmp_path_factory.mktemp("given")
    pages = sorted((ROOT / "data/documents/sample/test").iterdir())[:3]
    (folder / "scans/more").mkdir(parents=True)
    for page in pages:
        shutil.copy(page, folder / "scans")
    (folder / "scans/more/notes.txt").write_text("no page")
    shutil.copy(pages[0], folder / "page.jpg")
    recordings = sorted((ROOT / "data/deepfake/sample/flac").glob("*.flac"))
    import soundfile

    samples, rate = soundfile.read(recordings[0])
    soundfile.write(folder / "call.wav", samples, rate)
    soundfile.write(folder / "telephone.wav", samples[::2], rate // 2, subtype="ULAW")
    (folder / "texts.txt").write_text("a\tthe ball head slips with a long lens\n\nc\tthe tea kettle whistles\n")
    (folder / "many.txt").write_text("the ball head slips with a long lens and does not hold\n" * 4000)
    (folder / "bad.txt").write_bytes(b"one text\rand another\r")
    (folder / "empty.txt").write_bytes(b"")
    (folder / "bad.png").write_text("no picture")
    (folder / "bad.wav").write_text("no sound")
    return folder


class View:
    """A browser's page that writes down what it complains of and whom it asks.

    Attributes:
        page: of Playwright.
        complaints: errors of the console and of scripts, and answers that are errors.
        foreign: addresses of other hosts.
    """

    def __init__(self, browser: Any, address: str, width: int = 1400, scheme: str = "light") -> None:
        self.page = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, permissions=["microphone"]
        ).new_page()
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("response", lambda r: self.complaints.append(f"{r.status} {r.url}") if r.status >= 400 else None)
        self.page.on("request", lambda request: self._note(request.url, address))
        self.page.goto(address)
        self.page.get_by_role("tab", name="Texts").wait_for(timeout=LONG)

    def _note(self, url: str, address: str) -> None:
        if not url.startswith((address, "data:", "blob:")):
            self.foreign.append(url)

    def open_tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name).click()
        self.page.get_by_role("tabpanel").locator("visible=true").first.wait_for()

    def panel(self) -> Any:
        return self.page.locator("[role=tabpanel]:visible")

    def see(self, text: str | re.Pattern[str]) -> None:
        self.panel().get_by_text(text).locator("visible=true").first.wait_for(timeout=LONG)

    def give(self, *files: Path, which: str = "input[type=file]:not([webkitdirectory])") -> None:
        self.panel().locator(which).first.set_input_files([str(file) for file in files])


def test_it_answers_soon_and_on_this_machine_alone(demo):
    process, _, seconds = demo
    assert seconds < 15, "processor seconds until it answers"
    listening = [c for c in psutil.Process(process.pid).net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert {connection.laddr.ip for connection in listening} == {"127.0.0.1"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_every_tab_works_with_one_click_on_an_example(demo, width, scheme):
    with open_browser() as browser:
        view = View(browser, demo[1], width, scheme)
        for tab, texts in TABS.items():
            view.open_tab(tab)
            if tab != "Runs":
                view.panel().locator(".gallery-item").last.click()  # of speech, a synthesis
            for text in texts:
                view.see(text)
            view.page.wait_for_timeout(1500)  # charts and pictures take their places
            assert view.page.evaluate("document.documentElement.scrollWidth") <= width, f"{tab} scrolls sideways"
            take_picture(view, tab, width, scheme)
        background = view.page.evaluate("getComputedStyle(document.body).backgroundColor")
        dark = sum(int(value) for value in re.findall(r"\d+", background)[:3]) < 300
        assert dark == (scheme == "dark")
        assert view.complaints == []
        assert view.foreign == []


def take_picture(view: View, tab: str, width: int, scheme: str) -> None:
    """Store a picture where DEMO_PICTURES says: light on a wide page, dark on a phone."""
    folder = os.environ.get("DEMO_PICTURES")
    if folder and (width, scheme) in ((1400, "light"), (390, "dark")):
        from PIL import Image

        target = ROOT / folder / f"demo-{tab.lower()}-{width}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        view.page.screenshot(path=target, full_page=True)
        picture = Image.open(target).convert("RGB")
        picture.thumbnail((PICTURE_WIDTH, picture.height))
        picture.quantize(128, kmeans=3, dither=Image.Dither.NONE).save(target, optimize=True)


def test_a_file_of_each_kind_can_be_dropped(demo, given):
    with open_browser() as browser:
        view = View(browser, demo[1])
        view.give(given / "texts.txt")
        view.see("electronics › photography › tripods")  # noqa: RUF001
        view.see("texts.txt:2: no text")
        view.see("All as JSON lines")
        view.panel().get_by_text("tea kettles").locator("visible=true").first.click()
        view.see("Words that speak for tea kettles")
        view.open_tab("Pages")
        view.give(given / "page.jpg")
        view.see("Nearest training pages")
        view.give(given / "scans", which="input[webkitdirectory]")
        view.see("The pages; click one for its reasons")
        view.see("The least sure, to label next")
        names = sorted(path.name for path in (given / "scans").glob("*.jpg"))
        view.panel().get_by_role("gridcell", name=names[1]).locator("visible=true").first.click()
        view.panel().locator(".demo .note", has_text=names[1]).first.wait_for(timeout=LONG)
        view.open_tab("Speech")
        view.give(given / "call.wav")
        view.see("Like the training recordings")
        assert view.panel().locator("audio[controls][src^='data:audio/wav']").count() >= 1
        assert view.complaints == []
        assert view.foreign == []


def test_a_moment_is_played(demo, given):
    with open_browser("--autoplay-policy=no-user-gesture-required") as browser:
        view = View(browser, demo[1])
        view.open_tab("Speech")
        view.give(given / "telephone.wav")
        view.see("Unlike the training recordings")
        view.see("8000 samples a second")
        sound = view.panel().locator("audio[src^='data:audio/wav']").first
        seconds = sound.evaluate("async audio => {await audio.play(); return audio.duration}")
        assert 0.5 <= seconds <= 1.0
        assert view.complaints == []


def test_the_microphone_is_heard(demo):
    with open_browser(*SILENT_MICROPHONE) as browser:  # which beeps
        view = View(browser, demo[1])
        view.open_tab("Speech")
        view.panel().get_by_label("Record audio").click()
        view.panel().get_by_role("button", name="Record", exact=True).click()
        view.page.wait_for_timeout(3000)
        view.panel().get_by_role("button", name="Stop", exact=True).first.click()
        view.see("Calibrated probability")
        assert view.complaints == []


@pytest.mark.parametrize(
    ("tab", "name", "line"),
    [
        ("Texts", "bad.txt", "bad.txt: its lines end in CR alone; expected LF or CR LF"),
        ("Pages", "bad.png", "bad.png: not an image that can be read"),
        ("Speech", "bad.wav", "bad.wav: not audio that can be read; expected WAV, FLAC, Ogg Vorbis, Opus or MP3"),
    ],
)
def test_wrong_input_is_the_command_lines_line(demo, given, tab, name, line):
    with open_browser() as browser:
        view = View(browser, demo[1])
        view.open_tab(tab)
        view.give(given / name)
        view.page.get_by_test_id("toast-body").get_by_text(line).first.wait_for(timeout=LONG)


def test_long_work_is_stopped_and_the_next_begins(demo, given):
    with open_browser() as browser:
        view = View(browser, demo[1])
        view.give(given / "many.txt")
        view.see(re.compile("classifying"))
        view.panel().get_by_role("button", name="Stop").click()
        started = time.monotonic()
        view.panel().locator(".gallery-item").first.click()
        view.see("Nearest class texts")
        assert time.monotonic() - started < 30
        assert not view.page.get_by_text("many.jsonl").count()
        assert view.complaints == []


def test_the_keyboard_is_enough(demo):
    with open_browser() as browser:
        view = View(browser, demo[1])
        keys = view.page.keyboard

        def tab_to(selector: str) -> None:
            for _ in range(60):
                keys.press("Tab")
                if view.page.evaluate("selector => document.activeElement.matches(selector)", selector):
                    return
            raise AssertionError(f"{selector} is not reached")

        tab_to("textarea")
        keys.type("the ball head slips with a long lens")
        tab_to("button.primary")
        keys.press("Enter")
        view.see("Words that speak for tripods")
        view.page.reload()
        view.page.get_by_role("tab", name="Texts").wait_for(timeout=LONG)
        tab_to("[role=tab]")
        for _ in range(10):
            if view.page.evaluate("document.activeElement.innerText.includes('Pages')"):
                break
            keys.press("Tab")
        keys.press("Enter")
        tab_to(".gallery-item")
        keys.press("Enter")
        view.see("Nearest training pages")
        assert view.complaints == []


def test_the_report_is_a_click_away(demo):
    report = ROOT / "report.html"
    before = report.read_bytes() if report.exists() else None
    try:
        with open_browser() as browser:
            view = View(browser, demo[1])
            view.open_tab("Runs")
            view.panel().get_by_role("button", name="List the experiments").click()
            view.see("Experiments")
            view.panel().get_by_role("button", name="Write report.html").click()
            link = view.panel().get_by_role("link", name="Open report.html")
            link.wait_for(timeout=LONG)
            with view.page.context.expect_page() as opened:
                link.click()
            opened.value.get_by_role("heading", name="Taxonomy").first.wait_for(timeout=LONG)
            assert view.complaints == []
            assert view.foreign == []
    finally:
        report.unlink(missing_ok=True)
        if before is not None:
            report.write_bytes(before)


@pytest.fixture(scope="module")
def client(demo):
    from gradio_client import Client

    return Client(demo[1], verbose=False)


def test_programs_get_what_the_commands_print(client, given):
    from gradio_client import handle_file

    def printed(*arguments: object) -> list[dict[str, Any]]:
        command = [sys.executable, "-m", "reprise.cli", "predict", *map(str, arguments)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        records = [json.loads(line.replace(f"{given}/", "")) for line in done.stdout.splitlines()]
        return [{"name" if key == "path" else key: value for key, value in record.items()} for record in records]

    def shared(found: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in found.items() if key in told}

    told = printed("taxonomy", "--file", given / "texts.txt")
    records, lines = client.predict(handle_file(given / "texts.txt"), api_name="/texts_of_file")
    assert close(records, told)
    assert close([json.loads(line) for line in Path(lines).read_text().splitlines()], told)
    found = client.predict("the ball head slips with a long lens", api_name="/text")
    assert close(shared(found, told[0]), {key: value for key, value in told[0].items() if key != "id"})
    pages = [given / "page.jpg", given / "bad.png"]
    told = printed("documents", *pages)
    records = client.predict([handle_file(page) for page in pages], api_name="/pages_of_files")
    assert close([shared(*pair) for pair in zip(records, told, strict=True)], told)
    record, upright, looked, nearest = client.predict(handle_file(pages[0]), api_name="/page")
    assert close(shared(record, told[0]), told[0])
    assert len(record["nearest_pages"]) == len(nearest) == 3
    assert all(Path(picture).is_file() for picture in (upright, looked))
    (told_of,) = printed("deepfake", "--importance", given / "call.wav")
    assert close(shared(client.predict(handle_file(given / "call.wav"), api_name="/recording"), told_of), told_of)
    figures = client.predict(api_name="/headlines")
    written = json.loads((ROOT / "metrics/documents/evaluation.json").read_text())
    assert figures["documents"]["macro-F1 out of fold"]["value"] == written["oof"]["macro_f1"]
    assert client.predict(False, api_name="/experiments")["header"][:3] == ["experiment", "state", "parameters"]


def close(found: Any, told: Any) -> bool:
    """Equal but for the last digit of numbers, which depends on the batch."""
    if isinstance(told, dict):
        return found.keys() == told.keys() and all(close(found[key], told[key]) for key in told)
    if isinstance(told, list):
        return len(found) == len(told) and all(map(close, found, told))
    return bool(found == pytest.approx(told, abs=2e-3) if isinstance(told, float) else found == told)


@pytest.mark.parametrize(
    ("name", "function"), [("bad.png", "/page"), ("bad.wav", "/recording"), ("empty.txt", "/texts_of_file")]
)
def test_programs_get_the_line_of_wrong_input(client, given, name, function):
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    with pytest.raises(AppError, match=f"^{name}: "):
        client.predict(handle_file(given / name), api_name=function)
    if function == "/page":
        with pytest.raises(AppError, match=r"^no text; expected one or more words$"):
            client.predict(" ", api_name="/text")


def test_the_programs_of_the_docs_run_as_they_stand(demo, given):
    programs = [body for language, body in BLOCK.findall(TEXTS["docs/serving.md"]) if ":7860" in body and language]
    assert len(programs) == 2
    for program, command in zip(programs, ([sys.executable, "-c"], ["bash", "-euc"]), strict=True):
        here = program.replace("http://127.0.0.1:7860", demo[1])
        done = subprocess.run([*command, here], cwd=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "tripods" in done.stdout
        assert "found" in done.stdout, "how the page lies"


def test_a_port_that_is_taken_is_one_line(demo):
    port = demo[1].rsplit(":", 1)[1]
    process = start("--port", port)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 1
    assert error == f"port {port} is taken; give another with --port, or 0 for any that is free\n"
