"""Draw a terminal that shows what a model marked in texts, as SVG."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import files
from zoo.errors import NotSupported, OptionError, check_path
from zoo.reports import series

if TYPE_CHECKING:
    from zoo.pretrained import Pretrained

# rich's pictures ask another server for their letters; those of the reader's machine will do.
_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def marked(
    pretrained: Pretrained,
    texts: str | Sequence[Any],
    out: str | os.PathLike[str] = "marked.svg",
    *,
    width: int = 80,
    **options: Any,
) -> Path:
    """Draw texts with what the model marks in them, in colours; return the picture's path.

    Args:
        texts: one or several, as `predict` takes them.
        out: the picture, an .svg.
        width: characters of a line.
        options: of `predict`.

    Raises:
        NotSupported: the model marks nothing: its task is another.
        OptionError: the picture is no .svg, or its folder is missing.
    """
    check_path("out", out)
    path = Path(out).expanduser()
    if path.suffix.lower() != ".svg":
        raise OptionError(f"{path}: these pictures are .svg", f"name it {path.with_suffix('.svg')}")
    series.check_folder(path)
    listed = [texts] if isinstance(texts, (str, tuple)) else list(texts)
    found = pretrained.predict(listed, **options)
    if not all(hasattr(each, "rich") for each in found):
        task = pretrained.recipe.task
        raise NotSupported(
            f"a model for the task '{task}' marks nothing in a text",
            "models that tag do, as bert2018.ner",
        )
    drawn = drawing([each.rich() for each in found], pretrained.recipe.name, width)
    with files.replacing(path) as aside:
        aside.write_text(drawn, encoding="utf-8")
    return path


def drawing(lines: Sequence[Any], title: str, width: int = 80) -> str:
    """Return an SVG of a terminal with these lines of rich's text."""
    from rich.console import Console

    console = Console(
        record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    for line in lines:
        console.print(line, soft_wrap=False)
    return _FONTS.sub("", console.export_svg(title=title, unique_id="marked"))
