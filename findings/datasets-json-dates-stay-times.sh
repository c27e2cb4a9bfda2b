#!/usr/bin/env bash
# datasets 5.2.0: a JSON text that looks like a date is read as a time, and asking for text does not bring it
# back: with features=Value("string") the cell is the time written out, with a clock that the file never had.
# In a CSV file, NA, null and None stay missing with the same features; keep_default_na=False keeps the words.
#
# Guessed: Value("string") gives the text that stands in the file.
# Seen: '2024-05-06' in the file, '2024-05-06 00:00:00' from the data set; NA is None with features, 'NA'
# with keep_default_na=False.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet 'datasets==5.2.0'
cat > "$work/read.py" <<'PYTHON'
import sys
from pathlib import Path

import datasets

folder = Path(sys.argv[1])
datasets.disable_progress_bars()
text = datasets.Features({"text": datasets.Value("string")})


def first(kind, content, **options):
    """Write a file and return its first cell as datasets reads it."""
    path = folder / f"{len(list(folder.iterdir()))}.{kind}"
    path.write_text(content, encoding="utf-8")
    rows = datasets.load_dataset(
        kind, data_files=str(path), split="train", cache_dir=str(folder / "cache"), **options
    )
    return rows[0]["text"]


date = first("json", '{"text": "2024-05-06"}\n', features=text)
csv = "text\nNA\nyes\n"
print(datasets.__version__, repr(date), first("csv", csv, features=text),
      first("csv", csv, keep_default_na=False))
PYTHON
mkdir "$work/files"
seen="$("$work/venv/bin/python" "$work/read.py" "$work/files" 2>/dev/null)"
echo "$seen"
[ "$seen" = "5.2.0 '2024-05-06 00:00:00' None NA" ]
