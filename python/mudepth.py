"""Results of mudepth in Python: cells, runs as a pandas frame, predictions, plans, traces.

One file, to be copied or put on PYTHONPATH; it needs h5py and numpy, and pandas for frames.

    import mudepth
    cell = mudepth.Cell("results/runs/CELL.h5")
    cell.config["policy"], cell.provenance["git_commit"], cell.weights["encoder.conv0.weight"]
    cell.metrics()              # a frame: a row for each depth cap and predictor
    runs = mudepth.runs("results/runs/demo")    # a frame: a row for each run
    runs.groupby("policy").rmse_m.agg(["mean", "std"])
    depth_m = mudepth.predict("results/runs/CELL.h5", "room.jpg")["room.jpg"]
    plan = mudepth.plan("configs/matrix.yaml", "format=bf16", "batch=1")
    trace = mudepth.Trace("run.trace")          # of mudepth compare --save-trace
    trace[1, "activation", "encoder.conv0", 0]

predict and plan call the program: $MUDEPTH, or mudepth on the PATH.
"""
import json
import os
import shutil
import subprocess
import tempfile
import warnings

import h5py
import numpy as np

PREDICTORS = ("before", "after", "dummy")


def _plain(value):
    """Text as str, numbers as Python's own."""
    return value.decode("utf-8") if isinstance(value, bytes) else \
        value.item() if isinstance(value, np.generic) else value


def _attributes(group):
    return {name: _plain(value) for name, value in group.attrs.items()}


def _columns(table):
    """A table's columns by name, texts as str."""
    rows = table[:]
    return {name: np.array([_plain(v) for v in rows[name]], dtype=object)
            if rows.dtype[name].kind == "S" else rows[name] for name in rows.dtype.names}


def _frame(columns):
    import pandas
    return pandas.DataFrame(columns)


def _value(text):
    """A value of a config: 'text', number, or [list]."""
    if text[:1] == "[":
        return [_value(item.strip()) for item in text[1:-1].split(",") if item.strip()]
    if text[:1] == "'":
        return text[1:-1].replace("''", "'")
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            pass
    return text


def parse_config(text):
    """A config as the program writes it, as a flat dict: {"policy": "d0", "data.set": "kitti"}."""
    config, above = {}, []
    for line in text.splitlines():
        name, _, value = line.strip().partition(":")
        depth = (len(line) - len(line.lstrip())) // 2
        above = above[:depth] + [name]
        if value.strip():
            config[".".join(above)] = _value(value.strip())
    return config


class Cell:
    """The result of one run (layout: results/cell.h), read when it is opened but for its weights."""

    def __init__(self, path):
        self.path = os.fspath(path)
        with h5py.File(self.path, "r") as file:
            root = _attributes(file)
            if root.get("kind") != "mudepth cell":
                raise ValueError(f"{self.path}: not a cell of mudepth: its kind is "
                                 f"{root.get('kind')!r}, expected 'mudepth cell'")
            self.identity, self.run_digest = root["identity"], root["run_digest"]
            self.yaml = _plain(file["config"].attrs["yaml"])
            self.command = _plain(file["config"].attrs["command"])
            self.config = parse_config(self.yaml)
            self.provenance = _attributes(file["provenance"])
            self.libraries = _attributes(file["provenance/libraries"])
            self.data = {split: _attributes(group) for split, group in file["data"].items()}
            self.training = _attributes(file["training"])
            self.tables = {name: _columns(file[name]) for name in (
                "training/epochs", "training/steps", "test/metrics", "validation/metrics")}

    def __repr__(self):
        return f"<Cell {self.path}>"

    @property
    def has_diverged(self):
        return bool(self.training["diverged"])

    @property
    def weights(self):
        """{name as in the published checkpoints: float32 array}"""
        with h5py.File(self.path, "r") as file:
            return {name: values[()] for name, values in file["weights"].items()}

    def metrics(self, split="test"):
        """Of "test" or "validation": a row for each depth cap and predictor."""
        return _frame(self.tables[split + "/metrics"])

    def epochs(self):
        return _frame(self.tables["training/epochs"])

    def steps(self):
        return _frame(self.tables["training/steps"])

    def row(self):
        """What runs() shows of it, named as in `mudepth query`."""
        row = {"cell": self.path, **self.config}
        row.update({name: value for name, value in self.training.items() if name != "wall_seconds"})
        row["seconds"] = self.training["wall_seconds"]
        table = self.tables["test/metrics"]
        for at, (predictor, cap) in enumerate(zip(table["predictor"], table["cap_m"])):
            suffix = "" if cap == table["cap_m"][0] else f"@{cap:g}"
            came_to_nothing = self.has_diverged and predictor == "after"
            for metric in table:
                if metric in ("predictor", "cap_m"):
                    continue
                value = np.nan if came_to_nothing else table[metric][at]
                row[f"{predictor}.{metric}{suffix}"] = value
                if predictor == "after":
                    row[metric + suffix] = value
        return row


def cells(folder):
    """All cells in a folder and below it, by name. What is no HDF5 file, or another of mudepth's
    (a cache, weights), is none; one that cannot be read is a warning."""
    found = []
    for where, folders, files in os.walk(folder, onerror=_raise):
        folders.sort()
        for path in (os.path.join(where, name) for name in sorted(files) if name.endswith(".h5")):
            try:
                with h5py.File(path, "r") as file:
                    is_cell = _plain(file.attrs.get("kind", b"")) == "mudepth cell"
                if is_cell:
                    found.append(Cell(path))
            except (OSError, KeyError) as problem:
                warnings.warn(f"{path}: cannot be read: {problem}")
    return found


def _raise(problem):
    raise problem


def runs(folder):
    """A frame with a row for each run of a folder and below it: the config's keys, what training
    took, and the metrics on the test split (rmse_m, before.rmse_m, dummy.rmse_m, rmse_m@80 ...)."""
    found = {}
    for cell in cells(folder):
        first = found.setdefault(cell.identity, cell)
        if first is not cell:
            warnings.warn(f"{cell.path} is the same run as {first.path} and counts once")
    return _frame([cell.row() for cell in found.values()])


def _program(*words):
    program = os.environ.get("MUDEPTH") or shutil.which("mudepth")
    if program is None:
        raise FileNotFoundError("no mudepth on the PATH; the environment's MUDEPTH says where it is")
    done = subprocess.run([program, *map(os.fspath, words)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip() or f"{program}: exit code {done.returncode}")
    return done.stdout


def plan(config, *overrides):
    """The memory plan of a config, as `mudepth plan --json` prints it."""
    return json.loads(_program("plan", config, *overrides, "--json"))


def predict(weights, *pictures, fb=80):
    """{picture: depth in metres, float32, 0 where none is predicted}, as `mudepth predict` does it
    (of each picture the largest centred square)."""
    with tempfile.TemporaryDirectory() as folder:
        said = json.loads(_program("predict", "--weights", weights, "-o", folder, "--fb", str(fb),
                                   "--npy", "--json", *pictures))
        return {picture["picture"]: np.load(picture["npy"]) for picture in said["pictures"]}


# ---- traces (core/job.h) --------------------------------------------------------------------------

KINDS = ("activation", "error", "weight gradient", "loss", "weight", "first moment",
         "second moment", "beside the weight", "final weights", "end")
FORMATS = ("fp32", "fp64", "fp16", "bf16", "fp16w", "bf16w")
_STORED = ("<f4", "<f8", "<f2", "<u2", "<f2", "<u2")

_LAYER = np.dtype([("name", "S16")] + [(name, "<i4") for name in (
    "kind", "group", "input", "skip", "ci", "co", "stride", "leaky")])
_NETWORK = np.dtype([("name", "S24"), ("height", "<i4"), ("width", "<i4"), ("layer_count", "<i4"),
                     ("output", "<i4"), ("group_count", "<i4"), ("groups", "S8", 8),
                     ("layers", _LAYER, 24)])
_JOB = np.dtype([("magic", "<u4"), ("format", "<u4"), ("level", "S16")] + [(n, "<u4") for n in (
    "policy", "optimizer", "moments", "storing", "batch", "cores", "steps", "savings", "front", "band",
    "kinds", "values")] + [
    ("loss", "<f4", 11), ("average", "<u4"), ("depth_cap_m", "<f4"), ("weighing", "<u4")] + [
        (n, "<f4") for n in (
            "stereo_scale", "smoothness", "distill")] + [("teacher_channels", "<i4")] + [
        (n, "<f4") for n in ("momentum", "weight_decay", "beta1", "beta2", "epsilon", "clip_norm")] + [
    ("loss_scale_log2", "<u4"), ("decay", "<u4"), ("seed", "<u4", 2), ("body", "<u4", 2), ("network", _NETWORK)])
_RECORD = np.dtype([("kind", "<u4"), ("step", "<u4"), ("layer", "<i4")] + [(n, "<u4") for n in (
    "slot", "from", "to", "format", "count", "bytes")] + [("digest", "<u8")])


class Trace(dict):
    """The tensors of a trace: {(step, kind, layer, sample): array}, steps from 1, layer by its name
    ("picture", "encoder.conv0", ..., "losses": their dynamic weights; "" for none). Activations and
    errors are (channels, rows, width), all else is flat; bfloat16 is widened. A tensor without values (--digest) is None.
    `format`, `steps` and `network` are the job's."""

    def __init__(self, path):
        super().__init__()
        with open(path, "rb") as file:
            head = np.frombuffer(self._take(file, _JOB.itemsize, path), _JOB)[0]
            if head["magic"] != 0x3854444D:
                raise ValueError(f"{path}: not a trace of mudepth")
            self.format, self.steps = FORMATS[head["format"]], int(head["steps"])
            self.network = _plain(head["network"]["name"])
            layers, pieces = head["network"]["layers"], {}
            while True:
                record = np.frombuffer(self._take(file, _RECORD.itemsize, path), _RECORD)[0]
                kind = KINDS[record["kind"]] if record["kind"] < len(KINDS) else None
                if kind == "end":
                    break
                if kind is None or record["format"] >= len(FORMATS):
                    raise ValueError(f"{path}: a record of no known kind or format")
                values = self._values(self._take(file, int(record["bytes"]), path), record)
                is_map = kind in ("activation", "error")
                layer = int(record["layer"])
                if values is not None and is_map:
                    channels = 3 if layer < 0 else int(layers[layer]["co"])
                    values = values.reshape(channels, int(record["to"] - record["from"]), -1)
                if kind in ("loss", "final weights"):
                    name = ""
                else:
                    name = "picture" if layer < 0 else \
                        "losses" if layer == head["network"]["layer_count"] else \
                        _plain(layers[layer]["name"])
                step = min(int(record["step"]) + 1, self.steps)  # final weights: of the last one
                key = (step, kind, name, int(record["slot"]))
                pieces.setdefault(key, []).append(values)
        for key, rows in pieces.items():
            self[key] = None if rows[0] is None else \
                np.concatenate(rows, axis=1 if rows[0].ndim == 3 else 0)

    @staticmethod
    def _take(file, size, path):
        data = file.read(size)
        if len(data) != size:
            raise ValueError(f"{path}: the trace ends too early")
        return data

    @staticmethod
    def _values(data, record):
        if not data:
            return None
        values = np.frombuffer(data, _STORED[record["format"]])
        if FORMATS[record["format"]].startswith("bf16"):
            values = (values.astype("<u4") << 16).view("<f4")
        return values
