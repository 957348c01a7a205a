#!/usr/bin/env python3
"""Times a whole training on a table, Hourglass beside PyTorch: 1,000,000 rows of 50 columns from a CSV file, a network of
50-128-16, batches of 1024, 10 epochs, squared error, Adam.

Usage: tables.py HOURGLASS DIRECTORY [--rows N] [--rounds N] [--threads N]

The CSV file is made in DIRECTORY where it is not there yet. Every program starts with the text file: Hourglass without a cache
of it, PyTorch by pandas. Prints the seconds of each round and the ratios of the medians. Needs PyTorch and pandas.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COLUMNS, HIDDEN, CODE, BATCH, EPOCHS = 50, 128, 16, 1024, 10

PYTORCH = """
import sys, pandas, torch
from torch import nn
path, loader, threads = sys.argv[1], sys.argv[2] == "loader", int(sys.argv[3])
torch.set_num_threads(threads)
torch.manual_seed(0)
rows = torch.from_numpy(pandas.read_csv(path, dtype="float32").to_numpy())
rows = (rows - rows.mean(0)) / rows.std(0)
model = nn.Sequential(nn.Linear({c}, {h}), nn.ReLU(), nn.Linear({h}, {k}), nn.ReLU(), nn.Linear({k}, {h}), nn.ReLU(), nn.Linear({h}, {c}))
optimizer = torch.optim.Adam(model.parameters(), 1e-3)
def batches():
    if loader:
        yield from (batch for (batch,) in torch.utils.data.DataLoader(torch.utils.data.TensorDataset(rows), {b}, shuffle=True))
    else:
        for indices in torch.randperm(len(rows)).split({b}):
            yield rows[indices]
for epoch in range({e}):
    for batch in batches():
        loss = (model(batch) - batch).square().sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(loss.item())
""".format(c=COLUMNS, h=HIDDEN, k=CODE, b=BATCH, e=EPOCHS)


def make(path: Path, rows: int) -> None:
    import numpy as np
    import pandas as pd

    generator = np.random.default_rng(0)
    factors, loadings = generator.normal(size=(rows, 8)), generator.normal(size=(8, COLUMNS))
    table = factors @ loadings + 0.3 * generator.normal(size=(rows, COLUMNS))
    pd.DataFrame(table, columns=[f"c{column}" for column in range(COLUMNS)]).to_csv(path, index=False, float_format="%.6g")


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hourglass")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True)
    table = arguments.directory / f"rows-{arguments.rows}.csv"
    if not table.exists():
        make(table, arguments.rows)
    times: dict[str, list[float]] = {"hourglass": [], "pytorch in memory": [], "pytorch loader": []}
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as scratch:
            times["hourglass"].append(seconds([
                arguments.hourglass, "train", "undercomplete", "--data", str(table), "--epochs", str(EPOCHS), "--no-measure",
                "--out", f"{scratch}/run", "--data-dir", f"{scratch}/data", "--set", f"network.hidden=[{HIDDEN}]",
                "--set", f"network.code={CODE}", "--set", "network.activation=relu", "--set", "network.code_activation=relu",
                "--set", "objective.likelihood=squared_error", "--set", f"training.batch_size={BATCH}", "--set", "data.validation=0",
                "--set", "training.learning_rate=1e-3",
            ]))
        for name, kind in (("pytorch in memory", "memory"), ("pytorch loader", "loader")):
            times[name].append(seconds([sys.executable, "-c", PYTORCH, str(table), kind, str(arguments.threads)]))
        print({name: round(found[-1], 1) for name, found in times.items()}, flush=True)
    ours = statistics.median(times["hourglass"])
    for name, found in times.items():
        print(f"{name:18} median {statistics.median(found):6.1f} s, {statistics.median(found) / ours:5.2f} times hourglass")


if __name__ == "__main__":
    main()
