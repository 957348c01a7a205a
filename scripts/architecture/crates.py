#!/usr/bin/env python3
"""Draws which crate of the workspace needs which, as docs/images/crates.svg.

    python3 scripts/architecture/crates.py [--check]

Without an option it writes the picture. With `--check` it writes nothing, and exits with 1 if the picture in the repository is
not the one that it would write.

An arrow points from a crate to one that it needs. An arrow is left out where a longer way along other arrows says the same:
`hourglass` needs nearly every crate, but only its arrows to those that no other crate leads to are drawn. Every crate stands one
row below the lowest crate that needs it, so that all arrows point downwards. Dependencies of tests alone do not count.

Needs Python 3.9 or later with its standard library, and Cargo; no network.
"""

import argparse
import itertools
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "docs" / "images" / "crates.svg"
COMMAND = "python3 scripts/architecture/crates.py"

# In pixels. A character of the font is at most this wide, whichever sans-serif font the reader has.
CHARACTER, BOX_HEIGHT, ROW_HEIGHT, GAP, MARGIN = 9, 36, 84, 24, 12
# How wide the place of an arrow is that passes through a row.
PASSAGE = 16
# Dark text on a light box, and a grey for arrows that is seen on white and on black.
BOX, BORDER, TEXT, ARROW = "#dbe9f6", "#5b7fa3", "#10243a", "#7d8894"


def dependencies():
    """The crates of the workspace that each crate of it needs, by name."""
    command = ["cargo", "metadata", "--format-version", "1", "--no-deps"]
    command += ["--manifest-path", str(ROOT / "Cargo.toml")]
    packages = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["packages"]
    names = {package["name"] for package in packages}
    return {
        package["name"]: {
            dependency["name"]
            for dependency in package["dependencies"]
            if dependency["name"] in names and dependency["kind"] is None
        }
        for package in sorted(packages, key=lambda package: package["name"])
    }


def reachable(needs, start):
    """All that a crate needs, directly or by way of others."""
    found = set()
    waiting = list(needs[start])
    while waiting:
        crate = waiting.pop()
        if crate not in found:
            found.add(crate)
            waiting += needs[crate]
    return found


def without_shortcuts(needs):
    """The dependencies that no way by other crates implies."""
    every = {crate: reachable(needs, crate) for crate in needs}
    return {
        crate: {other for other in direct if not any(other in every[between] for between in direct)}
        for crate, direct in needs.items()
    }


def rows_of(needs):
    """The row of each crate, 0 being the highest."""
    rows = dict.fromkeys(needs, 0)
    for _ in needs:
        for crate, direct in needs.items():
            for other in direct:
                rows[other] = max(rows[other], rows[crate] + 1)
    return rows


def with_passages(needs, rows):
    """The nodes of each row and the arrows between neighbouring rows.

    Where an arrow crosses a row, it has a node there: a tuple of its crates and the row.
    """
    layers = [[] for _ in range(max(rows.values()) + 1)]
    for crate in needs:
        layers[rows[crate]].append(crate)
    arrows = []
    for crate, direct in needs.items():
        for other in sorted(direct):
            way = [crate]
            for row in range(rows[crate] + 1, rows[other]):
                way.append((crate, other, row))
                layers[row].append(way[-1])
            way.append(other)
            arrows += zip(way, way[1:])
    return layers, arrows


def disorder(upper, lower, arrows):
    """How many arrows between two rows cross, and then how far they lead sideways."""
    ends = [
        (upper.index(start) - len(upper) / 2, lower.index(end) - len(lower) / 2)
        for start, end in arrows
        if start in upper and end in lower
    ]
    crossed = sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for a, b in itertools.combinations(ends, 2))
    return crossed, sum(abs(start - end) for start, end in ends)


def ordered(layers, arrows):
    """The nodes of each row in the best order of all: arrows lead from one row to the next, so it is found row by row."""
    if max(map(len, layers)) > 6:
        sys.exit(f"{__file__}: expected at most 6 nodes in a row, since every order is tried, found more")
    # The best way to every order of a row: its disorder, and the orders of the rows so far.
    best = [((0, 0), [order]) for order in itertools.permutations(layers[0])]
    for layer in layers[1:]:
        longer = []
        for order in itertools.permutations(layer):
            ways = []
            for cost, orders in best:
                more = disorder(orders[-1], order, arrows)
                ways.append(((cost[0] + more[0], cost[1] + more[1]), orders + [order]))
            # Of equal ways the first, so that the result is the same on every machine.
            longer.append(min(ways, key=lambda way: way[0]))
        best = longer
    return min(best, key=lambda way: way[0])[1]


def width(node):
    return CHARACTER * len(node) + 16 if isinstance(node, str) else PASSAGE


def spread(layer, wished):
    """Places as near to the wished ones as the widths of the nodes allow, in their order."""
    offsets, offset = [], 0
    for node in layer:
        offsets.append(offset + width(node) / 2)
        offset += width(node) + GAP
    # Neighbours that wish for overlapping places share the mean of what they wish for.
    groups = []
    for wish, offset in zip(wished, offsets):
        groups.append([wish - offset, 1])
        while len(groups) > 1 and groups[-2][0] > groups[-1][0]:
            (left, lefts), (right, rights) = groups[-2:]
            groups[-2:] = [[(left * lefts + right * rights) / (lefts + rights), lefts + rights]]
    starts = [start for start, count in groups for _ in range(count)]
    return [start + offset for start, offset in zip(starts, offsets)]


def places(layers, arrows):
    """The middle of each node, in whole pixels."""
    middle = {}
    for layer in layers:
        middle.update(zip(layer, spread(layer, [0] * len(layer))))
    linked = {node: [] for layer in layers for node in layer}
    for start, end in arrows:
        linked[start].append(end)
        linked[end].append(start)
    for turn in range(40):
        for layer in layers if turn % 2 else reversed(layers):
            wished = [sum(middle[other] for other in linked[node]) / len(linked[node]) for node in layer]
            middle.update(zip(layer, spread(layer, wished)))
    left = min(middle[node] - width(node) / 2 for node in middle)
    return {node: round(x - left + MARGIN) for node, x in middle.items()}


def picture(needs):
    """The text of the picture."""
    needs = without_shortcuts(needs)
    layers, arrows = with_passages(needs, rows_of(needs))
    middle = places(ordered(layers, arrows), arrows)
    top = {node: MARGIN + row * ROW_HEIGHT for row, layer in enumerate(layers) for node in layer}
    right = round(max(middle[node] + width(node) / 2 for node in middle) + MARGIN)
    bottom = MARGIN + (len(layers) - 1) * ROW_HEIGHT + BOX_HEIGHT + MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{right}" height="{bottom}" viewBox="0 0 {right} {bottom}" '
        'font-family="sans-serif" font-size="15" role="img">',
        f"<!-- Written by {COMMAND}. -->",
        "<title>Which crate of the workspace needs which</title>",
    ]
    for start, end in arrows:
        # A passage is a point of its arrow; a box has it enter at the top and leave at the bottom.
        x, y = middle[start], top[start] + (BOX_HEIGHT if isinstance(start, str) else 0)
        to_x, to_y = middle[end], top[end] - (7 if isinstance(end, str) else 0)
        bend = (y + to_y) // 2
        lines.append(
            f'<path d="M{x} {y} C{x} {bend} {to_x} {bend} {to_x} {to_y}" fill="none" stroke="{ARROW}" stroke-width="2"/>'
        )
        if isinstance(end, str):
            lines.append(f'<path d="M{to_x} {top[end]} l-6 -9 h12 z" fill="{ARROW}"/>')
    for node in middle:
        if isinstance(node, str):
            x, y = middle[node], top[node]
            lines.append(
                f'<rect x="{x - width(node) // 2}" y="{y}" width="{width(node)}" height="{BOX_HEIGHT}" rx="5" '
                f'fill="{BOX}" stroke="{BORDER}"/>'
            )
            lines.append(f'<text x="{x}" y="{y + 23}" text-anchor="middle" fill="{TEXT}">{node}</text>')
    return "\n".join(lines) + "\n</svg>\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, and compare instead")
    check = parser.parse_args().check
    text = picture(dependencies())
    if not check:
        PICTURE.write_bytes(text.encode())
        return
    if not PICTURE.exists() or PICTURE.read_bytes() != text.encode():
        sys.exit(f"{PICTURE}: expected the picture of the crates as they are, found another; write it by\n  {COMMAND}")


if __name__ == "__main__":
    main()
