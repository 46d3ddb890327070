import numpy as np
import pytest

from reprise.documents.sample import pages as sample_pages
from reprise.documents.sample.pages import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_pages_of_a_kind_vary_and_have_ink(kind):
    pages = [sample_pages.draw_page(kind, np.random.default_rng(number)) for number in range(3)]
    drawn = [np.asarray(page.resize((64, 64)), dtype=float) for page in pages]
    assert all(page.std() > 8 for page in drawn)
    assert np.abs(drawn[0] - drawn[1]).mean() > 2
    assert np.abs(drawn[1] - drawn[2]).mean() > 2
