"""The report of this very checkout in a browser that is offline: nothing missing, nothing complained of."""

import pytest

from reprise.tools.report import build
from tests.conftest import ROOT
from tests.system.browser import open_browser

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        build.main("HEAD", path)
    return path


@pytest.mark.parametrize(("name", "width"), [("phone", 390), ("desktop", 1280)])
def test_it_reads_well_without_a_network(page, name, width):
    with open_browser() as browser:
        view = browser.new_context(viewport={"width": width, "height": 900}, offline=True).new_page()
        complaints: list[str] = []
        view.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        view.on("pageerror", lambda error: complaints.append(str(error)))
        view.on("requestfailed", lambda request: complaints.append(f"not loaded: {request.url[:80]}"))
        view.goto(page.as_uri())
        drawn = "[...document.querySelectorAll('.chart')].every(chart => chart.querySelector('.main-svg'))"
        view.wait_for_function(drawn)
        view.wait_for_timeout(500)  # charts take their panels' widths when all is loaded
        assert complaints == []
        assert view.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
        assert view.evaluate("document.images.length") >= 5
        assert view.evaluate("document.documentElement.scrollWidth") <= width, "it scrolls sideways"
        assert view.locator(".card").count() >= 10
        assert view.locator("h2").all_inner_texts() == ["Taxonomy", "Documents", "Deepfake"]
        for title in ("Training loss by fold", "Classes", "Reliability", "ROC", "DET", "Seconds by stage"):
            assert view.get_by_text(title).count(), title
        assert view.get_by_text("suspects (").count() == 1
        wide = view.evaluate("[...document.querySelectorAll('.chart')].map(c => c.scrollWidth - c.clientWidth)")
        assert max(wide) <= 1, "a chart is wider than its panel"
