"""`make mutation`: a sample of cosmic-ray's mutants, each against the tests of its part.

A seed draws the sample, each position of the source at most once. The parts take turns, so that
the minutes are shared. Mutants are written into copies: a run that is killed leaves none behind.
"""

import argparse
import ast
import os
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast_from_path
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.plugins import get_operator, operator_names
from cosmic_ray.testing import run_tests
from cosmic_ray.work_item import MutationSpec, TestOutcome

PYTEST = "-m pytest -q -x -p no:cacheprovider --no-header -m 'not flow and not slow'"
PLAIN = "-p mutation.plain tests/test_engine -k 'pykalman or course or merging or naming or agree'"
PARTS = {  # packages of weightstream/, and pytest's arguments for the tests that have to notice
    "engine": (("engine",), PLAIN),
    "cleaning": (("intake", "parsing"), "tests/test_intake tests/test_parsing tests/reports"),
    "store": (("store",), "tests/test_store tests/test_corrections.py"),
    "judging": (("judging",), "tests/test_judging tests/test_corrections.py"),
}
PATIENCE = 3.0
"""Times what the tests need, after which a mutant counts as one that never ends."""


def annotated(path: Path) -> set[tuple[int, int]]:
    """Lines and columns inside type annotations, where a mutant tells nothing of the tests."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    types = [getattr(n, name, None) for n in nodes for name in ("annotation", "returns")]
    return {
        (t.lineno, column)
        for t in types
        if isinstance(t, ast.expr)
        for column in range(t.col_offset, t.end_col_offset or 0)
    }


def mutants(path: Path) -> Iterator[MutationSpec]:
    """Every mutant of a file, except of annotations and decorators."""
    types, tree = annotated(path), get_ast_from_path(path)
    for name in operator_names():
        kind = get_operator(name)
        if kind.arguments() or name.endswith("RemoveDecorator"):
            continue
        places = (p for node in ast_nodes(tree) for p in kind().mutation_positions(node))
        for occurrence, (start, end) in enumerate(places):
            if start not in types:
                yield MutationSpec(path, name, occurrence, start, end)


def sample(root: Path, packages: tuple[str, ...], seed: int) -> list[MutationSpec]:
    """One mutant a position, in random order."""
    draw, found = random.Random(seed), dict[tuple[Path, tuple[int, int]], list[MutationSpec]]()
    for path in chain.from_iterable(root.glob(f"weightstream/{p}/**/*.py") for p in packages):
        for mutant in mutants(path):
            found.setdefault((path, mutant.start_pos), []).append(mutant)
    return [draw.choice(found[at]) for at in draw.sample(sorted(found), len(found))]


def left_out(folder: str, names: list[str]) -> set[str]:
    """What of the root is not copied: kept readings, and what is large."""
    return {".git", ".venv", "build", "data"} & set(names) if folder == "." else set()


def trials(part: str, root: Path, seed: int, end: float, python: str) -> Iterator[tuple[str, str]]:
    """Try mutant after mutant in a copy; yields its place, and the diff if it survived.

    Each part has a copy, since every kernel is compiled anew after a change of the engine.
    """
    packages, tests = PARTS[part]
    shutil.copytree(".", root, ignore=left_out)
    disable = "1" if part == "engine" else "0"
    command = f"env -C {root} PYTHONPATH={root} NUMBA_DISABLE_JIT={disable} {python} "
    command += f"{PYTEST} {tests}"
    started = time.monotonic()
    outcome, output = run_tests(command, None)
    if outcome is not TestOutcome.SURVIVED:
        raise SystemExit(f"Without a mutant the tests of {part} fail already:\n{output[-2000:]}")
    patience = PATIENCE * (time.monotonic() - started) + 10
    for mutant in sample(root, packages, seed):
        if time.monotonic() > end:
            return
        result = mutate_and_test([mutant], command, patience)
        place = f"{mutant.module_path.relative_to(root)}:{mutant.start_pos[0]}"
        diff = "" if result.is_killed else f"\n{result.diff}".replace(str(root), "")
        yield f"{place} {mutant.operator_name}", diff


def main() -> None:
    parser = argparse.ArgumentParser(prog="make mutation", description=__doc__)
    parser.add_argument("parts", nargs="*", default=list(PARTS), help=", ".join(PARTS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60, help="no mutant is begun later")
    parser.add_argument("--python", default=os.path.abspath(".venv/bin/python"), help="with pytest")
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    tried, killed = Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory(prefix="weightstream-mutation-") as folder:
        common = (options.seed, end, options.python)
        left = {part: trials(part, Path(folder, part), *common) for part in options.parts}
        while left:
            for part in list(left):
                found = next(left[part], None)
                if found is None:
                    del left[part]
                    continue
                mutant, diff = found
                tried[part] += 1
                killed[part] += not diff
                print(f"{part}: {'survived' if diff else 'killed'} {mutant}{diff}", flush=True)
    for part in options.parts:
        print(f"{part}: {killed[part]} of {tried[part]} mutants killed")


if __name__ == "__main__":
    main()
