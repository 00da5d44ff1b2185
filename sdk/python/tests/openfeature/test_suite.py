"""The suite of OpenFeature's specification, in features/. What is left out, and why,
stands in sdk/conformance/openfeature/README.md."""

from __future__ import annotations

import collections
import json
import os
import subprocess
import sys
from pathlib import Path

import support

FEATURES = Path(__file__).parent / "features"


def test_suite(tmp_path: Path) -> None:
    support.build()
    results = tmp_path / "results.json"
    run = subprocess.run(
        [
            *(sys.executable, "-m", "behave", "--no-skipped", "--no-color"),
            "--tags=not @reason-codes-cached and not @metadata",
            *("--format=json", f"--outfile={results}", "--format=progress"),
            FEATURES,
        ],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(support.__file__).parent)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    counted = collections.Counter(
        (feature["location"].rpartition("/")[2].partition(":")[0], scenario["status"])
        for feature in json.loads(results.read_text())
        for scenario in feature["elements"]
        if scenario["type"] == "scenario"
    )
    assert counted == {("evaluation_v2.feature", "passed"): 79, ("hooks.feature", "passed"): 3}
