import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from reprise.documents.least_sure import COLUMNS, LeastSure


def record(number, first):
    rest = (1 - first) / 2
    return {"path": f"scans/p{number}.jpg", "probabilities": {"form": rest, "letter": first, "=memo": rest}}


@given(st.lists(st.floats(0.34, 1), max_size=30), st.integers(1, 8))
def test_the_pages_with_the_least_margin_come_first(probabilities, count):
    kept = LeastSure(count)
    for number, probability in enumerate(probabilities):
        kept.add(record(number, probability))
    rows = list(csv.DictReader(io.StringIO(kept.csv_text())))
    expected = sorted(range(len(probabilities)), key=lambda number: (margin(probabilities[number]), number))[:count]
    assert [row["ID"] for row in rows] == [f"p{number}.jpg" for number in expected]


def margin(first):
    return first - (1 - first) / 2


def test_a_row_says_what_a_person_needs_and_errors_are_left_out():
    kept = LeastSure(3)
    kept.add({"path": "broken.jpg", "error": "no image"})
    kept.add({"path": "in/a.jpg", "probabilities": {"letter": 0.25, "=memo": 0.6, "form": 0.15}})
    header, row = csv.reader(io.StringIO(kept.csv_text()))
    assert tuple(header) == COLUMNS
    assert row == ["a.jpg", "", "in/a.jpg", "'=memo", "0.6000", "letter", "0.2500"]
