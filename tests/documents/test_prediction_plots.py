"""Pictures of predictions on new pages."""

import numpy as np
import pytest
from PIL import Image

from reprise.documents.prediction_plots import choose_examples, count_classes, draw_predictions


def test_the_surest_and_the_least_sure_are_apart():
    confidences = np.array([0.5, 0.9, 0.1, 0.7, 0.3])
    assert choose_examples(confidences, 2) == ([1, 3], [2, 4])
    assert choose_examples(confidences, 9) == ([1, 3, 0], [2, 4])
    assert choose_examples(confidences[:1], 2) == ([0], [])
    assert choose_examples(confidences[:0], 2) == ([], [])


def test_classes_are_counted_and_the_rest_is_a_note():
    names = [f"c{number}" for number in range(150)]
    rows, note = count_classes(["c7", "c7", "c3", *names[:40]], names)
    assert rows[:3] == [("c7", 3), ("c3", 2), ("c0", 1)]
    assert (len(rows), note) == (30, "; 120 other classes: 10")
    assert count_classes(["b"], ["a", "b"]) == ([("b", 1), ("a", 0)], "")


@pytest.mark.parametrize("count", [0, 1, 30])
def test_only_the_pages_that_are_shown_are_read(tmp_path, count):
    read = []

    def picture(row):
        read.append(row)
        return np.full((8, 8, 3), row, np.uint8)

    confidences = np.linspace(0.2, 1, count)
    ids = [f"{'x' * 60}{number}.png" for number in range(count)]
    draw_predictions(tmp_path / "new", ids, ["$a$"] * count, confidences, ["$a$", "<b>" * 20], picture)
    assert sorted(read) == ([*range(6), *range(24, 30)] if count == 30 else list(range(count)))
    for name in ("predictions.png", "predicted_pages.png"):
        with Image.open(tmp_path / "new" / name) as image:
            assert max(image.size) < 2000
