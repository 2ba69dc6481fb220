"""How often the input doctor's first suggestion is the right one: slip by slip, on the shipped sign classifier."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from onnx_workbench import training
from onnx_workbench.analysis.diagnosing.diagnosis import Diagnosis
from onnx_workbench.analysis.doctor import doctor
from onnx_workbench.analysis.mistakes import MISTAKES, prepare

PICTURES = 100
BATCH = 16


def is_right(diagnosis: Diagnosis, slips: tuple[str, ...]) -> bool:
    """Tell whether the first suggestion mends what was planted, or says that nothing was."""
    return sorted(diagnosis.slips) == sorted(slips)


def shares(slips: tuple[str, ...], seed: int = 9) -> tuple[float, ...]:
    """Return the shares found: one picture without label, one with, sixteen with; and of firm verdicts, those wrong."""
    model, data = training.signs_model(), training.signs(8, PICTURES, seed=seed)
    assert model.preprocessing is not None
    array = prepare(model.preprocessing, data.test_images, slips)
    labels = data.test_labels.tolist()
    alone = [doctor(model, array[i : i + 1]) for i in range(PICTURES)]
    labelled = [doctor(model, array[i : i + 1], labels[i]) for i in range(PICTURES)]
    generator = np.random.default_rng(seed)
    draws = [generator.choice(PICTURES, BATCH, replace=False) for _ in range(PICTURES // 4)]
    batches = [doctor(model, array[draw], [labels[i] for i in draw]) for draw in draws]
    firm = [item for item in alone + labelled + batches if item.verdict in {"certain", "likely"}]
    wrong = sum(not set(item.slips) <= set(slips) for item in firm) / max(1, len(firm))
    false_alarms = sum(item.verdict in {"certain", "likely"} for item in alone + labelled + batches)
    found = [
        float(np.mean([is_right(item, slips) for item in group])) for group in (alone, labelled, batches)
    ]
    return (*found, wrong if slips else false_alarms / (2 * PICTURES + len(draws)))


if __name__ == "__main__":
    print(
        f"{'planted':24s} {'one':>8s} {'one + label':>12s} {f'{BATCH} + labels':>12s} {'firm but wrong':>15s}"
    )
    planted = [(), *((name,) for name in MISTAKES), *combinations(MISTAKES, 2)]
    for slips in planted:
        alone, labelled, batch, wrong = shares(slips)
        name = " + ".join(slips) or "nothing"
        print(f"{name:24s} {alone:8.0%} {labelled:12.0%} {batch:12.0%} {wrong:15.1%}")
