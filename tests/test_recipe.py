"""Recipes: strict, overridable, and the same after a round trip through TOML."""

from __future__ import annotations

import re

import pytest

import zoo
from zoo.config import catalog, recipe
from zoo.errors import RecipeError, UnknownName

NAMES = recipe.names()
# What makes a recipe of pieces one of words.
WORDS = {
    "tokenizer.kind": "moses", "tokenizer.shared": False,
    "tokenizer.algorithm": None, "tokenizer.normalization": None,
}  # fmt: skip


@pytest.fixture
def small():
    return recipe.load("vaswani2017-tatoeba-en-fr")


def test_all_have_names_in_python():
    assert zoo.recipes() == NAMES == sorted(path.stem for path in recipe.folder().glob("*.toml"))
    assert {recipe.load(name).paper for name in zoo.recipes()} == set(zoo.models())


def test_the_file_of_a_recipe(tmp_path):
    assert recipe.path_of("gpt1-starter") == recipe.folder() / "gpt1-starter.toml"
    assert recipe.path_of(tmp_path) == tmp_path / "recipe.toml"
    with pytest.raises(UnknownName, match="did you mean 'gpt1-starter'"):
        recipe.path_of("gpt1-start")


@pytest.mark.parametrize(
    "changes",
    [
        {"data.hub": "a\0"}, {"data.labels": ["a", "b\udce9"]}, {"name": "a\ud800"},
        {"model.arguments.width\udce9": 3},
    ],
)  # fmt: skip
def test_texts_that_no_file_can_hold_are_refused_before_a_run(changes):
    with pytest.raises(RecipeError, match=r"it has a (NUL character|lone surrogate) at position"):
        recipe.load("gpt1-sst2").changed(changes)


def test_a_peak_that_a_schedule_does_not_use_is_refused():
    paper = recipe.load("vaswani2017-wmt14-en-de")
    with pytest.raises(RecipeError, match=r"noam of .* does not use schedule.peak\n.*_rate"):
        paper.changed({"schedule.peak": 5e-4})
    changed = paper.changed({"schedule.peak": 5e-4, "schedule.name": "inverse_sqrt"})
    assert changed.schedule.peak == 5e-4


@pytest.mark.parametrize("name", NAMES)
def test_recipe_parses_and_is_named_like_its_file(name):
    loaded = recipe.load(name)
    assert loaded.name == name
    assert loaded.model.size in catalog.entry(loaded.paper).sizes
    assert catalog.task(catalog.entry(loaded.paper), loaded.model.size) == loaded.task
    arguments = loaded.resolved().model.arguments
    if loaded.train.buckets:  # a stream has no longest text
        assert loaded.data.max_length <= loaded.train.buckets[-1]
        assert loaded.data.max_length <= arguments.get("max_length", loaded.data.max_length)
    promised = loaded.evaluate.maximum if loaded.task == "generate" else loaded.evaluate.minimum
    assert promised is None or promised > 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", ["as written", "resolved", "smoke"])
def test_toml_round_trip(name, form):
    loaded = recipe.load(name)
    if form == "resolved":
        loaded = loaded.resolved()
    elif form == "smoke":
        loaded = loaded.smoke()
    assert recipe.loads(recipe.dumps(loaded)) == loaded


@pytest.mark.parametrize("name", NAMES)
def test_smoke_is_small(name):
    smoke = recipe.load(name).smoke().resolved()
    arguments = smoke.model.arguments
    assert all(arguments.get(name, 0) <= 16 for name in ("width", "hidden"))
    assert all(value <= 2 for name, value in arguments.items() if name.endswith("layers"))
    assert len(smoke.train.buckets) <= 2
    assert smoke.train.updates <= 10
    assert smoke.train.jit is False
    assert smoke.data.limit is not None
    assert smoke.data.limit <= 200  # lines of a text, or rows
    # It needs nothing that another run makes.
    assert smoke.model.weights == smoke.tokenizer.weights == ""


def test_papers_own_numbers():
    german, french = (recipe.load(f"vaswani2017-wmt14-en-{each}") for each in ("de", "fr"))
    assert (german.tokenizer.vocabulary, french.tokenizer.vocabulary) == (37_000, 32_000)
    for each in (german, french):
        assert each.model.size == "base"
        assert each.optimizer.name == "adam"
        assert (each.optimizer.beta_1, each.optimizer.beta_2) == (0.9, 0.98)
        assert each.optimizer.epsilon == 1e-9
        assert each.optimizer.clip_norm is None
        assert (each.schedule.name, each.schedule.warmup) == ("noam", 4000)
        assert each.train.updates == 100_000
        assert each.train.batch_tokens == 25_000
        assert each.train.label_smoothing == 0.1
        assert each.train.average == 5
        assert (each.evaluate.beam_size, each.evaluate.length_penalty) == (4, 0.6)
        assert each.evaluate.max_extra == 50


def test_sutskevers_own_numbers():
    made = recipe.load("sutskever2014-wmt14-en-fr")
    assert made.model.size == "paper"
    assert (made.tokenizer.kind, made.tokenizer.sizes) == ("moses", (160_000, 80_000))
    assert made.data.reverse_source
    assert (made.data.source, made.data.target, made.data.limit) == ("en", "fr", 12_000_000)
    assert (made.optimizer.name, made.optimizer.momentum) == ("sgd", None)
    assert made.optimizer.learning_rate * made.schedule.peak == 0.7
    assert made.optimizer.clip_norm == 5
    assert (made.train.batch_sentences, made.train.batch_tokens) == (128, None)
    assert (made.train.loss, made.train.label_smoothing) == ("sentence", 0)
    epoch = made.data.limit / made.train.batch_sentences
    assert made.schedule.name == "halving"
    assert made.schedule.halve_after == 5 * epoch
    assert made.schedule.halve_every == epoch / 2
    assert made.train.updates == 7.5 * epoch
    assert (made.evaluate.beam_size, made.evaluate.length_penalty) == (12, 0)


def test_bahdanaus_own_numbers():
    made = recipe.load("bahdanau2015-wmt14-en-fr")
    assert made.model.size == "paper"
    assert (made.tokenizer.kind, made.tokenizer.sizes) == ("moses", (30_000, 30_000))
    assert made.data.max_length == 50 + 1  # the end is counted
    assert not made.data.reverse_source
    assert (made.data.source, made.data.target, made.data.limit) == ("en", "fr", 12_000_000)
    assert (made.optimizer.name, made.optimizer.rho) == ("adadelta", 0.95)
    assert (made.optimizer.epsilon, made.optimizer.clip_norm) == (1e-6, 1)
    assert (made.schedule.name, made.schedule.warmup) == ("constant", 0)
    assert made.optimizer.learning_rate * made.schedule.peak == 1
    assert (made.train.batch_sentences, made.train.loss) == (80, "sentence")
    assert made.train.label_smoothing == 0
    assert made.train.updates == 667_000  # table 2, RNNsearch-50*
    assert (made.evaluate.beam_size, made.evaluate.length_penalty) == (12, 0)


@pytest.mark.parametrize(
    ("name", "rows", "updates", "perplexity"),
    [("ptb", 20, 500 * 663, 57.3), ("wikitext-2", 80, 750 * 373, 65.8)],
)
def test_meritys_own_numbers(name, rows, updates, perplexity):
    made = recipe.load(f"merity2017-{name}")
    assert (made.model.size, made.data.corpus, made.tokenizer.kind) == (name, name, "whitespace")
    size = catalog.entry("merity2017").sizes[name].arguments
    assert made.resolved().model.arguments == size | {"ar_alpha": 2, "tar_beta": 1}
    assert (made.optimizer.name, made.optimizer.nonmonotone) == ("asgd", 5)
    assert made.optimizer.learning_rate * made.schedule.peak == 30
    assert (made.schedule.name, made.schedule.warmup) == ("constant", 0)
    assert (made.optimizer.clip_norm, made.optimizer.weight_decay) == (0.25, 1.2e-6)
    assert (made.train.batch_sentences, made.train.bptt, made.train.vary_bptt) == (rows, 70, True)
    assert made.train.updates == updates
    assert made.evaluate.batch_size == 1
    assert made.evaluate.maximum >= perplexity


def test_ulmfits_own_numbers():
    general, adapted, classifier = (
        recipe.load(f"ulmfit2018-{name}") for name in ("wikitext-103", "imdb-lm-base", "imdb-base")
    )
    assert [made.model.size for made in (general, adapted, classifier)] == [
        "base", "base", "classifier"
    ]  # fmt: skip
    # Each stage begins with the one before; words are those of the texts, then the same.
    assert adapted.model.weights.endswith(general.name)
    assert classifier.model.weights.endswith(adapted.name)
    assert classifier.tokenizer.weights == classifier.model.weights
    for made in (general, adapted):
        assert made.train.bptt == 70
        assert made.model.arguments == {"ar_alpha": 2, "tar_beta": 1}
    for made, peak in ((adapted, 0.004), (classifier, 0.01)):
        assert (made.optimizer.name, made.optimizer.discriminate) == ("adam", 2.6)
        assert (made.optimizer.beta_1, made.optimizer.beta_2) == (0.7, 0.99)
        assert made.schedule.name == "slanted_triangular"
        assert (made.schedule.cut, made.schedule.ratio) == (0.1, 32)
        assert made.optimizer.learning_rate * made.schedule.peak == peak
        assert made.train.batch_sentences == 64
        assert made.data.validation == 0.1
    assert adapted.schedule.unfreeze_every is None
    epoch = classifier.train.updates_per_epoch
    assert epoch == 25_000 * 0.9 // 64
    assert classifier.schedule.unfreeze_every == epoch
    assert classifier.train.updates == 50 * epoch
    arguments = classifier.resolved().model.arguments
    assert (arguments["chunk"], arguments["kept"]) == (70, 20 * 70)


@pytest.mark.parametrize("name", ["sutskever2014", "bahdanau2015"])
def test_the_papers_vocabularies_are_the_models(name):
    """So that the counts of the paper's weights are those of the recipe's."""
    made = recipe.load(f"{name}-wmt14-en-fr").resolved()
    sizes = catalog.entry(name).sizes["paper"].arguments
    assert made.model.arguments == sizes


def test_resolved_spells_out_every_argument(small):
    resolved = small.changed({"model.arguments.dropout": 0.25}).resolved()
    size = catalog.entry("vaswani2017").sizes[small.model.size].arguments
    assert set(resolved.model.arguments) == set(size)
    assert resolved.model.arguments["dropout"] == 0.25
    assert resolved.model.arguments["vocabulary"] == small.tokenizer.vocabulary
    assert "[smoke" not in recipe.dumps(resolved)


def test_resolved_takes_the_tokenizers_vocabulary_unless_told(small):
    smaller = small.changed({"tokenizer.vocabulary": 500})
    assert smaller.resolved().model.arguments["vocabulary"] == 500
    told = smaller.changed({"model.arguments.vocabulary": 501})
    assert told.resolved().model.arguments["vocabulary"] == 501


def test_batches_of_sentences_in_place_of_tokens(small):
    changed = small.changed({"train.batch_tokens": None, "train.batch_sentences": 80})
    assert (changed.train.batch_tokens, changed.train.batch_sentences) == (None, 80)
    assert recipe.loads(recipe.dumps(changed)) == changed
    assert changed.smoke().train.batch_tokens == small.smoke().train.batch_tokens
    assert changed.smoke().train.batch_sentences is None
    assert "batch_tokens" not in recipe.dumps(changed.resolved())


def test_words_in_place_of_pieces(small):
    changed = small.changed(WORDS | {"tokenizer.source_vocabulary": 50})
    assert changed.tokenizer.sizes == (50, small.tokenizer.vocabulary)
    assert recipe.loads(recipe.dumps(changed)) == changed


def test_pieces_are_of_nfkc_unless_told(small):
    text = recipe.dumps(small).replace('normalization = "nmt_nfkc"\n', "")
    assert recipe.loads(text).tokenizer.normalization == "nmt_nfkc"
    assert recipe.loads(text) == small


def test_changed_leaves_the_original_alone(small):
    changed = small.changed({"optimizer.learning_rate": 0.5, "train.patience": 3, "seed": 7})
    assert changed.optimizer.learning_rate == 0.5
    assert changed.train.patience == 3
    assert changed.seed == 7
    assert small == recipe.load(small.name)
    assert changed.changed({"train.patience": None}).train.patience is None
    arguments = changed.changed({"model.arguments": {"heads": 2}}).model.arguments
    assert arguments == {"heads": 2}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"optimizer.learning_rat": 1.0}, "did you mean 'optimizer.learning_rate'"),
        ({"optimiser.name": "adam"}, "did you mean 'optimizer.name'"),
        ({"learning_rate": 1.0}, "a recipe has no key 'learning_rate'"),
        ({"model.argument.width": 8}, "a recipe has no key 'model.argument.width'"),
        ({"train.updates.more": 8}, "a recipe has no key 'train.updates.more'"),
        ({"smoke.train": {}}, "a recipe has no key 'smoke.train'"),
        ({"optimizer": {"name": "sgd"}}, "'optimizer' is a table"),
        ({"train.updates": "many"}, "train.updates = 'many'"),
        ({"train.updates": 0}, "train.updates = 0"),
        ({"train.updates": 2.5}, "train.updates = 2.5"),
        ({"train.updates": True}, "train.updates = True"),
        ({"train.label_smoothing": 1.0}, "train.label_smoothing = 1.0"),
        ({"train.precision": "float8"}, "train.precision = 'float8'"),
        ({"train.buckets": [32, 16]}, "buckets must be rising"),
        ({"train.batch_tokens": 8}, "less than one row"),
        ({"train.batch_tokens": None}, "must be given: batch_tokens or batch_sentences"),
        ({"train.batch_sentences": 16}, "exclude each other: set one of them to none"),
        ({"train.loss": "word"}, "'token' or 'sentence'"),
        ({"tokenizer.algorithm": None}, "'sentencepiece' needs an algorithm: 'unigram' or 'bpe'"),
        ({"tokenizer.kind": "moses"}, "'moses' has no algorithm: leave it out, or set it to none"),
        (WORDS | {"tokenizer.normalization": "nfkc"}, "'moses' has no normalization"),
        (WORDS | {"tokenizer.shared": True}, "'moses' is of one language each"),
        ({"tokenizer.kind": "sentencepeice"}, "did you mean 'sentencepiece'"),
        ({"tokenizer.kind": "marian"}, "there is no kind of tokenizer 'marian'"),
        ({"tokenizer.kind": [1]}, "tokenizer.kind = [1]"),
        ({"optimizer.name": "adamw"}, "there is no optimizer 'adamw'"),
        (
            {"optimizer.name": "adamw"},
            "valid choices: adadelta, adam, asgd, bert-adam, counts, lamb, sgd",
        ),
        ({"schedule.name": "nom"}, "there is no schedule 'nom'"),
        ({"schedule.name": "nom"}, "did you mean 'noam'"),
        ({"schedule.name": "linear", "schedule.peak": None}, "'linear' needs a peak rate"),
        ({"evaluate.metric": "blue"}, "did you mean 'bleu'"),
        ({"model.size": None}, "model.size = None"),
        ({"optimizer.name": "asgd", "train.average": 2}, "asgd averages by itself"),
    ],
)
def test_a_wrong_change_names_the_key(small, changes, text):
    with pytest.raises(RecipeError, match=re.escape(text)):
        small.changed(changes)


@pytest.mark.parametrize(
    ("name", "changes", "text"),
    [
        ("ulmfit2018-imdb-lm", {"task": "summarise"}, "there is no task 'summarise'"),
        (
            "ulmfit2018-imdb-lm",
            {"task": "summarise"},
            "valid choices: answer, choose, classify, embed, entail",
        ),
        ("ulmfit2018-imdb-lm", {"data.language": ""}, "'generate' needs data.language"),
        ("ulmfit2018-imdb-lm", {"train.bptt": None}, "'generate' needs train.bptt"),
        (
            "ulmfit2018-imdb-lm",
            {"train.batch_sentences": None, "train.batch_tokens": 500},
            "'generate' needs train.batch_sentences",
        ),
        (
            "ulmfit2018-imdb-lm",
            {"evaluate.metric": "accuracy"},
            "the task 'generate' has evaluate.metric 'perplexity' or 'bits_per_character'",
        ),
        ("ulmfit2018-imdb-lm", {"model.arguments.ar_alpha": -1.0}, "ar_alpha is -1.0"),
        ("ulmfit2018-imdb-lm", {"schedule.cut": 1.0}, "schedule.cut = 1.0"),
        ("ulmfit2018-imdb-lm", {"schedule.ratio": 1.0}, "schedule.ratio = 1.0"),
        ("ulmfit2018-imdb-lm", {"data.validation": 0.0}, "data.validation = 0.0"),
        ("ulmfit2018-imdb", {"data.labels": []}, "'classify' needs data.labels"),
        ("ulmfit2018-imdb", {"data.labels": ["neg"]}, "data.labels has one class"),
        ("ulmfit2018-imdb", {"data.labels": ["a", "b", "a"]}, "data.labels has 'a' twice"),
        ("ulmfit2018-imdb", {"data.labels": [0, 1]}, "data.labels"),
        ("ulmfit2018-imdb", {"train.buckets": []}, "'classify' needs train.buckets"),
        ("ulmfit2018-imdb", {"evaluate.metric": "bleu"}, "has evaluate.metric 'accuracy'"),
        ("ulmfit2018-imdb", {"optimizer.discriminate": 0.5}, "optimizer.discriminate = 0.5"),
        ("ulmfit2018-imdb", {"tokenizer.algorithm": "bpe"}, "'fastai' has no algorithm"),
        ("vaswani2017-tatoeba-en-fr", {"data.target": ""}, "'translate' needs data.target"),
        ("vaswani2017-tatoeba-en-fr", {"data.max_length": None}, "needs data.max_length"),
        ("vaswani2017-tatoeba-en-fr", {"train.buckets": []}, "'translate' needs train.buckets"),
        ("vaswani2017-tatoeba-en-fr", {"task": "classify"}, "'classify' needs data.language"),
    ],
)
def test_a_task_needs_its_keys(name, changes, text):
    with pytest.raises(RecipeError, match=re.escape(text)):
        recipe.load(name).changed(changes)


MOSES = {"tokenizer.kind": "moses", "tokenizer.algorithm": None, "tokenizer.shared": False}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"data.also": [{"corpus": "europarl-en-fr"}]}, "needs share = [FIRST, LAST]"),
        ({"data.also": [{"corpus": "europarl-en-fr", "share": [0.5]}]}, "needs share"),
        ({"data.also": [{"corpus": "x", "share": [0.6, 0]}] * 2}, "are more than 1 together"),
        ({"data.augment": ["keyboard"], "data.source": "de"}, "from en to fr"),
        ({"data.augment": ["keybord"]}, "did you mean 'keyboard'"),
        ({"evaluate.also": ["./mine/test.tsv"]}, "'./mine/test.tsv' is a path"),
        (MOSES | {"tokenizer.byte_fallback": True}, "'moses' has no byte_fallback"),
    ],
)
def test_several_corpora_and_augmentation(small, changes, text):
    with pytest.raises(RecipeError, match=re.escape(text)):
        small.changed(changes)


def test_a_classifier_has_as_many_classes_as_labels():
    made = recipe.load("ulmfit2018-imdb").changed({"data.labels": ["a", "b", "c"]})
    assert made.resolved().model.arguments["classes"] == 3
    assert made.data.languages == ["en"]


SIMILAR = {"task": "similarity", "data.labels": [], "evaluate.metric": "pearson"}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"task": "entail", "data.labels": []}, "the task 'entail' needs data.labels"),
        ({"task": "entail", "data.labels": ["a"]}, "data.labels has one class"),
        ({"task": "similarity", "data.labels": ["a"]}, "data.labels has one class"),
        ({"task": "similarity", "evaluate.metric": "pearson"}, "has evaluate.metric 'accuracy'"),
        (
            SIMILAR | {"evaluate.metric": "accuracy"},
            "the task 'similarity' without data.labels has evaluate.metric 'pearson'",
        ),
        ({"task": "choose"}, "'choose' has no data.labels: answers come with each example"),
        ({"task": "choose", "data.labels": [], "train.buckets": []}, "needs train.buckets"),
    ],
)
def test_tasks_of_several_texts_need_their_keys(changes, text):
    with pytest.raises(RecipeError, match=re.escape(text)):
        recipe.load("ulmfit2018-imdb").changed(changes)


def test_similarity_without_labels_is_one_number():
    made = recipe.load("ulmfit2018-imdb").changed(SIMILAR)
    assert made.regression
    assert made.resolved().model.arguments["classes"] == 1
    labelled = made.changed({"data.labels": ["a", "b"], "evaluate.metric": "accuracy"})
    assert not labelled.regression
    assert not recipe.load("ulmfit2018-imdb-lm").regression
    assert recipe.loads(recipe.dumps(made)) == made


def test_no_weights_to_begin_with_can_be_said_in_a_shell():
    changes = dict([recipe.assignment("model.weights=none")])
    made = recipe.load("ulmfit2018-imdb").changed(changes)
    assert made.model.weights == ""
    assert recipe.loads(recipe.dumps(made)) == made


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("optimizer.learning_rate=1e-3", ("optimizer.learning_rate", 1e-3)),
        ("train.updates = 2000", ("train.updates", 2000)),
        ("train.buckets=[8, 16]", ("train.buckets", [8, 16])),
        ("train.jit=false", ("train.jit", False)),
        ("optimizer.name=sgd", ("optimizer.name", "sgd")),
        ('optimizer.name="sgd"', ("optimizer.name", "sgd")),
        ("train.patience=none", ("train.patience", None)),
        ("data.corpus=a=b", ("data.corpus", "a=b")),
    ],
)
def test_assignment(text, expected):
    assert recipe.assignment(text) == expected


@pytest.mark.parametrize("text", ["train.updates", "=3", ""])
def test_what_is_no_assignment(text):
    with pytest.raises(RecipeError, match="KEY=VALUE"):
        recipe.assignment(text)


def test_unknown_recipe():
    with pytest.raises(UnknownName, match="did you mean 'vaswani2017-tatoeba-en-fr'"):
        recipe.load("vaswani2017-tatoeba")


def test_from_a_file_and_from_a_bundles_folder(small, tmp_path):
    text = recipe.dumps(small).replace('name = "vaswani2017-tatoeba-en-fr"\n', "")
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    assert recipe.load(path).name == "mine"
    assert recipe.load(str(path)) == recipe.load(path)
    (tmp_path / "recipe.toml").write_text(recipe.dumps(small), encoding="utf-8")
    assert recipe.load(tmp_path) == small


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"name = ", "is not valid TOML"),
        (b"name = '\xe9'", "is not UTF-8"),
        (b"name = 'x'", "is missing"),
    ],
)
def test_a_damaged_file(tmp_path, content, text):
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=text) as caught:
        recipe.load(path)
    assert "bad.toml" in str(caught.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(RecipeError, match="no such file"):
        recipe.load(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("updates_per_epoch", "updates_an_epoch", "there is no key 'updates_an_epoch' in [train]"),
        ("[schedule]", "[schedul]", "did you mean 'schedule'"),
        ('paper = "vaswani2017"\n', "", "the key 'paper' is missing"),
        ("[smoke.train]\nupdates = ", "[smoke.train]\nupdate = ", "[smoke]"),
    ],
)
def test_a_misspelt_key_in_a_file(small, old, new, text):
    written = recipe.dumps(small)
    assert old in written
    with pytest.raises(RecipeError, match=re.escape(text)):
        recipe.loads(written.replace(old, new, 1))
