"""Follows a part of the guide to writing policies, word for word, in an empty folder.

    python3 tests/guide/follow.py "In Rust" PROGRAM [GUIDE]

Of the section with that heading in GUIDE, by default guest/README.md, each `sh` block is run,
and each block that names a file becomes that file. Blocks of other languages are only shown
to readers.
PROGRAM is the poolwarden that the guide's commands call. The last command has to dismiss a
worker, which then has to end.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
END = "END OF THE FILE"


def section(guide: Path, heading: str) -> str:
    """The text below a heading of the second level."""
    parts = re.split(r"^## (.*)$", guide.read_text(), flags=re.MULTILINE)
    return parts[parts.index(heading) + 1]


def script(text: str) -> str:
    """The section as a shell script."""
    lines = ["set -euo pipefail"]
    for language, path, content in BLOCK.findall(text):
        if path:
            lines.append(f"cat > {path} <<'{END}'\n{content}{END}")
        elif language == "sh":
            lines.append(content)
    # 143: it ended by SIGTERM.
    lines.append('status=0; wait "$worker" || status=$?; test "$status" -eq 143')
    return "\n".join(lines)


def main() -> None:
    heading, program = sys.argv[1], Path(sys.argv[2]).resolve()
    guide = Path(sys.argv[3]) if len(sys.argv) > 3 else ROOT / "guest/README.md"
    environment = dict(os.environ)
    environment["POOLWARDEN"] = str(ROOT)
    environment["PATH"] = f"{program.parent}{os.pathsep}{environment['PATH']}"
    with tempfile.TemporaryDirectory(prefix="poolwarden-guide-") as folder:
        done = subprocess.run(
            ["bash", "-c", script(section(guide, heading))],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
    print(done.stdout)
    if done.returncode != 0:
        sys.exit(f"{guide}: the section {heading!r} failed with status {done.returncode}")
    if '"outcome":"signalled"' not in done.stdout.splitlines()[-1]:
        sys.exit(f"{guide}: the section {heading!r} did not end with a dismissal")


if __name__ == "__main__":
    main()
