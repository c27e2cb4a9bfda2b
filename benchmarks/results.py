"""benchmarks/RESULTS.md: one section a benchmark, rewritten by each run of it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
from datetime import date
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
PACKAGES = ("keras", "tensorflow", "jax", "torch", "transformers")
TITLE = (
    "# Measured speed\n\nWritten by the scripts in this folder; see README.md on how to run them.\n"
)


def report(name: str, rows: list[dict[str, object]], note: str, smoke: bool) -> None:
    """Write the section `name`, or only print what a run of seconds has measured."""
    if smoke:
        print(*rows, note, sep="\n")
    else:
        write(name, rows, note)


def write(name: str, rows: list[dict[str, object]], note: str) -> None:
    """Replace the section `name` by a table of rows, the note, and what it was measured on."""
    columns = list(rows[0])
    lines = [f"## {name}", "", "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(str(row[column]) for column in columns) + " |" for row in rows]
    section = "\n".join([*lines, "", note, "", _circumstances(), ""])
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else TITLE
    old = re.compile(rf"## {re.escape(name)}\n.*?(?=\n## |\Z)", re.DOTALL)
    text = old.sub(lambda _: section, text) if old.search(text) else f"{text}\n{section}"
    RESULTS.write_text(text.rstrip() + "\n", encoding="utf-8")
    print(section)


def _circumstances() -> str:
    versions = ", ".join(filter(None, map(_version, PACKAGES)))
    revision = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{date.today().isoformat()}, revision {revision}, {cores} CPU cores ({_processor()}), "
        f"Python {platform.python_version()}, {versions}."
    )


def _version(package: str) -> str:
    """Return "name version", or "" where the package is not installed."""
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    """Return the processor's kind and whether it multiplies bfloat16 in hardware."""
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8") if info.exists() else ""
    units = [unit for unit in ("avx512_bf16", "amx_bf16") if unit in text]
    return ", ".join([platform.machine(), *units])
