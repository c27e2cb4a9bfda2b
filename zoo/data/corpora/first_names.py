"""The corpus "names": 32,033 first names, from which augmentation draws."""

from __future__ import annotations

from zoo.data.corpora.corpus import in_zoo_data
from zoo.data.readers import find, read_lines
from zoo.errors import DataError


def first_names() -> list[str]:
    """Return the lines of ZOO_DATA/names/names.txt: names in lower case, girls' first.

    Raises:
        DataError: the file is missing.
    """
    folder = in_zoo_data("names")
    path = find(folder, "names.txt") if folder else None
    if path is None:
        raise DataError(
            "data.augment draws first names from the corpus names, which is missing",
            "set ZOO_DATA to a folder that holds names/names.txt, or leave the step 'names' out",
        )
    return list(read_lines(path))
