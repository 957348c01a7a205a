"""Packs a built program for a release, then unpacks the archive elsewhere and runs what was in it.

    python3 scripts/release/package.py check [--tag v0.1.0]
    python3 scripts/release/package.py pack BINARY TARGET DIRECTORY

`check` compares the tag with the version in Cargo's metadata, and the names that `cargo binstall` will ask for with those that
`pack` makes, for every target of the release workflow. `pack` does the same for its own target, and writes to DIRECTORY
`hourglass-VERSION-TARGET.tar.gz` (`.zip` for Windows) and beside it a `.sha256`, which `sha256sum --check` reads. It replaces
what an earlier call left there.

Needs Python 3.9 or later with its standard library, and Cargo, on Linux, macOS or Windows; no network.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAME = "hourglass"
WORKFLOW = ROOT / ".github" / "workflows" / "release.yml"
# The licence of the images in the program; those of the code and of the font lie in the root.
IMAGES_LICENCE = ROOT / "crates" / "hourglass-data" / "data" / "mnist-mini" / "README.md"
# What cargo-binstall tries for `{ archive-suffix }`, by package format.
SUFFIXES = {"tgz": [".tgz", ".tar.gz"], "zip": [".zip"]}
# Seconds that one command of the unpacked program may take.
PATIENCE = 300


def package():
    """What Cargo says about the program's package."""
    command = ["cargo", "metadata", "--no-deps", "--locked", "--format-version", "1"]
    command += ["--manifest-path", str(ROOT / "Cargo.toml")]
    metadata = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return next(package for package in metadata["packages"] if package["name"] == NAME)


def is_windows(target):
    return "-windows-" in target


def folder_of(version, target):
    return f"{NAME}-{version}-{target}"


def archive_of(version, target):
    return folder_of(version, target) + (".zip" if is_windows(target) else ".tar.gz")


def binary_of(target):
    return NAME + (".exe" if is_windows(target) else "")


def check_tag(version, tag):
    if tag != f"v{version}":
        sys.exit(f"tag: expected v{version}, after the version in Cargo.toml, found {tag}")


def expand(template, variables):
    """A template of cargo-binstall with its `{ variables }` filled in."""
    try:
        return re.sub(r"\{ *([a-z-]+) *\}", lambda match: variables[match[1]], template)
    except KeyError as error:
        sys.exit(f"binstall: {template!r} has a variable that this check does not know: {error}")


def check_binstall(cargo, target):
    """Compares what cargo-binstall will look for with what `pack` makes."""
    programs = [built["name"] for built in cargo["targets"] if "bin" in built["kind"]]
    if programs != [NAME]:
        sys.exit(f"binstall: it wants every program of the package: expected {NAME} alone, found {', '.join(programs)}")
    settings = dict(cargo["metadata"]["binstall"])
    settings.update(settings.pop("overrides", {}).get(target, {}))
    variables = {
        "name": cargo["name"],
        "version": cargo["version"],
        "target": target,
        "repo": cargo["repository"] or "REPOSITORY",
        "bin": NAME,
        "binary-ext": ".exe" if is_windows(target) else "",
    }
    urls = [
        expand(settings["pkg-url"], {**variables, "archive-suffix": suffix})
        for suffix in SUFFIXES[settings["pkg-fmt"]]
    ]
    url = f"{variables['repo']}/releases/download/v{cargo['version']}/{archive_of(cargo['version'], target)}"
    if url not in urls:
        sys.exit(f"binstall: {target}: expected the URL {url}, found {' or '.join(urls)}")
    binary = expand(settings["bin-dir"], variables)
    packed = f"{folder_of(cargo['version'], target)}/{binary_of(target)}"
    if binary != packed:
        sys.exit(f"binstall: {target}: expected the binary at {packed}, found {binary}")


def contents(binary, folder, target):
    """The files to pack: where each is, its name in the archive, and whether it is run."""
    licences = sorted(ROOT.glob("LICENSE-*"))
    if not licences:
        sys.exit(f"{ROOT}: expected files LICENSE-*, found none")
    return [
        (binary, f"{folder}/{binary_of(target)}", True),
        (ROOT / "README.md", f"{folder}/README.md", False),
        (IMAGES_LICENCE, f"{folder}/LICENSE-MNIST.md", False),
        *((licence, f"{folder}/{licence.name}", False) for licence in licences),
    ]


def write_archive(archive, files):
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for path, name, _ in files:
                packed.write(path, name)
        return
    # Level 6 is that of gzip itself; Python's default, 9, takes longer.
    with tarfile.open(archive, "w:gz", compresslevel=6) as packed:
        for path, name, is_run in files:
            member = packed.gettarinfo(path, name)
            # Nothing of the account that packed it.
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mode = 0o755 if is_run else 0o644
            with open(path, "rb") as file:
                packed.addfile(member, file)


def write_checksum(archive):
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    checksum = archive.with_name(archive.name + ".sha256")
    # Bytes, so that the line ends as `sha256sum` wants on Windows too.
    checksum.write_bytes(f"{digest}  {archive.name}\n".encode())
    return checksum


def run(command, place):
    """What a command prints that runs in a directory, without the user's settings for the program."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HOURGLASS_")}
    result = subprocess.run(
        command, cwd=place, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE
    )
    if result.returncode != 0:
        error = result.stderr.decode(errors="replace")
        sys.exit(f"{' '.join(map(str, command))}: exit code {result.returncode}\n{error}")
    return result.stdout.decode()


def try_archive(archive, version, target):
    """Unpacks an archive into a directory of its own and runs the program from there."""
    place = Path(tempfile.mkdtemp())
    try:
        shutil.unpack_archive(archive, place)
        binary = place / folder_of(version, target) / binary_of(target)
        printed = run([binary, "--version"], place).strip()
        if printed != f"{NAME} {version}":
            sys.exit(f"{archive.name}: expected {NAME} {version} from --version, found {printed!r}")
        models = run([binary, "models"], place)
        if "variational" not in models:
            sys.exit(f"{archive.name}: expected the model `variational` among the published ones, found\n{models}")
        # On the CPU: what a build machine has for a GPU is a virtual one.
        run([binary, "sample", "variational", "--backend", "flex", "--out", "digits.png"], place)
        if (place / "digits.png").read_bytes()[:8] != b"\x89PNG\r\n\x1a\n":
            sys.exit(f"{archive.name}: expected a PNG from `sample`, found another file")
    finally:
        # Windows may hold on to a program that has just ended.
        shutil.rmtree(place, ignore_errors=True)


def check(cargo, tag):
    if tag is not None:
        check_tag(cargo["version"], tag)
    targets = re.findall(r"- target: ([\w-]+)", WORKFLOW.read_text(encoding="utf-8"))
    if not targets:
        sys.exit(f"{WORKFLOW}: expected lines `- target: TRIPLE`, found none")
    for target in targets:
        check_binstall(cargo, target)
        print(archive_of(cargo["version"], target))
    if cargo["repository"] is None:
        print("hint: set `repository` in Cargo.toml: until then `cargo binstall` can't find the archives", file=sys.stderr)


def pack(cargo, binary, target, directory):
    version = cargo["version"]
    check_binstall(cargo, target)
    if not binary.is_file():
        sys.exit(f"{binary}: expected the built program, found no file")
    name = archive_of(version, target)
    with tempfile.TemporaryDirectory() as place:
        archive = Path(place) / name
        write_archive(archive, contents(binary, folder_of(version, target), target))
        checksum = write_checksum(archive)
        try_archive(archive, version, target)
        # Only what works gets to the directory.
        directory.mkdir(parents=True, exist_ok=True)
        for made in (archive, checksum):
            shutil.move(made, directory.resolve() / made.name)
            print(made.name)
    sizes = [path.stat().st_size / 1e6 for path in (binary, directory / name)]
    print(f"packed {sizes[0]:.1f} MB to {sizes[1]:.1f} MB; unpacked, it runs")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    checking = commands.add_parser("check", help="compare the tag, the version and the names")
    checking.add_argument("--tag", help="the tag that is released")
    packing = commands.add_parser("pack", help="make an archive and its checksum, and try the archive")
    packing.add_argument("binary", type=Path, help="the built program")
    packing.add_argument("target", help="the target that it was built for, as x86_64-unknown-linux-gnu")
    packing.add_argument("directory", type=Path, help="where the two files go")
    arguments = parser.parse_args()
    if arguments.command == "check":
        check(package(), arguments.tag)
    else:
        pack(package(), arguments.binary, arguments.target, arguments.directory)


if __name__ == "__main__":
    main()
