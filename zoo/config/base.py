"""The trained weights that a fine-tuned or changed model began with. Imports no Keras."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from zoo.config.tables import Table


class Base(Table):
    """A recipe's [base], which `finetune` and `save` write: what the recipe did not make."""

    # changed in a user's own loop or by hand; rounded when they were stored in fewer bits
    how: Literal["finetuned", "changed", "rounded"]
    recipe: str  # name of the recipe of the weights that it began with
    name: str = ""  # these weights as `zoo.load` takes them; "" if they were only in memory
    sha256: str = ""  # of their model.safetensors, or of its shards
    public: str = ""  # the nearest weights before it that are in the registry or on the hub
    lora: list[Annotated[int, Field(gt=0)]] = []  # ranks of LoRA, merged into the weights
    command: str = ""  # fine-tunes them again; "" if no command can
