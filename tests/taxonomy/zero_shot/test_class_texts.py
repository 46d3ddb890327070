import numpy as np

from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.zero_shot.class_texts import class_texts, mean_per_class

HIERARCHY = Hierarchy(("0", "1", "2"), ("food", "drink", "iced tea"), ((), ("cup",), ("ice", "leaf")), ((0, 2), (1, 2)))


def test_every_template_that_a_class_can_fill():
    texts = class_texts(HIERARCHY, ["{name}", "{parent}: {name}", "{name}: {keywords}"])
    assert texts == [
        ["food"],
        ["drink", "drink: cup"],
        ["iced tea", "food: iced tea", "drink: iced tea", "iced tea: ice, leaf"],
    ]


def test_a_class_is_never_without_a_text():
    assert class_texts(HIERARCHY, ["{parent}: {name}"])[0] == ["food"]


def test_means_are_of_norm_one():
    embeddings = np.array([[1, 0], [0, 1], [0.6, 0.8], [1, 0]], dtype=np.float32)
    means = mean_per_class(embeddings, [["a"], ["b", "c"], ["d"]])
    expected = np.array([0.3, 0.9]) / np.linalg.norm([0.3, 0.9])
    np.testing.assert_allclose(means, [[1, 0], expected, [1, 0]], rtol=1e-6)
