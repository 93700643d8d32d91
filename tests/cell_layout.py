"""Walks every object of a result cell, with h5py, and finds what results/cell.h documents, and
nothing else; then reads its tables as pandas frames and compares them with what `mudepth run --json`
printed.

    cell_layout.py CELL.h5 RUN.json
"""

import json
import sys

import h5py
import pandas

TEXT, INTEGER, REAL = "text", "<i8", "<f8"

METRICS = ["abs_rel", "sq_rel", "rmse_m", "rmse_log", "delta1", "delta2", "delta3", "silog",
           "si_rmse", "log10", "no_prediction"]
METRICS_TABLE = ([("predictor", "S8"), ("cap_m", REAL)] + [(name, REAL) for name in METRICS] +
                 [("images", INTEGER), ("without_truth", INTEGER)])
SPLIT = {"samples": INTEGER, "digest": TEXT}

# Attributes of groups.
GROUPS = {
    "/": {"kind": TEXT, "layout": INTEGER, "identity": TEXT, "run_digest": TEXT},
    "/config": {"yaml": TEXT, "command": TEXT, "network_digest": TEXT},
    "/provenance": {
        "code_version": TEXT, "git_commit": TEXT, "git_dirty": INTEGER, "compiler": TEXT,
        "compiler_flags": TEXT, "compiler_target": TEXT, "cpu_level": TEXT, "cpu_model": TEXT,
        "host": TEXT, "kernel": TEXT, "threads": INTEGER, "numerics_version": INTEGER,
        "initial_weights_digest": TEXT, "started": TEXT, "finished": TEXT, "wall_seconds": REAL,
        "cpu_seconds": REAL, "peak_memory_bytes": INTEGER},
    "/provenance/libraries": {
        name: TEXT for name in ("hdf5", "zlib", "libpng", "libjpeg", "libzip", "libyaml", "xxhash",
                                "openblas", "jansson")},
    "/data": {},
    "/data/train": SPLIT,
    "/data/val": SPLIT,
    "/data/test": SPLIT,
    "/training": {
        "arena_bytes": INTEGER, "parameters_learning": INTEGER,
        "optimizer_bytes_per_parameter": INTEGER, "steps": INTEGER, "skipped_steps": INTEGER,
        "selected_epoch": INTEGER, "diverged": INTEGER, "diverged_epoch": INTEGER,
        "wall_seconds": REAL, "cpu_seconds": REAL, "label_share": REAL},
    "/test": {},
    "/validation": {},
    "/weights": {"network": TEXT, "source": TEXT, "command": TEXT, "code_version": TEXT,
                 "stored_as": TEXT, "digest": TEXT},
}
# Attributes of runs that had a teacher, or strengths that were measured.
OPTIONAL = {("/provenance", "teacher_digest"): TEXT, ("/training", "augment_gain"): REAL,
            ("/training", "augment_noise"): REAL}
TABLES = {
    "/training/epochs": [("epoch", INTEGER), ("learning_rate", REAL), ("train_loss", REAL),
                         ("validation_loss", REAL), ("validation_rmse_m", REAL)],
    "/training/steps": [("step", INTEGER), ("train_loss", REAL), ("learning_rate", REAL)],
    "/test/metrics": METRICS_TABLE,
    "/validation/metrics": METRICS_TABLE,
}

problems = []


def expect(what, expected, found):
    if expected != found:
        problems.append(f"{what}: expected {expected}, found {found}")


def type_of(dtype):
    text = h5py.check_string_dtype(dtype)
    return TEXT if text and text.encoding == "utf-8" and text.length else dtype.str


def check_object(name, thing):
    attributes = {a: type_of(thing.attrs.get_id(a).dtype) for a in thing.attrs}
    if isinstance(thing, h5py.Group):
        attributes = {a: t for a, t in attributes.items() if OPTIONAL.get((name, a)) != t}
        expect(name, GROUPS.get(name, "no such group"), attributes)
    elif name.startswith("/weights/"):
        expect(name, ("<f4", {}, True),
               (thing.dtype.str, attributes, name.endswith((".weight", ".bias"))))
    else:
        columns = [(c, thing.dtype[c].str.replace("|", "")) for c in thing.dtype.names or ()]
        expect(name, (TABLES.get(name, "no such table"), {}), (columns, attributes))


def check_values(file, run):
    test = pandas.DataFrame(file["/test/metrics"][:])
    rows = [(c["cap_m"], p) for c in run["test_by_cap"] for p in ("before", "after", "dummy")]
    for name in ("/test/metrics", "/validation/metrics"):
        frame = pandas.DataFrame(file[name][:])
        expect(name + " rows", rows, list(zip(frame.cap_m, frame.predictor.str.decode("utf-8"))))
        expect(name + " values", False, bool(frame.isna().any(axis=None)))
    for (cap_m, predictor), (_, row) in zip(rows, test.iterrows()):
        said = next(c for c in run["test_by_cap"] if c["cap_m"] == cap_m)[predictor]
        for column in METRICS + ["images", "without_truth"]:
            expect(f"{predictor} up to {cap_m} m: {column}",
                   said[column], row[column])
    epochs = pandas.DataFrame(file["/training/epochs"][:])
    expect("epochs", list(range(1, len(run["epochs"]) + 1)), list(epochs.epoch))
    for column in epochs.columns[1:]:
        expect(column, [e[column] for e in run["epochs"]], list(epochs[column]))
    steps = pandas.DataFrame(file["/training/steps"][:])
    expect("steps", list(range(1, run["steps"] + run["skipped_steps"] + 1)), list(steps.step))
    expect("losses of steps", False, bool(steps.isna().any(axis=None)))
    for name in ("identity", "run_digest"):
        expect(name, run[name], file.attrs[name].decode("utf-8"))


with h5py.File(sys.argv[1]) as cell, open(sys.argv[2]) as said:
    names = {"/": cell}
    cell.visititems(lambda name, thing: names.update({"/" + name: thing}))
    for name, thing in names.items():
        check_object(name, thing)
    for name in [*GROUPS, *TABLES]:
        expect(name, True, name in names)
    if not problems:
        check_values(cell, json.load(said))
for problem in problems:
    print(problem)
sys.exit(len(problems) > 0)
