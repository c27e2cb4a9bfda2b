"""The shell's commands for the hub, none of which imports Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.cli.shell import print_table
from zoo.errors import HubError, ZooError, counted

NAMES = "NAME.TAG or hf://USER/REPO[@REVISION]."
Names = Annotated[list[str], typer.Argument(help=NAMES, metavar="NAME")]


def register(app: typer.Typer) -> None:
    """Add the commands to a command line."""
    for verb in (download, verify, cache, pin, push):
        app.command()(verb)


def download(names: Names) -> None:
    """Fetch models from the hub and check them, so that they load without a network."""
    from zoo import hub

    for name in names:
        print(hub.find(name))


def verify(
    names: Annotated[list[str] | None, typer.Argument(help=NAMES, metavar="NAME")] = None,
) -> None:
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
    for entry in entries:
        converted = size(entry.made) if entry.made else "-"
        rows.append((entry.repo, entry.commit, size(entry.fetched), converted, entry.name))
    fetched, made = sum(entry.fetched for entry in entries), sum(entry.made for entry in entries)
    rows.append(("total", "", size(fetched), size(made), ""))
    print_table(rows, right=(2, 3))


def pin(
    name: Annotated[str, typer.Argument(help="NAME.TAG of the registry.", metavar="NAME")],
    revision: Annotated[str | None, typer.Option(help="Commit, branch or tag.")] = None,
) -> None:
    """Write commit and hashes of weights into the registry."""
    from zoo.hub import pin as pinning

    print(pinning.pin(name, revision))


def push(
    bundle: Annotated[Path, typer.Argument(help="The folder of a bundle.", metavar="FOLDER")],
    repo: Annotated[str, typer.Argument(help="USER/REPO.", metavar="REPO")],
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

    published = publish.push(bundle, repo, private=private, dry_run=dry_run, overwrite=overwrite)
    print(published)
    if dry_run:
        print(f"\nREADME.md:\n{published.card}")
    else:
        print(f"\nfor the registry:\n\n{published.entry}", end="")
