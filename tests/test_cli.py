"""The command `zoo`: one real call per verb, and one message for everything that goes wrong."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import typer

import zoo
from zoo.cli import main, shell
from zoo.config import cards, catalog, recipe
from zoo.reports import experiments

RECIPES = recipe.names()


@pytest.fixture
def run(capsys):
    """Call the command line in this process; return exit code, standard output, standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        # `main` is made for a process of its own and sets how that shows warnings.
        with warnings.catch_warnings(), pytest.raises(SystemExit) as done:
            main.main([str(each) for each in arguments])
        code = done.value.code
        return int(code or 0), *capsys.readouterr()

    return call


@pytest.fixture(autouse=True)
def _restore_environment(monkeypatch):
    """Undo what `main` sets for the libraries that it starts."""
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")


# Without Keras


def quickly(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process that takes little processor time.

    That is half a second on a fast machine, or five times what importing its libraries takes on a
    slow one. Time on the clock would depend on what else the machine does.
    """
    resource = pytest.importorskip("resource", reason="Windows does not tell a child's time")

    def spent() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    for _ in range(3):
        begin = spent()
        subprocess.run([sys.executable, "-c", "import pydantic, typer"], check=True)
        middle = spent()
        done = call(*arguments)
        seconds, limit = spent() - middle, max(0.5, 5 * (middle - begin))
        if seconds < limit:
            break
    assert done.returncode == 0, done.stderr
    assert seconds < limit
    return done


def test_list_shows_all_weights_quickly():
    done = quickly("list")
    for name in catalog.names():
        entry = catalog.entry(name)
        for tag, weights in entry.weights.items():
            task = catalog.task(entry, weights.size)
            line = rf"^{name}\.{tag}\*? +{entry.paper.year} +{task} {'-'.join(weights.languages)} "
            assert re.search(line, done.stdout, re.MULTILINE), f"{name}.{tag}"
        if not entry.weights:
            line = rf"^{name} +{entry.paper.year} +{entry.task} .* no trained weights$"
            assert re.search(line, done.stdout, re.MULTILINE), name
    assert done.stderr == ""


def test_recipes_are_listed_quickly():
    done = quickly("recipes")
    header, *lines = done.stdout.split("\n\n")[0].splitlines()
    assert header.split() == ["RECIPE", "PAPER", "TASK", "CORPUS", "TRAINED", "WEIGHTS"]
    assert [line.split()[0] for line in lines] == RECIPES
    weights = {f"{name}.{tag}": each.recipe for name in catalog.names()
               for tag, each in catalog.entry(name).weights.items()}  # fmt: skip
    for name, line in zip(RECIPES, lines, strict=True):
        made = recipe.load(name)
        cells = line.replace(",", "").split()
        assert cells[1:4] == [made.paper, made.task, made.data.corpus]
        trained = [reference for reference, by in weights.items() if by == name]
        assert cells[4:] == (trained or ["-"])
    assert done.stderr == ""


def test_a_recipe_is_printed_as_it_is_written(run, tiny_bundle):
    path = recipe.folder() / "gpt1-starter.toml"
    for name in ("gpt1-starter", path):
        assert run("recipes", name) == (0, path.read_text("utf-8"), "")
    made = run("recipes", tiny_bundle)[1]
    assert recipe.loads(made) == recipe.load(tiny_bundle)
    code, _, err = run("recipes", "gpt1-start")
    assert code == 1
    assert "did you mean 'gpt1-starter'" in err


def commands(group=None, name: str = "zoo"):
    """Yield each command with the words that call it."""
    group = group or typer.main.get_command(main.app)
    for inner, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{name} {inner}")
        else:
            yield f"{name} {inner}", command


def test_the_example_of_set_changes_what_it_names():
    """A number that is set is the number that the run has, and no factor of another."""
    examples = {}
    for name, command in commands():
        for option in command.params:
            if "--set" in option.opts:
                (examples[name],) = re.findall(r"--set (\S+=[^\s;]+)", option.help)
    assert set(examples) == {"zoo finetune", "zoo prepare", "zoo train", "zoo experiment"}
    for name, example in examples.items():
        key, value = recipe.assignment(example)
        table, field = key.split(".")
        for each in ("vaswani2017-tatoeba-en-fr", "ulmfit2018-imdb", "gpt1-starter"):
            changed = recipe.load(each).changed({key: value})
            assert getattr(getattr(changed, table), field) == value
        assert key != "optimizer.learning_rate"
        assert name != "zoo prepare" or table in ("data", "tokenizer")


def test_help_names_the_dash_wherever_text_is_free():
    free = {name: each for name, command in commands() for each in command.params
            if each.name == shell.TEXT}  # fmt: skip
    assert set(free) == {"zoo predict", "zoo figure attention"}
    assert all("-- before a text that begins with -" in each.help for each in free.values())


@pytest.mark.parametrize("command", [["predict"], ["figure", "attention"]])
@pytest.mark.parametrize("text", ["- Hello.", "-1 degrees", "-Hello", "--foo", "-or not"])
def test_a_text_that_begins_with_a_dash(run, command, text):
    code, _, err = run(*command, "nobody", text)
    assert code == 1
    assert f'comes after --: zoo {" ".join(command)} NAME -- "- Hello."' in err
    assert "there is no model 'nobody'" in run(*command, "nobody", "--", text)[2]
    assert "--" not in run("info", "-x")[2].replace("--help", "")  # which takes no text


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "vaswani2017", "caf\udce9"], ["info", "caf\udce9"], ["caf\udce9"],
        ["finetune", "vaswani2017", "--data", "x.tsv", "--out", "caf\udce9"],
        ["train", "gpt1-starter", "--set", "data.hub=caf\udce9"], ["recipes", "caf\udce9"],
        ["figure", "attention", "vaswani2017", "--", "caf\udce9"],
        ["push", "./mine", "me/caf\udce9"], ["export", "vaswani2017", "caf\udce9"],
    ],
)  # fmt: skip
def test_arguments_are_utf8(run, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*arguments)
    assert (code, out) == (1, "")
    assert err.startswith(f"error: argument {len(arguments)} is not UTF-8: ")
    assert err.count("\n") == 2
    assert list(tmp_path.iterdir()) == []


def test_an_argument_in_latin_1():
    done = subprocess.run(
        [sys.executable, "-m", "zoo.cli.main", "predict", "vaswani2017", b"caf\xe9"],
        capture_output=True, timeout=60, env={**os.environ, "PYTHONUTF8": "1"},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: argument 3 is not UTF-8: 'caf\\udce9'\n")


def test_an_output_that_cannot_hold_the_text():
    done = call("info", "vaswani2017", PYTHONIOENCODING="ascii")  # an author has an L with a stroke
    assert done.returncode == 1
    assert "standard output is ascii and cannot hold '\\u0141'" in done.stderr
    assert "PYTHONIOENCODING=utf-8" in done.stderr


def test_info_tells_how_to_cite(run):
    code, out, _ = run("info", "vaswani2017")
    assert code == 0
    assert "63,045,632" in out
    assert "@inproceedings{vaswani2017," in out


def test_info_of_a_folder_is_its_model_card(run, tmp_path, tiny_bundle):
    code, out, _ = run("info", tiny_bundle)
    assert code == 0
    assert out.startswith("# ")
    assert "@inproceedings{vaswani2017," in out
    plain = tmp_path / "plain"
    shutil.copytree(tiny_bundle, plain)
    (plain / "README.md").unlink()
    assert "63,045,632" in run("info", plain)[1]
    (plain / "recipe.toml").unlink()
    code, _, err = run("info", plain)
    assert code == 1
    assert "plain is no bundle: recipe.toml is missing" in err


def test_help_and_version(run):
    assert "predict" in run()[1]
    assert "--beam-size" in run("predict", "--help")[1]
    assert run("--version")[1] == f"paperzoo {zoo.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["predict", "vaswani", "x"], ["no model 'vaswani'", "did you mean 'vaswani2017'"]),
        (["predict", "vaswani2017.tatoba-en-fr", "x"], ["did you mean 'tatoeba-en-fr'"]),
        (["predict", "./nowhere", "x"], ["there is no folder nowhere"]),
        (["info", "./nowhere"], ["there is no folder nowhere"]),
        (["info", "vaswani2018"], ["did you mean 'vaswani2017'"]),
        (["predict", "vaswani2017", "x", "--bean-size", "3"], ["did you mean '--beam-size'"]),
        (["predict", "vaswani2017", "x", "--beam-size", "two"], ["--beam-size", "--help"]),
        (["predct", "vaswani2017"], ["no command 'predct'", "did you mean 'predict'"]),
        (["figure", "atention"], ["did you mean 'attention'"]),
        (["figure", "length", "vaswani2018"], ["did you mean 'vaswani2017'"]),
        (["figure", "length", "vaswani2017", "vaswani2017"], ["vaswani2017 is named twice"]),
        (["figure", "length", "vaswani2017", "--data", "none"], ["no file or folder none"]),
        (["experiment", "reversel"], ["no experiment 'reversel'", "did you mean 'reversal'"]),
        (["experiment", "./none.toml"], ["none.toml: no such file"]),
        (["experiment", "--smoke"], ["no experiment is named", "zoo experiment --list"]),
        (
            ["experiment", "reversal", "--set", "train.update=3"],
            ["did you mean 'train.updates'"],
        ),
        (
            ["experiment", "reversal", "--set", "data.reverse_source=false"],
            ["'data.reverse_source' is what the variants of reversal differ in"],
        ),
        (["experiment", "reversal", "--resume"], ["there is no run to resume in runs/reversal"]),
        (["predict"], ["Missing argument", "zoo predict --help"]),
        (["predict", "vaswani2017", "--file", "none.txt"], ["there is no file none.txt"]),
        (["predict", "vaswani2017", "x", "--file", "none.txt"], ["both TEXT and --file"]),
        (["evaluate", "vaswani2017", "--data", "nowhere"], ["no file or folder nowhere"]),
        (["train", "vaswani2017-tatoeba"], ["did you mean 'vaswani2017-tatoeba-en-fr'"]),
        (["train", "none.toml"], ["none.toml: no such file"]),
        (
            ["train", "vaswani2017-tatoeba-en-fr", "--set", "optimizer.learning_rat=1"],
            ["did you mean 'optimizer.learning_rate'"],
        ),
        (["train", "vaswani2017-tatoeba-en-fr", "--set", "seed"], ["write KEY=VALUE"]),
        (
            ["train", "vaswani2017-tatoeba-en-fr", "--prepared", "nowhere"],
            ["there is no folder nowhere", "zoo prepare"],
        ),
        (["prepare", "nothing", "--out", "x"], ["no recipe 'nothing'"]),
    ],
)
def test_what_is_wrong_is_one_message(run, tmp_path, monkeypatch, arguments, parts):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*arguments)
    assert code == 1
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("error: ") == 1
    assert "Traceback" not in err
    for part in parts:
        assert part in err
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_the_traceback(run):
    assert "Traceback" not in run("info", "nobody")[2]
    for arguments in (["--debug", "info", "nobody"], ["info", "nobody", "--debug"]):
        _, _, err = run(*arguments)
        assert "Traceback" in err
        assert "UnknownName" in err


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (OSError(28, "No space left on device", "run/x"), "run/x: No space left on device"),
        (OSError(2, "No such file or directory", "a/b.png"), "look at the path"),
        (ZeroDivisionError("division by zero"), "--debug shows where"),
    ],
)
def test_an_unexpected_failure_is_a_message_too(run, monkeypatch, failure, expected):
    def fail(_):
        raise failure

    monkeypatch.setattr(cards, "card", fail)
    code, _, err = run("info", "vaswani2017")
    assert code == 1
    assert expected in err
    assert "Traceback" not in err


def test_interrupt(run, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cards, "card", interrupt)
    assert run("info", "vaswani2017")[0] == 130


def test_a_reader_that_leaves_is_no_error():
    command = f"{sys.executable} -m zoo.cli.main info vaswani2017 | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("vaswani2017: ")
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"good\nd\xe9j\xe0 vu\n", "latin.txt:2"),
        (b"", "latin.txt: no rows"),
        ("good\n".encode("utf-16"), "latin.txt is UTF-16"),
        (b"PK\x03\x04", "latin.txt is a zip archive"),
    ],
)
def test_a_file_of_texts_that_cannot_be_read(run, tmp_path, tiny_bundle, content, text):
    path = tmp_path / "latin.txt"
    path.write_bytes(content)
    code, _, err = run("predict", tiny_bundle, "--file", path)
    assert code == 1
    assert text in err


def test_lines_that_cannot_be_read_are_skipped(run, tmp_path, tiny_bundle, tiny_pretrained):
    path = tmp_path / "texts.txt"
    path.write_bytes(b"I am cold.\n\nd\xe9j\xe0 vu\nThe house is red.")
    first, last = tiny_pretrained.predict(["I am cold.", "The house is red."])
    code, out, err = run("predict", tiny_bundle, "--file", path, "--on-error", "skip")
    assert (code, out) == (1, f"{first}\n\n\n{last}\n")
    assert "1 of 4 lines skipped" in err
    assert "texts.txt:3 is not UTF-8" in err
    code, out, err = run("predict", tiny_bundle, "--file", path, "--format", "jsonl")
    assert (code, out) == (1, f"{json.dumps(first, ensure_ascii=False)}\nnull\n")
    assert err.startswith("error: texts.txt:3 is not UTF-8")


def test_columns_of_a_file_are_named(run, tmp_path, tiny_bundle, pairs):
    path = tmp_path / "mine.txt"
    lines = [f"{target}|x|{source}" for source, target in pairs[:3]]
    path.write_text("\n".join(["a|b|c", *lines]), "utf-8")
    named = ["--source-column", "c", "--column", "target=a", "--delimiter", "pipe"]
    code, out, err = run("evaluate", tiny_bundle, "--data", path, *named)
    assert code == 0, err
    assert json.loads(out)["sentences"] == 3
    assert err == "mine.txt: 3 rows, parted by pipe; source: 'c', target: 'a'\n"
    code, _, err = run("evaluate", tiny_bundle, "--data", path, "--column", "a")
    assert (code, "--column a is not COLUMN=NAME" in err) == (1, True)


def test_standard_input_that_is_not_text(run, monkeypatch, tiny_bundle):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\nb\xff\n")))
    code, _, err = run("predict", tiny_bundle)
    assert code == 1
    assert "standard input:2 is not UTF-8" in err


def call(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "zoo.cli.main", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )


def test_a_process_of_its_own_says_nothing_but_the_output(tiny_bundle):
    done = call("predict", tiny_bundle, "I am cold.", "--max-length", 4)
    assert done.returncode == 0
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("backend", "text"),
    [("tensorflw", "did you mean 'tensorflow'"), ("numpy", "valid choices: jax, tensorflow")],
)
def test_a_wrong_backend(tiny_bundle, backend, text):
    done = call("predict", tiny_bundle, "I am cold.", KERAS_BACKEND=backend)
    assert done.returncode == 1
    assert text in done.stderr
    assert "Traceback" not in done.stderr


# With a tiny model


def test_predict_gives_what_the_library_gives(run, monkeypatch, tmp_path, tiny_bundle,
                                              tiny_pretrained):  # fmt: skip
    texts = ["I am cold.", "The house is red."]
    expected = "".join(f"{each}\n" for each in tiny_pretrained.predict(texts))
    assert run("predict", tiny_bundle, *texts)[:2] == (0, expected)
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(texts), encoding="utf-8")
    assert run("predict", tiny_bundle, "--file", path)[1] == expected
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\n".join(texts).encode())))
    assert run("predict", tiny_bundle)[1] == expected


def test_predict_cuts_a_text_into_sentences_or_not(run, tiny_bundle, tiny_pretrained):
    text = "I am cold. The cat sleeps."
    for options, wanted in (
        ((), tiny_pretrained.predict(text)),
        (("--split-sentences",), tiny_pretrained.predict(text)),
        (("--no-split-sentences",), tiny_pretrained.predict(text, split_sentences=False)),
    ):
        assert run("predict", tiny_bundle, text, *options)[:2] == (0, wanted + "\n")
    code, _, err = run("predict", tiny_bundle, text, "--split-sentences", "--num-return", 2)
    assert (code, err.count("split_sentences is set and num_return is 2")) == (1, 1)


def test_predict_passes_its_options_on(run, tiny_bundle, tiny_pretrained):
    options = {"beam_size": 3, "length_penalty": 1.0, "max_length": 6, "num_return": 2}
    expected = tiny_pretrained.predict(["I am cold."], **options)[0]
    flags = [part for name, value in options.items()
             for part in (f"--{name.replace('_', '-')}", value)]  # fmt: skip
    code, out, _ = run("predict", tiny_bundle, "I am cold.", *flags)
    assert code == 0
    assert out == "\t".join(expected) + "\n"


@pytest.fixture
def of_task(bundles, loaded):
    """A function: the folder of ULMFiT's tiny bundle for a task, and the same loaded."""
    import tiny

    def found(task: str):
        name = tiny.own_recipes("ulmfit2018", task)[0]
        return bundles(name), loaded(name)

    return found


def test_labels_are_printed_or_all_of_them_as_json(run, of_task):
    folder, classifier = of_task("classify")
    texts = ["I am cold.", "The house is red."]
    expected = "".join(f"{each}\n" for each in classifier.predict(texts))
    assert run("predict", folder, *texts)[:2] == (0, expected)
    code, out, _ = run("predict", folder, *texts, "--scores")
    assert code == 0
    for line, wanted in zip(out.splitlines(), classifier.predict(texts, scores=True), strict=True):
        assert json.loads(line) == pytest.approx(wanted)
    code, _, err = run("predict", folder, *texts, "--beam-size", 2)
    assert code == 1
    assert "a model for the task 'classify' has no option 'beam_size'" in err


def test_a_text_goes_on_as_the_options_say(run, of_task):
    folder, writer = of_task("generate")
    options = {"temperature": 2.0, "top_k": 20, "top_p": 0.9, "seed": 3, "max_length": 12}
    flags = [part for name, value in options.items()
             for part in (f"--{name.replace('_', '-')}", value)]  # fmt: skip
    expected = writer.predict(["I am cold."], **options)
    assert run("predict", folder, "I am cold.", *flags)[:2] == (0, f"{expected[0]}\n")
    code, _, err = run("predict", folder, "I am cold.", "--top-p", 2)
    assert (code, err.count("error: ")) == (1, 1)
    assert "top_p is 2.0" in err


def test_a_file_of_texts_is_measured_on(run, tmp_path, of_task):
    folder, writer = of_task("generate")
    path, texts = tmp_path / "mine.txt", ["I am cold.", "The house is red."]
    path.write_text("I am cold.\n\nThe house is red.\n", encoding="utf-8")
    for flag, stream in ((), False), (("--stream",), True):
        code, out, _ = run("evaluate", folder, "--data", path, *flag)
        assert code == 0
        found = json.loads(out)
        assert found["metric"] == "perplexity"
        assert found["words"] == 3 + 1 + 4 + 1
        wanted = writer.evaluate(texts, stream=stream)["perplexity"]
        assert found["value"] == pytest.approx(wanted, rel=1e-5)


def test_a_language_model_becomes_a_classifier(run, tmp_path, of_task):
    folder, _ = of_task("generate")
    path, out = tmp_path / "mine.csv", tmp_path / "mine"
    rows = [f"{label},I am {word}." for label in "ab" for word in ("cold", "hungry", "red", "blue")]
    path.write_text("\n".join(["label,text", *rows]) + "\n", encoding="utf-8")
    command = ["finetune", folder, "--data", path, "--task", "classify", "--no-adapt",
               "--set", "train.updates=2", "--out", out]  # fmt: skip
    code, _, err = run(*command)
    assert code == 0, err
    assert recipe.load(out).data.labels == ["a", "b"]
    assert run("predict", out, "I am cold.")[1] in ("a\n", "b\n")
    code, _, err = run(*command[:5], "sumarise", *command[6:])
    assert code == 1
    assert "cannot be fine-tuned for 'sumarise'" in err


def test_empty_text_is_refused_and_a_long_one_is_warned_about(run, tiny_bundle):
    code, _, err = run("predict", tiny_bundle, "I am cold.", " ")
    assert code == 1
    assert err.startswith("error: ")
    code, out, err = run("predict", tiny_bundle, "I am cold " * 200)
    assert code == 0
    assert out.count("\n") == 1
    assert err.startswith("warning: ")


def test_evaluate_prints_json(run, tmp_path, tiny_bundle, pairs, corpora_folder):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join("\t".join(pair) + "\n" for pair in pairs[:4]), encoding="utf-8")
    code, out, _ = run("evaluate", tiny_bundle, "--data", path)
    assert code == 0
    assert json.loads(out)["metric"] == "bleu"
    made = recipe.load(tiny_bundle)
    assert made.evaluate.limit < len(pairs)  # a corpus is measured as the recipe says
    for folder in (corpora_folder, corpora_folder / made.data.corpus):
        code, out, _ = run("evaluate", tiny_bundle, "--data", folder, "--beam-size", 1)
        assert code == 0
        assert json.loads(out)["sentences"] == made.evaluate.limit


def test_figure_draws_a_picture(run, tmp_path, tiny_bundle):
    path = tmp_path / "align.png"
    code, _, err = run("figure", "attention", tiny_bundle, "I am cold.", "-o", path)
    assert (code, err) == (0, "")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_figure_length_draws_several_models(run, tmp_path, tiny_bundle, pairs):
    data, path = tmp_path / "pairs.tsv", tmp_path / "length.png"
    data.write_text("".join("\t".join(pair) + "\n" for pair in pairs), encoding="utf-8")
    again = shutil.copytree(tiny_bundle, tmp_path / "again")
    options = ["--data", data, "-o", path, "--bins", 2, "--beam-size", 1, "--batch-size", 20]
    code, out, err = run("figure", "length", tiny_bundle, again, *options)
    assert (code, out, err) == (0, f"{path}\n", "")
    assert path.read_bytes().startswith(b"\x89PNG")
    lines = path.with_suffix(".csv").read_text("utf-8").splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == [str(tiny_bundle)] * 2 + [str(again)] * 2


def test_experiment_lists_names_and_claims(run):
    expected = "".join(f"{name}: {experiments.load(name).claim}\n" for name in experiments.names())
    assert run("experiment") == run("experiment", "--list") == (0, expected, "")


def test_experiment_trains_and_compares(run, tmp_path, monkeypatch, corpora_folder):
    monkeypatch.setenv("ZOO_DATA", str(corpora_folder))
    out = tmp_path / "out"
    flags = ["--smoke", "--set", "train.updates=2", "--set", "tokenizer.vocabulary=60"]
    code, text, err = run("experiment", "reversal", *flags, "--out", out)
    assert code == 0, err
    assert text == f"{(out / 'results.md').read_text('utf-8')}\n{out}\n"
    assert "| reversed | none |" in text
    assert "| forward | `data.reverse_source=false` |" in text
    for name in ("reversed", "forward"):
        assert recipe.load(out / name).train.updates == 2
        assert recipe.load(out / name).data.reverse_source is (name == "reversed")


def test_export_writes_a_saved_model(run, tmp_path, tiny_bundle):
    pytest.importorskip("tensorflow_text")
    import keras

    if keras.backend.backend() != "tensorflow":
        pytest.skip("the SavedModel is TensorFlow's")
    code, _, _ = run("export", tiny_bundle, tmp_path / "saved")
    assert code == 0
    assert (tmp_path / "saved" / "saved_model.pb").is_file()


def test_finetune_writes_a_bundle(run, tmp_path, tiny_bundle, pairs):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join("\t".join(pair) + "\n" for pair in pairs), encoding="utf-8")
    out = tmp_path / "mine"
    code, _, err = run(
        "finetune", tiny_bundle, "--data", path, "--out", out, "--set", "train.updates=2"
    )
    assert code == 0, err
    assert catalog.find_bundle(out) == out
    assert run("predict", out, "I am cold.")[0] == 0


def test_finetune_passes_its_options_on(run, tmp_path, monkeypatch, tiny_bundle):
    from zoo.pretrained import Pretrained

    given = {}
    monkeypatch.setattr(Pretrained, "finetune", lambda self, data, **options: given.update(options))
    code, _, err = run(
        "finetune", tiny_bundle, "--data", tmp_path / "pairs.tsv", "--out", tmp_path / "mine",
        "--epochs", 3, "--learning-rate", "2e-4", "--batch-size", 16, "--seed", 7,
    )  # fmt: skip
    assert code == 0, err
    wanted = {"epochs": 3, "learning_rate": 2e-4, "batch_size": 16, "seed": 7}
    assert {name: given[name] for name in wanted} == wanted


def test_train_and_prepare_take_a_corpus_of_ones_own(run, tmp_path, monkeypatch, pairs):
    from zoo.training import prepare
    from zoo.training import run as training

    path, found = tmp_path / "mine.tsv", []
    path.write_text("".join("\t".join(pair) + "\n" for pair in pairs), encoding="utf-8")
    monkeypatch.setattr(training, "train", lambda recipe, out, **options: found.append(recipe))
    monkeypatch.setattr(prepare, "prepare", lambda recipe, out: found.append(recipe))
    name, same = "vaswani2017-tatoeba-en-fr", ("--smoke", "--data", path, "--set", "seed=3")
    for command in (("train", name, *same), ("prepare", name, "--out", tmp_path / "data", *same)):
        code, _, err = run(*command)
        assert code == 0, err
    for made in found:
        assert (made.name, made.seed, made.data.hub) == ("vaswani2017-mine", 3, None)
        assert (made.data.path, made.evaluate.split) == (path, "validation")
    code, _, err = run("train", name, "--data", tmp_path / "none.tsv")
    assert (code, "there is no file or folder" in err) == (1, True)


def test_prepare_then_train_then_predict(run, tmp_path, monkeypatch, corpora_folder):
    monkeypatch.setenv("ZOO_DATA", str(corpora_folder))
    name = "vaswani2017-tatoeba-en-fr"
    code, _, err = run("prepare", name, "--smoke", "--out", tmp_path / "prepared")
    assert code == 0, err
    monkeypatch.delenv("ZOO_DATA")
    code, out, err = run(
        "train", name, "--smoke", "--prepared", tmp_path / "prepared", "--out", tmp_path / "run"
    )
    assert code == 0, err
    assert run("predict", out.strip().splitlines()[-1], "I am cold.")[0] == 0


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_runs_its_smoke(run, tmp_path, monkeypatch, corpora_folder, name):
    monkeypatch.setenv("ZOO_DATA", str(corpora_folder))
    code, out, err = run("train", name, "--smoke", "--out", tmp_path / "run")
    assert code == 0, err
    bundle = Path(out.strip().splitlines()[-1])
    made = recipe.load(bundle)
    assert (made.name, made.train.second_task) == (name, recipe.load(name).train.second_task)
    assert "value" in json.loads((bundle / "metrics.json").read_text("utf-8"))


# The README's table


def test_the_tables_are_up_to_date(run):
    if not (catalog.data_root() / "README.md").is_file():
        pytest.skip("an installed package has no README")
    code, _, err = run("docs", "--check")
    assert code == 0, err
