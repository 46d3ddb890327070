"""The tools that compare processors, without an emulator: recordings, and the list of instructions."""

import io
from pathlib import Path

import pytest
import torch

from tests.emulation.approximations import END, Instructions
from tests.emulation.compare import differing
from tests.emulation.recorded import Recorder, repeat

LARGE = 2**30


def record(function) -> dict[str, str]:
    """Hashes of what the operations of a function give, repeated."""
    file = io.BytesIO()
    with Recorder(file, LARGE):
        function()
    results = []
    for _ in range(2):
        file.seek(0)
        results.append(repeat(file))
    assert results[0] == results[1]
    return results[0]


def train(steps: int) -> None:
    layer = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(layer.parameters(), foreach=False)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer)
    for _ in range(steps):
        optimizer.zero_grad()
        layer(torch.ones(4, 3)).square().mean().backward()
        optimizer.step()
        schedule.step()


def test_later_steps_of_a_training_repeat_the_first():
    """With a schedule, whose rates differ from step to step."""
    two, six = record(lambda: train(2)), record(lambda: train(6))
    assert len(two) == len(six)
    assert {"aten.addmm.default", "aten.addcdiv_.default"} <= {name.split()[1] for name in six}


def test_powers_of_other_exponents_are_other_operations():
    x = torch.ones(3)
    assert len(record(lambda: (x**0.5, x**3.0, x**3.0))) == 2


def test_windows_draws_and_every_layout_are_recorded():
    generator = torch.Generator().manual_seed(7)
    spread = torch.arange(12.0).reshape(3, 4)[:, ::2]
    wide, imaginary = torch.ones(1).expand(5), torch.tensor([1 + 2j, 3 - 4j]).conj().imag

    def work() -> None:
        torch.hann_window(8)
        torch.rand(4, generator=generator)
        for value in (spread, wide, imaginary):
            value.exp()

    names = [name.split()[1] for name in record(work)]
    assert names.count("aten.exp.default") == 3
    assert {"aten.hann_window.default", "aten.rand.generator"} <= set(names)


def test_what_an_operation_changes_is_compared():
    def results(value: float) -> dict[str, str]:
        file = io.BytesIO()
        x = torch.full((3,), value)
        with Recorder(file, LARGE):
            torch.ops.aten.add_.Tensor(x, x)
        file.seek(0)
        return repeat(file)

    assert differing(results(1.0), results(1.0)) == []
    assert differing(results(1.0), results(2.0)) == ["0 aten.add_.Tensor"]


def test_what_fails_on_both_sides_is_not_equal():
    assert differing({"a": "failed with exit code 1", "b": "0"}, {"a": "failed with exit code 1", "b": "0"}) == ["a"]


def listing(*lines: str) -> Instructions:
    with Instructions() as instructions, Path(instructions.path).open("w") as pipe:
        pipe.write("\n".join(lines) + "\n")
    return instructions


CODE = "0x55d0:  c3                       retq     "
APPROXIMATE = "0x55d4:  0f 53 c1                 rcpps    %xmm1, %xmm0"


def test_approximate_instructions_are_counted_by_mark():
    found = listing(APPROXIMATE, CODE, "== log10", APPROXIMATE, APPROXIMATE, "== exp", CODE, f"== {END}").found
    assert found == {"start: rcpps": 1, "log10: rcpps": 2}
    assert listing("0x1: c5 vrsqrtps %ymm0, %ymm1", CODE, f"== {END}").found == {"start: vrsqrtps": 1}


@pytest.mark.parametrize("lines", [[CODE], ["OBJD-T: c3", f"== {END}"], [CODE, f"== {END}", "== more"]])
def test_a_list_that_ends_early_or_is_in_bytes_proves_nothing(lines):
    with pytest.raises(RuntimeError, match="nothing is known"):
        listing(*lines)


def test_no_process_at_all():
    with pytest.raises(RuntimeError, match="nothing is known"), Instructions():
        pass
    with pytest.raises(KeyError), Instructions():
        raise KeyError
