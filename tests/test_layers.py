"""Who may import whom goes one way: a room of src/ knows the ones below it, never those above."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import PROJECT

pytestmark = pytest.mark.quick
FROM_THE_GROUND = """
    console | files config | datasets nets | tasks | by_hand | learning | datamodule | module | callbacks | plots |
    formats | run | training | sweeps | cli | plugins | benchmarking reports |
    train evaluate predict export benchmark report | repeat
"""
LEVEL = {room: level for level, rooms in enumerate(FROM_THE_GROUND.split("|")) for room in rooms.split()}
FILES = {".".join(path.relative_to(PROJECT).with_suffix("").parts): path for path in PROJECT.glob("src/**/*.py")}


def statements(node: ast.AST, in_functions: bool = True) -> Iterator[ast.AST]:
    """What runs: all but the blocks that only a type checker reads."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield child
            if in_functions or not isinstance(child, ast.FunctionDef):
                yield from statements(child, in_functions)


def imported(path: Path, in_functions: bool = True) -> set[str]:
    names: set[str] = set()
    for node in statements(ast.parse(path.read_text()), in_functions):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & FILES.keys()
            names |= inner or {str(node.module)}
    return names


IMPORTS = {module: imported(path) for module, path in FILES.items()}


def room(module: str) -> str:
    return module.split(".")[1]


@pytest.mark.parametrize("module", sorted(module for module in FILES if module.split(".")[1] in LEVEL))
def test_it_imports_from_its_own_room_and_lower_ones(module):
    for other in IMPORTS[module]:
        if other.startswith("src.") and room(other) != room(module):
            assert LEVEL[room(other)] < LEVEL[room(module)], f"{module} imports {other}"


@pytest.mark.parametrize(("own", "lower"), [("columns", []), ("files", ["columns"])])
def test_of_tables_the_columns_are_below_the_files_and_these_below_the_rest(own, lower):
    tables, known = "src.datasets.tables.", {own, *lower, "text_format", "typed"}
    for module in FILES:
        if module.startswith(f"{tables}{own}."):
            used = {other.removeprefix(tables) for other in IMPORTS[module] if other.startswith(tables)}
            assert {name.split(".")[0] for name in used} <= known, module


def test_no_files_import_one_another_in_a_circle():
    packages = {module.removesuffix(".__init__"): module for module in FILES}
    graph = {module: {packages[o] for o in others if o in packages} for module, others in IMPORTS.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names them


@pytest.mark.parametrize("own", ["nets", "datasets", "tasks"])
def test_the_parts_to_learn_from_need_torch_alone(own):
    used = {name.split(".")[0] for module in FILES if f"src.{own}." in module for name in IMPORTS[module]}
    assert not used & {"hydra", "lightning", "omegaconf"}


def test_the_ground_is_there_before_torch():
    for module, path in FILES.items():
        if room(module) in ("console", "files") and module != "src.files.checkpoints":
            assert not {name.split(".")[0] for name in imported(path, in_functions=False)} & {"torch", "lightning"}


def test_the_kinds_of_task_are_told_apart_by_the_tasks_alone():
    kinds = re.compile('"(regression|binary|multiclass|multilabel)"')
    assert {room(module) for module, path in FILES.items() if kinds.search(path.read_text())} == {"tasks"}


def test_every_folder_says_what_is_in_it():
    for folder in {path.parent for path in FILES.values()}:
        assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text())), folder
