#!/usr/bin/env python3
"""Checks the Markdown files of the repository: prose is wrapped at 120 characters, and relative links lead to files and headings that exist.

    scripts/check_docs.py

Prints one line per problem and ends with 1 if there is any. Code, tables, headings, images and words that are too long to wrap may be wider.
The README files of `fixtures/captures` are records of what was captured and are not checked. Standard library only.
"""

import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_WIDTH = 120
SKIPPED = {"node_modules", "dist", "target", "shots", "captures", ".git"}


def documents():
    """Returns every Markdown file outside of packages and build output."""
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        found += [Path(folder, name) for name in sorted(files) if name.endswith(".md")]
    return found


def outside_fences(text):
    """Yields the number and text of each line outside of fenced code."""
    fenced = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield number, line


def too_wide(line):
    """Tells whether a line of prose could have been wrapped earlier."""
    if len(line) <= MAX_WIDTH or line.startswith(("#", "|", "![", "    ")):
        return False
    # A break is possible at a space, and in Japanese after a full stop.
    return bool(re.search(r"\S |。.", line.lstrip(" -*0123456789.")[:MAX_WIDTH]))


def anchors(text):
    """Returns the fragments of the headings, as GitHub makes them."""
    headings = [line.lstrip("# ") for _, line in outside_fences(text) if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def problems(path):
    """Yields the number of a line and what is wrong with it."""
    text = path.read_text(encoding="utf-8")
    for number, line in outside_fences(text):
        if too_wide(line):
            yield number, f"is {len(line)} characters wide; wrap prose at {MAX_WIDTH}"
        for target in re.findall(r"\]\(([^)\s]+)\)", line):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, fragment = target.partition("#")
            linked = (path.parent / name).resolve() if name else path
            if not linked.exists():
                yield number, f'links to "{name}", which does not exist'
            elif fragment and fragment not in anchors(linked.read_text(encoding="utf-8")):
                yield number, f'links to "{target}", which has no such heading'


def main():
    found = 0
    for path in documents():
        for number, problem in problems(path):
            found += 1
            print(f"{path.relative_to(ROOT)}:{number} {problem}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
