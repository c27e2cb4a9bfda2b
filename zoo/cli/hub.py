"""The shell's verbs of the hub. None of them imports Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.errors import HubError, ZooError, counted

Names = Annotated[list[str], typer.Argument(help="NAME.TAG or hf://USER/REPO[@REVISION].")]


def register(app: typer.Typer) -> None:
    """Add the verbs to a command line."""
    for verb in (download, verify, cache, pin, push):
        app.command()(verb)


def download(names: Names) -> None:
    """Fetch models from the hub and check them, so that they load without a network."""
    from zoo import hub

    for name in names:
        print(hub.find(name))


def verify(names: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Check every file of models again, of all that are here if none is named."""
    from zoo.hub import verify as verifying

    failures = 0
    for name in names or verifying.everything():
        try:
            print(verifying.verify(name))
        except ZooError as error:
            failures += 1
            print(f"{name}: {error}")
    if failures:
        raise HubError(f"{counted(failures, 'model')} not as published", "see above")


def cache(
    delete: Annotated[
        list[str] | None, typer.Option(help="USER/REPO, hf://USER/REPO@COMMIT or NAME.TAG.")
    ] = None,
) -> None:
    """List what was fetched, or delete it."""
    from zoo.hub import cache as caching
    from zoo.hub.download import size

    for name in delete or []:
        print(f"{name}: {size(caching.delete(name))} deleted")
    if delete:
        return
    entries = caching.entries()
    rows = [("REPOSITORY", "COMMIT", "FETCHED", "CONVERTED", "NAME")]
    for each in entries:
        made = size(each.made) if each.made else "-"
        rows.append((each.repo, each.commit, size(each.fetched), made, each.name))
    rows.append(("total", "", size(sum(x.fetched for x in entries)),
                 size(sum(x.made for x in entries)), ""))  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (f"{cell:>{wide}}" if column in (2, 3) else f"{cell:<{wide}}"
                 for column, (cell, wide) in enumerate(zip(row, widths, strict=True)))  # fmt: skip
        print("  ".join(cells).rstrip())


def pin(
    name: Annotated[str, typer.Argument(help="NAME.TAG of the registry.")],
    revision: Annotated[str | None, typer.Option(help="Commit, branch or tag.")] = None,
) -> None:
    """Write commit and hashes of weights into the registry."""
    from zoo.hub import pin as pinning

    print(pinning.pin(name, revision))


def push(
    bundle: Annotated[Path, typer.Argument(help="The folder of a bundle.")],
    repo: Annotated[str, typer.Argument(help="USER/REPO.")],
    private: Annotated[bool, typer.Option("--private", help="Make it private.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be sent.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write into a repository with something else.")
    ] = False,
) -> None:
    """Publish a bundle on the hub; prints what the registry needs to name it."""
    from zoo.hub import publish

    made = publish.push(bundle, repo, private=private, dry_run=dry_run, overwrite=overwrite)
    print(made)
    if dry_run:
        print(f"\nREADME.md:\n{made.card}")
    else:
        print(f"\nfor the registry:\n\n{made.entry}", end="")
