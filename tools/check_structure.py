"""Check the floor plan and the budgets of the source, and print what was measured.

Usage: ``python tools/check_structure.py [ROOT]``. Exit status 1 when something is found.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PACKAGE = "creepmeter"

# The floor plan (docs/decisions/0001): what each room may import from. A room may always import from itself.
GROUND = frozenset({"errors"})
MODEL = GROUND | {"model"}
KERNELS = MODEL | {"kernels"}
TOOLS = KERNELS | {"blocks", "io", "simulate"}
SCIENCE_ROOMS = frozenset(
    {
        "imagery",
        "pairs",
        "tracking",
        "interferograms",
        "stack",
        "inversion",
        "corrections",
        "filters",
        "velocity",
        "geometry",
        "validation",
    }
)
SHOW = MODEL | {"blocks", "io"}
WORKFLOW = TOOLS | SCIENCE_ROOMS | {"products", "viewer"}
FLOOR_PLAN: dict[str, frozenset[str]] = {
    "errors": frozenset(),
    "model": GROUND,
    "kernels": MODEL,
    "blocks": KERNELS,
    "io": KERNELS,
    "simulate": KERNELS,
    **dict.fromkeys(SCIENCE_ROOMS, TOOLS),
    "products": SHOW,
    "viewer": SHOW,
    "workflow": WORKFLOW,
    "cli": WORKFLOW | {"workflow"},
    "__main__": frozenset({"cli"}),
}
# Third-party libraries that belong to some rooms only.
LIBRARY_ROOMS: dict[str, frozenset[str]] = {
    "numba": frozenset({"kernels"}),
    "matplotlib": frozenset({"products"}),
    "click": frozenset({"cli"}),
    "rasterio": frozenset({"io"}),
    "zarr": frozenset({"io"}),
    "h5py": frozenset({"io"}),
    "h5netcdf": frozenset({"io"}),
    "pyogrio": frozenset({"io"}),
}
KERNEL_LIBRARIES = frozenset({"numpy", "numba"})
ROOT_NAMES = frozenset({"__version__"})  # the only name a room may take from the package itself
FORBIDDEN_NAMES = frozenset({"utils", "common", "helpers", "core"})

MAX_BODY = 80
BODY_PERCENTILES = {50: 12, 90: 35, 99: 60}
MAX_MODULE = 500
MAX_ARGUMENTS = 8
MAX_NESTING = 4

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)


@dataclass(frozen=True, slots=True)
class Module:
    """One source file.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        Dotted name, such as ``creepmeter.io.store``.
    tree : ast.Module
        The parsed file.
    lines : int
        Number of lines.
    """

    path: Path
    name: str
    tree: ast.Module
    lines: int

    @property
    def room(self) -> str:
        """First part of the name below the package; empty for the package's own ``__init__``."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else ""


@dataclass(frozen=True, order=True, slots=True)
class Finding:
    """Something that breaks a rule.

    Parameters
    ----------
    path : Path
        Where.
    line : int
        Line, from 1.
    text : str
        What was found.
    """

    path: Path
    line: int
    text: str

    def __str__(self) -> str:
        """Return ``path:line: text``."""
        return f"{self.path}:{self.line}: {self.text}"


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name.

    Parameters
    ----------
    target : str
        Dotted name of the module asked for.
    names : tuple of str
        Names taken from it; empty for a plain ``import``.
    line : int
        Line, from 1.
    """

    target: str
    names: tuple[str, ...]
    line: int


@dataclass(slots=True)
class Measures:
    """Numbers collected over a tree.

    Parameters
    ----------
    bodies, modules : list of int
        Lines of every function body (docstring excluded) and of every module.
    """

    bodies: list[int] = field(default_factory=list)
    modules: list[int] = field(default_factory=list)


def read_modules(root: Path, *, package: str = PACKAGE) -> list[Module]:
    """Return the modules of ``root/src/package`` in order of name."""
    source = root / "src"
    modules = []
    for path in sorted((source / package).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        parts = path.relative_to(source).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        modules.append(Module(path, name, ast.parse(text, str(path)), len(text.splitlines())))
    return modules


def imports_of(tree: ast.AST) -> Iterator[Import]:
    """Yield every import at any depth, ``import_module`` and ``__import__`` of a literal name included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, (), node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            target = "." * node.level + (node.module or "")
            yield Import(target, tuple(alias.name for alias in node.names), node.lineno)
        elif isinstance(node, ast.Call) and _called(node) in {"import_module", "__import__"}:
            name = node.args[0] if node.args else None
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield Import(name.value, (), node.lineno)


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Name):
        return node.func.id
    return node.func.attr if isinstance(node.func, ast.Attribute) else ""


def find_imports_upward(modules: Sequence[Module]) -> Iterator[Finding]:
    """Yield imports against the floor plan, of libraries in the wrong room, and of rooms that are not on the plan."""
    rooms = {module.room for module in modules}
    for module in modules:
        if not module.room:
            continue
        if module.room not in FLOOR_PLAN:
            yield Finding(module.path, 1, f"room {module.room!r} is not on the floor plan")
            continue
        for item in imports_of(module.tree):
            for problem in _problems(module.room, item, rooms):
                yield Finding(module.path, item.line, problem)


def _problems(room: str, item: Import, rooms: set[str]) -> Iterator[str]:
    top, _, rest = item.target.partition(".")
    if not top:
        yield "relative import: write the full name, so that the room is seen"
        return
    if top == PACKAGE and rest:
        targets = [rest.split(".")[0]]
    elif top == PACKAGE:
        taken = [name for name in item.names if name not in ROOT_NAMES]
        targets = [name for name in taken if name in rooms]
        if len(targets) < len(taken) or not item.names:
            yield "takes names from the package itself: import them from their room"
    else:
        yield from _library_problems(room, top)
        return
    for target in targets:
        if target != room and target not in FLOOR_PLAN[room]:
            yield f"{room} may not import from {target}"


def _library_problems(room: str, library: str) -> Iterator[str]:
    homes = LIBRARY_ROOMS.get(library)
    if homes is not None and room not in homes:
        yield f"{library} belongs to {', '.join(sorted(homes))}, not to {room}"
    foreign = library not in KERNEL_LIBRARIES and library not in sys.stdlib_module_names
    if room == "kernels" and foreign:
        yield f"kernels know arrays only, not {library}"


def find_cycles(modules: Sequence[Module]) -> Iterator[Finding]:
    """Yield one import cycle between modules, if there is any."""
    by_name = {module.name: module for module in modules}
    graph: dict[str, set[str]] = {name: set() for name in by_name}
    for module in modules:
        for item in imports_of(module.tree):
            inner = [f"{item.target}.{name}" for name in item.names]
            found = [name for name in inner if name in by_name] or [item.target]
            graph[module.name].update(name for name in found if name in by_name and name != PACKAGE)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as problem:
        cycle: list[str] = problem.args[1]
        yield Finding(by_name[cycle[0]].path, 1, f"import cycle: {' -> '.join(cycle)}")


def find_forbidden_names(modules: Iterable[Module]) -> Iterator[Finding]:
    """Yield modules and rooms whose name says nothing."""
    for module in modules:
        words = {word for part in module.name.split(".") for word in part.split("_")}
        for word in sorted(words & FORBIDDEN_NAMES):
            yield Finding(module.path, 1, f"a name with {word!r} says nothing: name what it holds")


def find_long_modules(modules: Iterable[Module], measures: Measures) -> Iterator[Finding]:
    """Yield modules above the budget of lines."""
    for module in modules:
        measures.modules.append(module.lines)
        if module.lines > MAX_MODULE:
            yield Finding(module.path, 1, f"module of {module.lines} lines, at most {MAX_MODULE}")


def functions_of(tree: ast.AST, *, public: bool = True) -> Iterator[tuple[FunctionNode, bool]]:
    """Yield every function with whether it is public: no underscore on it or its class, and not inside a function."""
    for node in ast.iter_child_nodes(tree):
        named = isinstance(node, FunctionNode | ast.ClassDef)
        inner = public and not (isinstance(node, FunctionNode | ast.ClassDef) and node.name.startswith("_"))
        if isinstance(node, FunctionNode):
            yield node, inner
            inner = False
        yield from functions_of(node, public=inner if named else public)


def body_lines(function: FunctionNode) -> int:
    """Return the lines from the first statement after the docstring to the end."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    if not body or function.end_lineno is None:
        return 0
    return function.end_lineno - body[0].lineno + 1


def count_arguments(function: FunctionNode) -> int:
    """Return the number of arguments, without self or cls; ``*args`` and ``**kwargs`` count one each."""
    given = function.args
    names = [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    extra = (given.vararg is not None) + (given.kwarg is not None)
    return len([name for name in names if name not in {"self", "cls"}]) + extra


def nesting(node: ast.AST) -> int:
    """Return how deep blocks stand in one another below `node`; ``elif`` adds nothing, nor do inner functions."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, FunctionNode | ast.ClassDef | ast.Lambda):
            continue
        chained = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
        own = isinstance(child, BLOCKS) and not chained
        deepest = max(deepest, nesting(child) + own)
    return deepest


def find_heavy_functions(modules: Iterable[Module], measures: Measures) -> Iterator[Finding]:
    """Yield functions above the budgets of lines, nesting and arguments."""
    for module in modules:
        for function, public in functions_of(module.tree):
            size = body_lines(function)
            measures.bodies.append(size)
            for excess in _excesses(function, size, counted=public and module.room != "cli"):
                yield Finding(module.path, function.lineno, f"{function.name}: {excess}")


def _excesses(function: FunctionNode, size: int, *, counted: bool) -> Iterator[str]:
    if size > MAX_BODY:
        yield f"body of {size} lines, at most {MAX_BODY}"
    depth = nesting(function)
    if depth > MAX_NESTING:
        yield f"nesting of {depth}, at most {MAX_NESTING}"
    arguments = count_arguments(function)
    if counted and arguments > MAX_ARGUMENTS:
        yield f"{arguments} arguments, at most {MAX_ARGUMENTS}: use an options model"


def find_missing_docstrings(modules: Iterable[Module]) -> Iterator[Finding]:
    """Yield public modules, classes and functions without a docstring; an empty ``__init__`` needs none."""
    for module in modules:
        if module.tree.body and ast.get_docstring(module.tree) is None:
            yield Finding(module.path, 1, "module without a docstring")
        public = [function for function, is_public in functions_of(module.tree) if is_public]
        classes = [
            node for node in module.tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        ]
        for node in (*classes, *public):
            if ast.get_docstring(node) is None and not _is_excused(node):
                yield Finding(module.path, node.lineno, f"{node.name} has no docstring")


def _is_excused(node: FunctionNode | ast.ClassDef) -> bool:
    marks = {ast.unparse(decorator).split(".")[-1] for decorator in node.decorator_list}
    return bool(marks & {"overload", "override", "setter"})


def find_prints(modules: Iterable[Module]) -> Iterator[Finding]:
    """Yield prints outside the command line."""
    for module in modules:
        if module.room == "cli":
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"print", "pprint"}:
                yield Finding(module.path, node.lineno, "only cli prints: use logging, or return the text")


def find_raises_without_match(paths: Iterable[Path]) -> Iterator[Finding]:
    """Yield ``raises`` in tests that do not say which message is expected."""
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"pytest.raises", "raises"}:
                given = {keyword.arg for keyword in node.keywords}
                if not given & {"match", "check"}:
                    yield Finding(path, node.lineno, "raises without match=")


def percentile(values: Sequence[int], share: int) -> int:
    """Return the smallest value that at least `share` percent of the values do not exceed; 0 without values."""
    if not values:
        return 0
    rank = -(-len(values) * share // 100)
    return sorted(values)[max(rank, 1) - 1]


def find_wide_spread(root: Path, measures: Measures) -> Iterator[Finding]:
    """Yield percentiles of body lines above their budgets."""
    for share, limit in BODY_PERCENTILES.items():
        found = percentile(measures.bodies, share)
        if found > limit:
            yield Finding(root / "src", 1, f"p{share} of function bodies is {found} lines, at most {limit}")


def check_tree(root: Path) -> tuple[list[Finding], Measures]:
    """Return all findings on the tree at `root`, and what was measured."""
    measures = Measures()
    modules = read_modules(root)
    findings = [
        *find_imports_upward(modules),
        *find_cycles(modules),
        *find_forbidden_names(modules),
        *find_long_modules(modules, measures),
        *find_heavy_functions(modules, measures),
        *find_missing_docstrings(modules),
        *find_prints(modules),
        *find_raises_without_match(sorted((root / "tests").rglob("*.py"))),
    ]
    return sorted([*findings, *find_wide_spread(root, measures)]), measures


def summary(root: Path, measures: Measures) -> str:
    """Return the measured sizes in three lines."""
    bodies = " ".join(f"p{share} {percentile(measures.bodies, share)}" for share in BODY_PERCENTILES)
    limits = " ".join(f"p{share} {limit}" for share, limit in BODY_PERCENTILES.items())
    tests = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in (root / "tests").rglob("*.py"))
    source = sum(measures.modules)
    return "\n".join(
        [
            f"functions {len(measures.bodies)}: body {bodies} max {max(measures.bodies, default=0)}"
            f" (budget {limits} max {MAX_BODY})",
            f"modules {len(measures.modules)}: lines p50 {percentile(measures.modules, 50)}"
            f" max {max(measures.modules, default=0)} (budget p50 200 max {MAX_MODULE})",
            f"lines of tests {tests} / lines of source {source} = {tests / max(source, 1):.2f} (aim 1.0)",
        ]
    )


def main(arguments: Sequence[str]) -> int:
    """Print findings and measures of the tree named (default: this repository), return the exit status."""
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    findings, measures = check_tree(root)
    for finding in findings:
        print(finding)
    print(summary(root, measures))
    print(f"structure: {len(findings)} finding(s)")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
