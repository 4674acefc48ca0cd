#!/usr/bin/env python3
"""Writes `crates/evaluation/tests/statistics_reference.json`: random cases with the results of scikit-learn, krippendorff and statsmodels.

    python3 -m venv /tmp/statistics && /tmp/statistics/bin/pip install scikit-learn==1.9.1 krippendorff==0.9.0 statsmodels==0.15.0
    /tmp/statistics/bin/python scripts/statistics_reference.py

The tests of `crates/evaluation` compare our results to the file. The cases have a fixed seed, so a second run writes the same file.
"""

import json
import random
import warnings
from pathlib import Path

import krippendorff
import numpy as np
from sklearn.metrics import cohen_kappa_score, confusion_matrix
from statsmodels.stats.multitest import multipletests

FILE = Path(__file__).resolve().parent.parent / "crates/evaluation/tests/statistics_reference.json"
SCALES = ["nominal", "ordinal", "interval"]


def defined(value):
    """Returns a number, or None where the library has no result."""
    return None if value is None or np.isnan(value) else float(value)


def kappa_case(dice):
    """Two raters who agree more or less often, on two to six labels."""
    labels, items = dice.randint(2, 6), dice.choice([1, 2, 5, 20, 60])
    agreement = dice.random()
    first = [dice.randrange(labels) for _ in range(items)]
    second = [label if dice.random() < agreement else dice.randrange(labels) for label in first]
    weightings = {"unweighted": None, "linear": "linear", "quadratic": "quadratic"}
    kappas = {name: defined(cohen_kappa_score(first, second, weights=weights)) for name, weights in weightings.items()}
    return {
        "pairs": list(zip(first, second)),
        "labels": sorted(set(first + second)),
        "matrix": confusion_matrix(first, second).tolist(),
        "kappa": kappas,
    }


def alpha(ratings, scale):
    """Returns Krippendorff's alpha, or None where the library refuses the ratings or divides by zero."""
    try:
        return defined(krippendorff.alpha(np.array(ratings, dtype=float), level_of_measurement=scale))
    except (ValueError, AssertionError):
        return None


def alpha_case(dice):
    """Two to six raters of whom each leaves out some items, with few or many different values."""
    raters, items = dice.randint(2, 6), dice.choice([1, 3, 8, 25])
    missing, noise = dice.choice([0, 0.2, 0.6]), dice.random()
    values = dice.choice([[0, 1], [1, 2, 3, 4, 5], [-2.5, 0.125, 0.25, 7, 1000], [round(dice.gauss(0, 3), 3) for _ in range(40)]])
    truth = [dice.choice(values) for _ in range(items)]
    ratings = [[dice.choice(values) if dice.random() < noise else true for true in truth] for _ in range(raters)]
    ratings = [[None if dice.random() < missing else rating for rating in row] for row in ratings]
    of_raters = [[np.nan if rating is None else rating for rating in row] for row in ratings]
    return {"items": list(zip(*ratings)), "alpha": {scale: alpha(of_raters, scale) for scale in SCALES}}


def adjustment_case(dice):
    """One to 30 p-values, some of them equal."""
    p_values = [round(dice.random() ** dice.choice([1, 3, 8]), dice.choice([2, 12])) for _ in range(dice.randint(1, 30))]
    methods = {"holm": "holm", "benjamini_hochberg": "fdr_bh"}
    adjusted = {name: multipletests(p_values, method=method)[1].tolist() for name, method in methods.items()}
    return {"p_values": p_values, **adjusted}


def main():
    # Cases without a result are intended.
    warnings.simplefilter("ignore")
    dice = random.Random(20_261_201)
    cases = {
        "kappa": [kappa_case(dice) for _ in range(80)],
        "alpha": [alpha_case(dice) for _ in range(80)],
        "adjusted_p_values": [adjustment_case(dice) for _ in range(60)],
    }
    groups = []
    for name, group in cases.items():
        lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in group)
        groups.append(f'"{name}":[\n{lines}\n]')
    FILE.write_text("{" + ",\n".join(groups) + "}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
