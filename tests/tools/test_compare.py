import pytest

from reprise.tools.compare import write_line
from reprise.tools.headlines import Change, read_headlines
from tests.conftest import ROOT


@pytest.mark.parametrize("headline", read_headlines(ROOT / "headlines.yaml"), ids=lambda each: each.title)
def test_a_line_has_the_whole_title_in_120_characters(headline):
    line = write_line(Change(headline, 0.5, 0.123456, "within noise", (-0.4001, -0.3001)))
    assert f" {headline.title} " in line
    assert "within noise" in line
    assert len(line) <= 120
