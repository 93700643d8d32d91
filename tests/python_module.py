"""Compares what python/mudepth.py makes of cells, pictures, plans and traces with what the program
says of them.

    python_module.py FOLDER    with cells below runs/ (of two policies, caps of 4 and 2 m; one of
                               them broken), query.json, p.png, plan.yaml, fast.trace, lean.trace,
                               digest.trace; MUDEPTH is the program
"""
import json
import os
import shutil
import subprocess
import sys
import warnings

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), os.pardir, "python"))
import mudepth  # noqa: E402

os.chdir(sys.argv[1])
program = os.environ["MUDEPTH"]


def raises(kind, part, call, *arguments):
    try:
        call(*arguments)
    except kind as problem:
        assert part in str(problem), problem
        return
    raise AssertionError(f"no {kind.__name__} with {part}")


# Cells, and runs as a frame; one that is there twice counts once.
shutil.copy("runs/0.h5", "runs/copy.h5")
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    runs = mudepth.runs("runs").set_index("cell")
assert len(warned) == 2 and "broken.h5" in str(warned[0].message), warned
assert "copy.h5 is the same run as runs/0.h5" in str(warned[1].message), warned
assert len(mudepth.cells("runs")) == 3
with open("query.json") as file:
    said = json.load(file)["cells"]
assert len(runs) == len(said) == 2, (runs, said)
for row in said:
    run = runs.loc[row["cell"]]
    for name, value in {**row["measured"], **row["values"]}.items():
        assert run[name] == value, (name, run[name], value)
assert sorted(runs.policy) == ["d0", "full"] and all(isinstance(v, str) for v in runs.policy)
assert runs["data.set"].iloc[0] == "synthetic" and runs.cap_m.iloc[0] == [4, 2]

cell = mudepth.Cell(runs.index[0])
metrics = cell.metrics()
assert list(metrics.predictor) == ["before", "after", "dummy"] * 2  # texts, not bytes
assert list(cell.metrics("validation").cap_m) == [4] * 3 + [2] * 3
assert list(cell.epochs().epoch) == [1, 2] and len(cell.steps()) == cell.training["steps"]
assert cell.provenance["numerics_version"] > 0 and "hdf5" in cell.libraries
assert cell.data["train"]["samples"] == 6 and not cell.has_diverged
assert cell.command.startswith("mudepth run ") and cell.config["batch"] == 4
assert sum(w.size for w in cell.weights.values()) == 107625
assert cell.weights["decoder0.conv0.weight"].shape == (32, 32, 3, 3)
raises(ValueError, "not a cell", mudepth.Cell, "weights.h5")
raises(OSError, "missing.h5", mudepth.Cell, "missing.h5")
raises(OSError, "nowhere", mudepth.runs, "nowhere")
config = mudepth.parse_config("a: 'it''s'\nb: [1, 2.5, x]\nc:\n  d: 1e-3\n  e:\n    f: g\nh: ''\n")
assert config == {"a": "it's", "b": [1, 2.5, "x"], "c.d": 1e-3, "c.e.f": "g", "h": ""}, config

# Predictions and plans: what the program says.
depth = mudepth.predict(cell.path, "p.png")["p.png"]
assert depth.shape == (48, 48) and depth.dtype == np.float32 and depth.max() > 0
assert (mudepth.predict(cell.path, "p.png", fb=160)["p.png"] == 2 * depth).all()
raises(RuntimeError, "missing.png", mudepth.predict, cell.path, "missing.png")
plan = subprocess.run([program, "plan", "plan.yaml", "batch=1", "--json"], stdout=subprocess.PIPE)
assert mudepth.plan("plan.yaml", "batch=1") == json.loads(plan.stdout)

# Traces: two plans give the same tensors, though in pieces of other sizes.
fast, lean = mudepth.Trace("fast.trace"), mudepth.Trace("lean.trace")
assert fast.format == "bf16" and fast.steps == 2 and fast.network == "upydnet"
assert set(fast) == set(lean) and len(fast) > 100
for key in fast:
    assert fast[key].tobytes() == lean[key].tobytes(), key
assert fast[1, "activation", "encoder.conv0", 0].shape == (8, 48, 48)
assert fast[2, "error", "output", 1].shape == (1, 48, 48)
assert fast[2, "weight gradient", "ups0", 0].dtype == np.float32
assert fast[1, "loss", "", 0].shape == (3,)
assert fast[2, "final weights", "", 0].shape == (107625,)
digests = mudepth.Trace("digest.trace")
assert set(digests) == set(fast) and digests[1, "activation", "encoder.conv0", 0] is None
with open("fast.trace", "rb") as file:
    whole = file.read()
for size in (0, 100, 2000, len(whole) // 2, len(whole) - 1):
    with open("cut.trace", "wb") as file:
        file.write(whole[:size])
    raises(ValueError, "cut.trace: the trace ends too early", mudepth.Trace, "cut.trace")
raises(ValueError, "not a trace", mudepth.Trace, cell.path)
