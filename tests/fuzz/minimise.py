#!/usr/bin/env python3
"""Chooses which of the engine's inputs are committed.

    python3 tests/fuzz/minimise.py TARGET [FOLDER...]

Inputs with names of their own stay. Of the others, those committed, those that run.sh keeps
and those in the folders, the few are chosen that reach most beyond the named ones: step by
step the one that adds most, the smaller of two that add the same. Needs what run.sh builds.
"""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

# How many inputs beyond the named ones, and how large, in bytes.
MOST = 24
LARGEST = 2000


def reached(program: Path, folders: list[Path]) -> dict[Path, set[int]]:
    """What each input reaches, as the engine numbers it; how often does not count."""
    with tempfile.TemporaryDirectory() as scratch:
        record = Path(scratch, "record")
        empty = Path(scratch, "merged")
        empty.mkdir()
        subprocess.run(
            [program, "-merge=1", "-use_counters=0", f"-merge_control_file={record}",
             f"-max_len={LARGEST}", empty, *folders],
            env={**os.environ, "TMPDIR": scratch},
            stderr=subprocess.DEVNULL,
            check=True,
        )
        lines = record.read_text().splitlines()
    # The number of files, the number of those in the first folder, the files, and then for
    # each by its place what it reaches.
    count = int(lines[0])
    paths = [Path(line) for line in lines[2 : 2 + count]]
    found: dict[Path, set[int]] = {path: set() for path in paths}
    for line in lines[2 + count :]:
        word, place, *numbers = line.split()
        if word == "FT":
            found[paths[int(place)]] = {int(number) for number in numbers}
    return found


def is_named(path: Path) -> bool:
    return not re.fullmatch("[0-9a-f]{40}", path.name)


def choose(found: dict[Path, set[int]], corpus: Path) -> list[Path]:
    covered: set[int] = set()
    rest = {}
    for path, numbers in found.items():
        if path.parent == corpus and is_named(path):
            covered |= numbers
        elif path.stat().st_size <= LARGEST:
            rest[path] = numbers
    chosen: list[Path] = []
    while rest and len(chosen) < MOST:
        best = max(rest, key=lambda path: (len(rest[path] - covered), -path.stat().st_size))
        if not rest[best] - covered:
            break
        covered |= rest.pop(best)
        chosen.append(best)
    return chosen


def main() -> None:
    target, *more = sys.argv[1:]
    root = Path(__file__).resolve().parents[2]
    built = Path(os.environ.get("CARGO_TARGET_DIR", root / "target"))
    corpus = root / "tests/fuzz/corpus" / target
    kept = built / "fuzz/corpus" / target
    folders = [corpus, *(folder for folder in [kept, *map(Path, more)] if folder.is_dir())]
    found = reached(built / "debug" / target, folders)
    contents = [path.read_bytes() for path in choose(found, corpus)]
    for path in corpus.iterdir():
        if not is_named(path):
            path.unlink()
    for content in contents:
        (corpus / hashlib.sha1(content).hexdigest()).write_bytes(content)
    print(f"{target}: {len(list(corpus.iterdir()))} inputs, {len(contents)} of them the engine's")


if __name__ == "__main__":
    main()
