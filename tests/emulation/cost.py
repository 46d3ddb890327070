"""What the pins cost: CPU seconds of the default trainings' work with and without them, alternating, in one run.

    python -m tests.emulation.cost [ROUNDS]

Prints the least of ROUNDS (3) measurements of each, and their ratio.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

from reprise.core.kernels import PINS, SWITCH
from tests.conftest import ROOT, read_params


def embed() -> Callable[[], object]:
    """300 texts of some hundred tokens through all-MiniLM-L6-v2."""
    from reprise.taxonomy.zero_shot.encoder import open_encoder

    encoder = open_encoder("sentence-transformers/all-MiniLM-L6-v2", 256)
    texts = [" ".join(f"this is sentence {n * k} about thing {n}" for k in range(12)) for n in range(300)]
    return lambda: encoder.encode(texts, batch_size=64)


def documents() -> Callable[[], object]:
    """Ten steps of the default network on batches of 32 pages."""
    import timm
    import torch

    net = timm.create_model("mobilenetv3_small_050", num_classes=18).to(memory_format=torch.channels_last)
    pages = torch.rand(32, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    return _steps(net, lambda: torch.nn.functional.cross_entropy(net(pages), torch.arange(32) % 18), 10)


def detector() -> Callable[[], object]:
    """Five steps of the default detector on batches of 32 pieces of 1.5 s."""
    import torch

    from reprise.core.params import parse_params
    from reprise.deepfake.detector.model import Detector
    from reprise.deepfake.recipe import Recipe

    net = Detector(parse_params(read_params()["deepfake"]["train"], Recipe, "params.yaml"))
    sounds = torch.rand(32, 24000) - 0.5
    return _steps(net, lambda: net(sounds).logits.square().mean(), 5)


def _steps(net, loss, count: int) -> Callable[[], object]:
    import torch

    optimizer = torch.optim.AdamW(net.parameters())

    def run() -> None:
        for _ in range(count):
            optimizer.zero_grad()
            loss().backward()
            optimizer.step()

    return run


WORK = {"MiniLM, 300 texts": embed, "documents, 10 steps": documents, "detector, 5 steps": detector}


def measure() -> dict[str, float]:
    """CPU seconds of each work in this process, after one round to warm up."""
    from reprise.core.seed import use_deterministic_kernels

    use_deterministic_kernels(threads=1)
    seconds = {}
    for name, prepare in WORK.items():
        run = prepare()
        run()
        started = time.process_time()
        run()
        seconds[name] = time.process_time() - started
    return seconds


def main(rounds: int) -> None:
    """Measure in processes of their own, with the pins and without in turn, and print a line for each work."""
    found: dict[str, list[dict[str, float]]] = {"1": [], "0": []}
    inherited = {name: value for name, value in os.environ.items() if name not in PINS}
    for _ in range(rounds):
        for switch, list_ in found.items():
            environment = {**inherited, SWITCH: switch, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
            command = [sys.executable, "-W", "ignore", "-m", "tests.emulation.cost", "measure"]
            output = subprocess.run(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
            list_.append(json.loads(output.splitlines()[-1]))
    for name in WORK:
        pinned, free = (min(seconds[name] for seconds in found[switch]) for switch in ("1", "0"))
        print(f"{name}: {pinned:.2f} s pinned, {free:.2f} s not: {pinned / free:.2f} times", flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["measure"]:
        print(json.dumps(measure()))
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 3)
