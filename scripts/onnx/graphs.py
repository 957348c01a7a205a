"""What Hourglass exports of a run, and what onnxruntime makes of its graphs."""

import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import checker, shape_inference

sys.path.append(str(Path(__file__).resolve().parents[1]))
from comparison import shape_of  # noqa: E402

BATCH = 768  # 10,000 images are no multiple of it, so the last batch has another size


class Program:
    """The program `hourglass`, and a folder for what it writes."""

    def __init__(self, path: str, folder: Path):
        self.path = path
        self.folder = folder

    def call(self, *arguments: str | Path) -> str:
        """What it prints."""
        done = subprocess.run([self.path, *map(str, arguments)], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{arguments}: {done.stderr}")
        return done.stdout

    def weights(self, run: Path, *options: str | Path) -> Path:
        path = self.folder / "weights.safetensors"
        self.call("export", run, "--out", path, "--force", *options)
        return path

    def graph(self, run: Path, *options: str) -> Path:
        path = self.folder / "graph.onnx"
        self.call("export", run, "--format", "onnx", "--out", path, "--force", *options)
        return path


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """The float32 tensors of a file."""
    data = bytearray(path.read_bytes())
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(data[start:end], dtype="<f4").reshape(entry["shape"])
    return tensors


def hourglass_outputs(program: Program, run: Path) -> dict[str, np.ndarray]:
    """The test images, and what Hourglass computes: `encode` and `reconstruct` of these, `decode` of these codes."""
    examples = program.folder / "examples.safetensors"
    program.weights(run, "--examples", examples)
    dump = read_safetensors(examples)
    names = {"images": "images", "encode": "codes", "decode": "decoded", "reconstruct": "reconstructions"}
    return {what: dump[name] for what, name in names.items()}


def graph_outputs(program: Program, run: Path, given: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], list[str]]:
    """The same from the exported graphs, for the images and codes given; and what onnx.checker says against a graph."""
    config = json.loads((run / "config.json").read_text())
    whole = (["--external-data"], given["images"], "reconstructions")
    if config.get("input", {"kind": "image"})["kind"] == "image":
        # Bytes are the stored pixels; dividing by 255 gives the images exactly as Hourglass has them.
        pixels = np.rint(given["images"] * 255).astype(np.uint8).reshape(-1, *shape_of(config))
        whole = (["--bytes", "--external-data"], pixels, "reconstructions")
    graphs = {
        "encode": (["--part", "encoder"], given["images"], "codes"),
        "decode": (["--part", "decoder", "--logits"], given["encode"], "reconstructions"),
        "reconstruct": whole,
    }
    outputs, complaints = {}, []
    for what, (options, inputs, output) in graphs.items():
        path = program.graph(run, *options)
        complaints += [f"{' '.join(options)}: {complaint}" for complaint in complaints_of(path)]
        outputs[what] = run_graph(path, inputs)[output]
    return outputs, complaints


def complaints_of(path: Path) -> list[str]:
    """What the checker of the format has against a graph, its operators' types and shapes included."""
    try:
        checker.check_model(str(path), full_check=True)
    except (checker.ValidationError, shape_inference.InferenceError) as error:
        return [str(error)]
    return []


def run_graph(path: Path, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """The graph's outputs by name."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    (given,) = session.get_inputs()
    batches = [session.run(names, {given.name: inputs[i : i + BATCH]}) for i in range(0, len(inputs), BATCH)]
    return {name: np.concatenate(parts) for name, parts in zip(names, zip(*batches))}
