import pytest

from reprise.core.batches import BatchSize


def refusing(most: int, tried: list[int]):
    def compute(size: int) -> int:
        tried.append(size)
        if size > most:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4096 bytes.")
        return size

    return compute


def test_auto_is_halved_until_memory_suffices_and_remembered():
    tried: list[int] = []
    batches = BatchSize("auto", 128)
    assert batches.run(refusing(40, tried)) == 32
    assert batches.run(refusing(40, tried)) == 32
    assert tried == [128, 64, 32, 32]


def test_a_number_is_kept_whatever_happens():
    tried: list[int] = []
    with pytest.raises(RuntimeError, match="can't allocate"):
        BatchSize(100, 8).run(refusing(40, tried))
    assert tried == [100]


def test_one_item_that_does_not_fit_is_an_error_and_so_is_anything_else():
    with pytest.raises(RuntimeError, match="can't allocate"):
        BatchSize("auto", 4).run(refusing(0, []))
    tried = []

    def fail(size: int) -> None:
        tried.append(size)
        raise ValueError("shapes")

    with pytest.raises(ValueError, match="shapes"):
        BatchSize("auto", 4).run(fail)
    assert tried == [4]
