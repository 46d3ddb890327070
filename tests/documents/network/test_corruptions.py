import numpy as np
import pytest
import torch

from reprise.documents.network.corruptions import ALL, KINDS, corrupt_block
from tests.documents.helpers import draw_page


def pages(count=6, size=36):
    return torch.from_numpy(np.stack([np.asarray(draw_page("bars", number, size)) for number in range(count)]))


@pytest.mark.parametrize("kind", [*KINDS, ALL])
def test_the_corrupted_set_is_fixed_and_each_kind_changes_pages(kind):
    original = pages()
    corrupted = corrupt_block(original, kind, 3, 0)
    assert corrupted.dtype == torch.uint8
    assert torch.equal(corrupted, corrupt_block(original, kind, 3, 0))
    assert not torch.equal(corrupted, original)
    assert not torch.equal(corrupted, corrupt_block(original, kind, 4, 0))
    assert not torch.equal(corrupted, corrupt_block(original, kind, 3, 512))
