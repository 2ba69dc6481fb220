"""Time of `model.eval` against the real CNTK 2.7, one thread each, in turns: a LeNet and a ResNet-20, batch 1 and 64.

    python benchmarks/bench_cntk_eval.py --oracle "PYTHON-OF-CNTK"

Promise: at most half the time of the real one. Both build the same networks from the same lines below.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys

BATCHES = (1, 64)

SCRIPT = """
import json, time
import numpy as np
{imports}

def lenet():
    x, layers = C.input_variable((1, 28, 28)), C.layers
    with C.default_options(activation=C.relu):
        return layers.Sequential([
            layers.Convolution2D((5, 5), 32, pad=True), layers.MaxPooling((3, 3), (2, 2)),
            layers.Convolution2D((3, 3), 48), layers.MaxPooling((3, 3), (2, 2)),
            layers.Convolution2D((3, 3), 64), layers.Dense(96), layers.Dropout(0.5),
            layers.Dense(10, activation=None)])(x)

def normalised(x, size, filters, stride=1, activation=True):
    made = C.layers.Convolution2D(size, filters, strides=stride, pad=True, activation=None, bias=False)(x)
    made = C.layers.BatchNormalization(map_rank=1)(made)
    return C.relu(made) if activation else made

def residual(x, filters, stride=1):
    made = normalised(normalised(x, (3, 3), filters, stride), (3, 3), filters, 1, False)
    return C.relu(made + (x if stride == 1 else normalised(x, (1, 1), filters, stride, False)))

def resnet20():
    x = C.input_variable((3, 32, 32))
    made = normalised(x, (3, 3), 16)
    for filters in (16, 32, 64):
        for number in range(3):
            made = residual(made, filters, 2 if filters > 16 and number == 0 else 1)
    return C.layers.Dense(10, activation=None)(C.layers.GlobalAveragePooling()(made))

found = {{}}
for make in (lenet, resnet20):
    model = make()
    x = model.arguments[0]
    for batch in {batches}:
        values = np.random.RandomState(0).rand(batch, *x.shape).astype(np.float32)
        times = []
        for turn in range({warm} + ({quick} if batch == 1 else {slow})):
            start = time.perf_counter()
            model.eval({{x: values}})
            times.append(time.perf_counter() - start)
        times = sorted(times[{warm}:])
        found[make.__name__ + ", batch %d" % batch] = times[len(times) // 2]
print(json.dumps(found))
"""


def one_run(python: list[str], imports: str) -> dict[str, float]:
    """Return the median seconds by network and batch, in a process of its own."""
    script = SCRIPT.format(imports=imports, batches=BATCHES, warm=3, quick=100, slow=10)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*python, "-c", script], capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        raise SystemExit(f"{python[0]} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Let both take turns; print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--oracle", required=True, help="command that runs Python with the real CNTK")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    real, ours = [], []
    for _ in range(options.turns):
        real.append(one_run(shlex.split(options.oracle), "import cntk as C"))
        ours.append(one_run([sys.executable], "import onnx_workbench.cntk as C"))
    print(f"{'':20s} {'ours, ms':>10s} {'CNTK 2.7, ms':>14s} {'ratio':>7s}")
    for name in real[0]:
        mine, other = (statistics.median(run[name] for run in runs) * 1000 for runs in (ours, real))
        print(f"{name:20s} {mine:10.3f} {other:14.3f} {mine / other:7.2f}")


if __name__ == "__main__":
    main()
