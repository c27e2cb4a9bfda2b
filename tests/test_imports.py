"""Who may import whom, and what a light import must not pull in."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import zoo
from zoo.config import catalog

PACKAGE = Path(zoo.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# Room -> rooms that it may import, the lower ones first. A room is the first name below zoo.
ALLOWED = {
    "errors": set(),
    "version": set(),
    "starting": {"errors"},
    "files": {"errors"},
    "progress": set(),
    "processes": {"errors"},
    "compiling": {"errors", "processes"},
    "typed": set(),
    "finite": {"errors"},
    "seeds": set(),
    "config": {"errors"},
    "layers": {"errors", "typed"},
    "ngrams": {"errors"},
    "models": {"errors", "typed", "layers", "ngrams"},
    "contracts": set(),  # what models offer, in models/contracts.py
    "text": {"errors", "config"},
    "decoding": {"errors", "starting", "contracts", "config", "compiling", "typed", "finite"},
    "bundle": {"errors", "version", "files", "processes", "seeds", "config", "text"},
    "convert": {"errors", "config", "text", "layers", "ngrams", "bundle"},
    "hub": {"errors", "version", "files", "config", "text", "bundle", "convert"},
    "data": {"errors", "files", "config", "text", "hub"},
    "tasks": {
        "errors", "contracts", "progress", "config", "text", "compiling", "typed", "finite",
        "decoding", "data",
    },
    "golden": {"errors", "config", "text", "bundle", "tasks"},
    "optim": {"errors", "contracts", "typed", "config"},
    "training": {
        "errors", "contracts", "version", "files", "progress", "seeds", "config", "text", "data",
        "tasks", "bundle", "hub", "golden", "optim", "ngrams",
    },
    "export": {
        "errors", "contracts", "version", "files", "config", "text", "ngrams", "bundle",
        "decoding", "data", "tasks",
    },
    "keeping": {
        "errors", "files", "config", "tasks", "bundle", "hub", "golden", "training",
    },
    "pretrained": {
        "errors", "config", "text", "data", "tasks", "bundle", "hub", "keeping", "training",
    },
    "loading": {"errors", "starting", "text", "bundle", "hub", "convert", "keeping", "pretrained"},
    "averaging": {"errors", "training"},
    "interpolation": {"errors", "config", "tasks", "training", "pretrained"},
    "reports": {
        "errors", "files", "config", "bundle", "tasks", "training", "pretrained", "loading",
        "interpolation",
    },
    "cli": {
        "errors", "version", "starting", "config", "data", "hub", "convert", "training", "export",
        "pretrained", "loading", "reports",
    },
    "__init__": {
        "errors", "version", "starting", "config", "models", "pretrained", "loading", "training",
        "averaging", "interpolation",
    },
}  # fmt: skip

LIGHT = (
    "errors", "version", "starting", "files", "progress", "processes", "__init__",
    "config/__init__", "config/tables", "config/base",
    "config/catalog", "config/cards", "config/choices", "config/entries", "config/legacy",
    "config/metrics", "config/settings", "config/recipe", "config/tasks", "config/tokenizers",
    "reports/__init__",
    "reports/claims", "reports/docs", "reports/series", "reports/comparison", "reports/experiments",
    "models/__init__", "models/contracts", "cli/__init__", "cli/main", "cli/shell", "cli/hub",
    "cli/facts", "cli/figures", "cli/options",
    "hub/__init__", "hub/names", "hub/client", "hub/records",
    "hub/download", "hub/cache", "hub/pin",
)  # fmt: skip
HEAVY = (
    "keras", "keras_hub", "tensorflow", "jax", "torch", "numpy", "datasets", "huggingface_hub",
    "matplotlib", "sacrebleu", "pandas", "transformers",
)  # fmt: skip

# A backend's own module is imported where Keras has no word for something, and only there.
BACKENDS = ("tensorflow", "tensorflow_text", "jax", "torch")
# PyTorch also reads its own files, which nothing else can, and takes arrays that Keras would copy.
BACKEND_ROOMS = {"compiling", "export", "convert", "bundle", "seeds"}


def room(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return "contracts" if path.name == "contracts.py" else parts[0].removesuffix(".py")


def imported(path: Path, top_only: bool = False) -> set[str]:
    """Return the dotted names that a file imports, type-checking-only ones left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            skipped |= {id(each) for statement in node.body for each in ast.walk(statement)}
        if top_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            skipped |= {id(each) for statement in node.body for each in ast.walk(statement)}
    names = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def zoo_rooms(names: set[str]) -> set[str]:
    rooms = set()
    for name in names:
        parts = name.split(".")
        if parts[0] == "zoo" and len(parts) > 1 and parts[1] != "__version__":
            rooms.add("contracts" if parts[1:3] == ["models", "contracts"] else parts[1])
    return rooms


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_room_imports_only_what_it_may(path):
    here = room(path)
    assert here in ALLOWED, f"{here} is a new room: say in ALLOWED what it may import"
    surplus = zoo_rooms(imported(path)) - ALLOWED[here] - {here}
    assert not surplus, f"{path.relative_to(PACKAGE)} may not import {sorted(surplus)}"


@pytest.mark.parametrize(
    "path", [path for path in MODULES if room(path) == "models"], ids=lambda path: path.stem
)
def test_a_paper_builds_on_one_other_at_most_and_on_none_after_it(path):
    """A paper of several files, as gpt1 and gpt1_tasks are, is one of them with the others."""
    papers = {each: catalog.entry(each).paper.year for each in catalog.names()}
    files = {name.split(".")[2] for name in imported(path) if name.startswith("zoo.models.")}
    mine, *others = (name.split("_")[0] for name in (path.stem, *sorted(files)))
    assert path.stem == "__init__" or mine in papers
    built_on = set(others) - {mine}
    assert len(built_on) <= 1
    assert all(papers[other] <= papers[mine] for other in built_on)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_backends_own_module_is_imported_in_one_place(path):
    names = {name.split(".")[0] for name in imported(path)}
    if room(path) not in BACKEND_ROOMS:
        assert not names & set(BACKENDS)


@pytest.mark.parametrize("name", LIGHT)
def test_light_modules_import_nothing_heavy_at_the_top(name):
    names = {each.split(".")[0] for each in imported(PACKAGE / f"{name}.py", top_only=True)}
    assert not names & set(HEAVY)


def test_no_circles():
    """ALLOWED itself has an order in which every room comes after those it imports."""
    placed: set[str] = set()
    while len(placed) < len(ALLOWED):
        free = {name for name, needs in ALLOWED.items() if needs <= placed} - placed
        assert free, f"circle among {sorted(set(ALLOWED) - placed)}"
        placed |= free


@pytest.mark.parametrize(
    "code",
    [
        "import zoo; zoo.models(); zoo.recipes()",
        "import zoo; zoo.models(); zoo.card('vaswani2017'); zoo.load; zoo.build; zoo.train",
        "from zoo.cli.main import main\n"
        "try: main(['list'])\nexcept SystemExit as done: assert not done.code",
        "from zoo.cli.main import main\n"
        "try: main(['recipes'])\nexcept SystemExit as done: assert not done.code",
        "from zoo.cli.main import main\n"
        "try: main(['info', 'vaswani2017'])\nexcept SystemExit as done: assert not done.code",
        "from zoo.cli.main import main\n"
        "try: main(['experiment', '--list'])\nexcept SystemExit as done: assert not done.code",
        "from zoo.cli.main import main\n"
        "try: main(['predict', 'nobody', 'x'])\nexcept SystemExit: pass",
    ],
)  # fmt: skip
def test_light_verbs_import_no_keras(code):
    check = f"import sys\n{code}\nprint(sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_files_stay_readable():
    for path in MODULES:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= 405, f"{path.relative_to(PACKAGE)} has {lines} lines: split it"


def test_models_is_both_the_folder_and_the_list():
    import zoo.models.vaswani2017

    assert "vaswani2017" in zoo.models()
    assert zoo.models.vaswani2017.Transformer
    assert set(zoo.__all__) <= set(dir(zoo)) | {"Pretrained"}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        zoo.nothing
