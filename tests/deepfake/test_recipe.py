import pytest

from reprise.core.errors import InputError
from tests.deepfake.helpers import tiny_recipe


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"embedding": 30, "heads": 4}, "embedding 30 is no multiple of heads 4"),
        ({"kernel": 4}, "kernel 4 is even"),
        (
            {"evidence": "any", "statistics_branch": False},
            "evidence any needs loss one_class and the statistics_branch",
        ),
        ({"pooled_states": True}, "pooled_states are Whisper's, and front_end is lfcc"),
        ({"crop_seconds": [2.0, 1.0]}, "crop_seconds: 2.0 ... 1.0; expected the shortest first"),
    ],
)
def test_shapes_that_cannot_be(changes, message):
    with pytest.raises(InputError, match=message):
        tiny_recipe(**changes)
