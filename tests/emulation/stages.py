"""Run stages in this process as `tests.system.in_one_process` does, with one operation replaced that QEMU cannot run.

torch's vector kernel of `grid_sample` gathers under a mask, at addresses that are no memory where the mask is off: a
processor does not touch them, QEMU does, and ends. The scalar kernel, which torch has for large images, does without.
"""

import torch

from tests.emulation.approximations import END, mark
from tests.system import in_one_process

if __name__ == "__main__":
    torch.grid_sampler = torch._grid_sampler_2d_cpu_fallback
    in_one_process.main(mark)
    mark(END)
