#!/usr/bin/env bash
# tokenizers 0.23.3: WordPieceTrainer learns another vocabulary from the same text in each process. Not only the
# numbers of the pieces differ but which pieces there are, and so how a word is cut. BpeTrainer on the same text
# gives the same merges and numbers each time. No option of the trainer (0.23.3) seeds or sorts it.
#
# Guessed: both trainers are functions of their text.
# Seen: of 8 processes several sets of 80 pieces by WordPieceTrainer, "sweetness" as sw ##eet ##ness in some and
# as swe ##et ##ness in others; one vocabulary by BpeTrainer. What goes in as special_tokens keeps its order: with
# all characters there, each also with "##", the rest is the same in every process too.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet 'tokenizers==0.23.3'
cat > "$work/train.py" <<'PYTHON'
import sys

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

words = """lower lowest newer newest window widens sleeping walking walked talked talking quickly slowly
happily unhappy undone redone readable walkable kindness darkness sweetness meeting greeting""".split()
lines = [" ".join(words[i:] + words[:i]) for i in range(len(words))]
first, inner = {word[0] for word in words}, {letter for word in words for letter in word[1:]}
letters = [*sorted(first | inner), *(f"##{letter}" for letter in sorted(inner))]
kind = sys.argv[1]
if kind == "bpe":
    model, trainer, special = models.BPE(unk_token="[UNK]"), trainers.BpeTrainer, ["[UNK]"]
else:
    model, trainer = models.WordPiece(unk_token="[UNK]"), trainers.WordPieceTrainer
    special = ["[UNK]", *letters] if kind == "sorted" else ["[UNK]"]
tokenizer = Tokenizer(model)
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer.train_from_iterator(
    lines, trainer(vocab_size=80, special_tokens=special, show_progress=False)
)
found = tokenizer.get_vocab()
# The pieces in the order of their numbers, and as a set.
print(" ".join(sorted(found, key=found.get)), "|", " ".join(sorted(found)))
PYTHON
distinct() { # how many different lines 8 processes print, of the whole or of the set alone
    for _ in 1 2 3 4 5 6 7 8; do "$work/venv/bin/python" "$work/train.py" "$1"; done |
        { if [ "$2" = set ]; then sed 's/.*|//'; else cat; fi; } | sort -u | wc -l | tr -d ' '
}
numbers="$(distinct wordpiece all)" sets="$(distinct wordpiece set)"
bpe="$(distinct bpe all)" ordered="$(distinct sorted all)"
echo "WordPiece: $numbers vocabularies, $sets sets of pieces; BPE: $bpe; WordPiece with sorted letters: $ordered"
[ "$numbers" -gt 1 ] && [ "$sets" -gt 1 ] && [ "$bpe" = 1 ] && [ "$ordered" = 1 ]
