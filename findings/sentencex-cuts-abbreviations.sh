#!/usr/bin/env bash
# sentencex 1.0.32, told the language, cuts a sentence after a German ordinal in front of a noun that is no
# month ("im 19. Jahrhundert") and after the French title "M.", whose long forms and English equivalents it
# knows. It does not cut after a month's ordinal ("am 3. Oktober"), "z. B." or "Mr.".
#
# Guessed: a splitter with German and French rules keeps ordinals and titles together.
# Seen: two sentences for each of the two German and French texts below, one for each of the others.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet 'sentencex==1.0.32'
cat > "$work/cut.py" <<'PYTHON'
from importlib.metadata import version

import sentencex

TEXTS = [
    ("de", "Das war im 19. Jahrhundert so."),
    ("fr", "Je connais M. Dupont."),
    ("de", "Sie kam am 3. Oktober an."),
    ("de", "Es gibt z. B. Obst."),
    ("en", "I know Mr. Smith."),
]
counts = [sum(bool(part.strip()) for part in sentencex.segment(code, text)) for code, text in TEXTS]
print(version("sentencex"), counts)
PYTHON
seen="$("$work/venv/bin/python" "$work/cut.py")"
echo "$seen"
[ "$seen" = "1.0.32 [2, 2, 1, 1, 1]" ]
