"""README and docs/ tell the truth: snippets run, commands parse, links and files are there."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

import zoo
from zoo.config import catalog, recipe, tasks
from zoo.errors import BundleError, DataError, NotSupported
from zoo.reports import docs

ROOT = catalog.data_root()
README = ROOT / "README.md"
if not README.is_file():
    pytest.skip("an installed package has no README", allow_module_level=True)

PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks(page: Path, language: str) -> list[tuple[int, str]]:
    """Return the fenced blocks of one language: the line before the first, and the code."""
    text = page.read_text("utf-8")
    found = re.finditer(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [(text[: each.start(1)].count("\n"), each.group(1)) for each in found]


def shown(page: Path) -> list[str]:
    """Return the files that a page shows in full, as those of a paper that is not in the zoo."""
    return re.findall(r"^`([\w./-]+)`:\n\n```", page.read_text("utf-8"), re.MULTILINE)


# Python


# What contributing.md shows runs in tests/test_contributing.py, beside the files that it adds.
PYTHON = [page for page in PAGES if blocks(page, "python") and not shown(page)]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", PYTHON, ids=lambda page: page.name)
def test_snippets_run(page, tmp_path, monkeypatch):
    code = blocks(page, "python")
    for name in re.findall(r'zoo\.load\("(\w[^"]*)"', "".join(each for _, each in code)):
        try:
            catalog.find_bundle(name)
        except BundleError:
            pytest.skip(f"the weights {name} do not come with this installation")

    import keras

    if keras.backend.backend() != "tensorflow":
        pytest.skip("the pages are for the default backend")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ZOO_DATA", raising=False)
    monkeypatch.setenv("ZOO_DATA", "")  # so that what a snippet sets is undone
    names: dict[str, object] = {"__name__": "__main__"}
    try:
        for line, each in code:
            exec(compile("\n" * line + each, str(page), "exec"), names)
    finally:
        if "plt" in names:
            names["plt"].close("all")


def test_the_readme_shows_five_lines_of_python():
    ((_, code),) = blocks(README, "python")
    assert len([line for line in code.splitlines() if line.strip()]) == 5


WORDS = [
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip


def test_the_number_of_papers_is_that_of_the_list():
    """A page that counts the zoo's papers counts them right, and the tour has them all."""
    number = len(catalog.names())
    written = WORDS[number] if number < len(WORDS) else str(number)
    readme, tour = README.read_text("utf-8"), (ROOT / "docs" / "tour.md").read_text("utf-8")
    assert f"- {written.capitalize()} papers so far" in readme
    assert tour.startswith(f"# A tour: {written} papers,")
    assert f"for the zoo's {written} papers" in tour
    told = re.findall(r"^\| \[(\w+)\]", tour, re.MULTILINE)
    assert sorted(told) == sorted(catalog.names())
    assert f"takes all {written} papers through" in readme


def test_the_tour_loads_every_paper():
    code = "".join(each for _, each in blocks(ROOT / "docs" / "tour.md", "python"))
    assert {
        name.partition(".")[0] for name in re.findall(r'"(bigram|\w+\d{4}|gpt1\.\w+)"', code)
    } == {*catalog.names()}


# The shell


def commands(page: Path) -> list[list[str]]:
    """Return the words of each command of the shell blocks of a page, with its environment."""
    found = []
    for _, block in blocks(page, "sh"):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            while words:
                end = next((i for i, word in enumerate(words) if word in ("&&", "|", ">")), None)
                found.append(words[:end])
                words = [] if end is None else words[end + 1 :]
    return [words for words in found if words]


def parse(words: list[str]):
    """Return what typer understands of a command line; it raises when there is something wrong."""
    import typer

    from zoo.cli.main import app

    command, name = typer.main.get_command(app), "zoo"
    while hasattr(command, "commands"):
        name, *words = words
        assert name in command.commands, f"there is no command {name}"
        command = command.commands[name]
    return command.make_context(name, words)


@each_page
def test_commands_of_a_page_exist(page):
    added = {Path(name).stem for name in shown(page)}
    for words in commands(page):
        while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            assert words[0].split("=")[0] in (
                "KERAS_BACKEND", "XLA_PYTHON_CLIENT_PREALLOCATE", "TF_FORCE_GPU_ALLOW_GROWTH",
            )  # fmt: skip
            words = words[1:]
        if words[0] != "zoo":
            continue
        given = parse(words[1:]).params
        if added & {given.get("name"), given.get("recipe")}:
            continue
        if "name" in given and not given["name"].startswith("."):
            catalog.split_reference(given["name"])
        if given.get("recipe") and not given["recipe"].startswith("."):
            chosen = recipe.load(given["recipe"])
            chosen.changed(dict(map(recipe.assignment, given.get("changes") or [])))


def test_installing_names_extras_that_exist():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    used = set()
    for page in PAGES:
        for words in commands(page):
            if words[:2] == ["pip", "install"]:
                used |= set(re.findall(r"^\.\[(.*)\]$", "\n".join(words), re.MULTILINE))
    assert used <= set(extras)
    assert {"gpu", "jax", "test", "torch"} <= used


def test_every_command_is_on_some_page():
    import typer

    from zoo.cli.main import app

    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    group = typer.main.get_command(app)
    for name, command in group.commands.items():
        for full in [f"{name} {inner}" for inner in getattr(command, "commands", {})] or [name]:
            assert f"zoo {full}" in text, f"no page tells of `zoo {full}`"


# What pages point at


@each_page
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{page.name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", found.read_text("utf-8"), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w]+", "-", each.lower()).strip("-") for each in headings]


@each_page
def test_files_that_a_page_names_are_there(page):
    text = page.read_text("utf-8")
    for name in re.findall(r"\b((?:zoo|tests|recipes|registry)/[\w./-]*\w\.(?:py|toml))", text):
        if "NAME" not in name and name not in shown(page):
            assert (ROOT / name).is_file(), f"{page.name} names {name}"


def test_the_architecture_names_every_module():
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    package = Path(zoo.__file__).parent
    for path in package.rglob("*.py"):
        if path.parent == package or path.name != "__init__.py":
            name = f"zoo/{path.relative_to(package).as_posix()}"
            assert name in text, f"docs/architecture.md does not tell of {name}"


def test_every_recipe_and_corpus_is_on_its_page():
    from zoo.data import corpora

    known = list(corpora.CORPORA)
    for names, page in ((recipe.names(), "training.md"), (known, "data.md")):
        text = (ROOT / "docs" / page).read_text("utf-8")
        for name in names:
            assert f"`{name}`" in text


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A checkout's README and a page with two tables, none of them made yet."""
    (tmp_path / "README.md").write_text(f"a\n{docs.BEGIN}\nold\n{docs.END}\nb\n", "utf-8")
    (tmp_path / "docs" / "results").mkdir(parents=True)
    (tmp_path / "docs" / "results" / "found.csv").write_text("name,value\none,1\ntwo,2\n", "utf-8")
    tables = f"<!-- table: results/found.csv -->\n{docs.TABLE_END}\nthen\n"
    tables += f"<!-- table: trained -->\n{docs.TABLE_END}\n"
    tables += f"<!-- table: task translate -->\nold\n{docs.TABLE_END}\nend\n"
    run = tmp_path / "benchmarks" / "trained" / "merity2017-ptb"
    run.mkdir(parents=True)
    (run / "metrics.json").write_text(
        '{"metric": "perplexity", "value": 57.31, "data": "ptb", "split": "test", '
        '"parameters": 24210800, "training_seconds": 600}',
        "utf-8",
    )
    (tmp_path / "docs" / "page.md").write_text(tables, "utf-8")
    return tmp_path


def test_tables_are_made_once(checkout):
    readme, page = checkout / "README.md", checkout / "docs" / "page.md"
    assert docs.write(checkout, check=True) == [readme, page]
    assert "old" in readme.read_text("utf-8")
    assert docs.write(checkout) == [readme, page]
    assert docs.write(checkout) == []
    assert readme.read_text("utf-8") == f"a\n{docs.BEGIN}\n{docs.table()}\n{docs.END}\nb\n"
    text = page.read_text("utf-8")
    assert "-->\n| name | value |\n| --- | --- |\n| one | 1 |\n| two | 2 |\n<!-- end" in text
    assert "\nthen\n" in text
    assert "\n| `merity2017-ptb` | 24,210,800 | perplexity 57.3 | ptb test | 10 min |\n" in text
    assert text.endswith("\nend\n")
    assert "old" not in text


def test_the_readmes_table_has_all_weights():
    for name in catalog.names():
        for tag in catalog.entry(name).weights:
            assert f"| `{name}.{tag}`" in docs.table()


@pytest.mark.parametrize(
    ("weights", "own"),
    [
        ("vaswani2017.general-en-fr", "BLEU 41.8 (big) on newstest2014 en-fr"),
        ("vaswani2017.multi30k-de-en", "BLEU 27.3 on newstest2014 en-de"),  # its first
        ("sutskever2014.general-en-fr", "BLEU 30.59 on newstest2014 en-fr"),
        ("merity2017.wikitext-2", "perplexity 65.8 on WikiText-2"),
        ("bert2018.ner", "F1 92.8 (large) on CoNLL-2003"),
    ],
)
def test_the_papers_number_is_of_the_rows_test_set(weights, own):
    row = next(line for line in docs.table().split("\n") if f"`{weights}`" in line)
    assert row.endswith(f"| {own} |")


@pytest.mark.parametrize("task", tasks.TASKS)
def test_a_tasks_papers_are_compared_by_data_set(task):
    header, *rows = docs.comparison(task)
    assert header[0] == ""
    measured: dict[str, list[dict]] = {}
    left_out: dict[str, list[dict]] = {}  # weights of mixed corpora
    for name in catalog.names():
        entry = catalog.entry(name)
        for tag, weights in entry.weights.items():
            held = catalog.metrics(entry, tag)
            if held and catalog.task(entry, weights.size) == task:
                mixed = recipe.load(weights.recipe).data.mixed
                (left_out if mixed else measured).setdefault(name, []).append(held)
    assert [row[0].strip("`") for row in rows] == list(measured)
    for name, *cells in rows:
        assert len(cells) == len(header) - 1
        for held in measured[name.strip("`")]:
            cell = cells[header[1:].index(f"{held['data']} {held['split']}")]
            minutes = f"{held['training_seconds'] / 60:.0f} min"
            assert f"{catalog.measured(held)}, {minutes}" in cell.split("; ")
        for held in left_out.get(name.strip("`"), []):
            assert not any(cell.startswith(catalog.measured(held)) for cell in cells)


def test_a_table_of_a_task_without_weights_is_empty(monkeypatch):
    monkeypatch.setattr(catalog, "metrics", lambda entry, tag: {})
    assert docs.comparison("classify") == [[""]]


def test_a_table_that_is_not_there_says_what_to_do(checkout):
    (checkout / "docs" / "results" / "found.csv").unlink()
    with pytest.raises(DataError, match="names a table that is not there"):
        docs.write(checkout)
    with pytest.raises(NotSupported, match="there is no"):
        docs.write(checkout / "docs")


@each_page
def test_no_measured_number_is_typed(page):
    text = page.read_text("utf-8")
    begin, end = text.find(docs.BEGIN), text.find(docs.END)
    text = text[:begin] + text[end:] if begin >= 0 else text
    text = docs.TABLE.sub("", text)
    typed = re.findall(
        r"(?:BLEU|accuracy|perplexity) (?:of )?\d|\d[\d.,]* (?:tokens|sentences|pieces)/s"
        r"|\d[\d.]*x faster",
        text,
    )
    assert not typed, "measured numbers come from metrics.json and benchmarks/"
