# SPDX-License-Identifier: MIT
"""check_python.py FILE...: the house rules of Python files, as check_house_rules.sh has C's."""

import ast
import re
import sys

MAX_LINES, MAX_COLUMNS = 600, 110
REMINDER = re.compile(r"TO" r"DO|FIX" r"ME")


def faults(name):
    with open(name, encoding="utf-8") as file:
        text = file.read()
    lines = text.split("\n")
    if not any("SPDX-License-Identifier: MIT" in line for line in lines[:2]):
        yield 1, "no SPDX line at its head"
    if len(lines) > MAX_LINES:
        yield len(lines), f"more than {MAX_LINES} lines"
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_COLUMNS:
            yield number, f"longer than {MAX_COLUMNS}"
        if line != line.rstrip() or "\t" in line:
            yield number, "a blank at the end, or a tab"
        if REMINDER.search(line):
            yield number, "a reminder: open an issue instead"
    if name.endswith(".py"):
        tree = ast.parse(text, name, feature_version=(3, 9))
        if not ast.get_docstring(tree):
            yield 1, "no docstring says which room it is"
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler) and node.type is None:
                yield node.lineno, "a bare except"


def main():
    n_faults = 0
    for name in sys.argv[1:]:
        for line, words in faults(name):
            print(f"{name}:{line}: {words}")
            n_faults += 1
    print(f"{len(sys.argv) - 1} Python files, {n_faults} faults")
    return 1 if n_faults or len(sys.argv) < 2 else 0


if __name__ == "__main__":
    sys.exit(main())
