"""Write the reference of the Python functions: a page for every floor of the house, filled by mkdocstrings."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the tests read the hooks without MkDocs
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files


PACKAGES = ("geopointseg", "pipelines")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages."""
    from mkdocs.structure.files import File

    for uri, content in pages(Path(config.config_file_path).parent).items():
        files.append(File.generated(config, uri, content=content))
    return files


def pages(root: Path) -> dict[str, str]:
    """The pages by their place: one for the modules that lie in each folder."""
    found: dict[str, list[str]] = {}
    index = ["# Python", "", documentation(root / "geopointseg" / "__init__.py"), ""]
    index += [
        "Every command is a function of the same arguments: `geopointseg mask` is `geopointseg.labels.pseudomask.mask`.",
        "What is listed here is what each module's `__all__` names.",
    ]
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            if path.name.startswith("_"):
                continue
            folder = ".".join(path.parent.relative_to(root).parts)
            if public(path):
                found.setdefault(folder, []).append(f"{folder}.{path.stem}")
    made = {}
    for folder, modules in found.items():
        lines = [f"# {folder}", "", documentation(root / Path(*folder.split(".")) / "__init__.py"), ""]
        if folder == "geopointseg":
            lines[2:3] = ["What a map is made of, and what all floors share."]
        index += ["", f"## [{folder}]({folder}.md)", "", "| module | |", "|---|---|"]
        for module in modules:
            path = root / Path(*module.split(".")).with_suffix(".py")
            first = documentation(path).split("\n\n")[0].replace("\n", " ").replace("|", "\\|")
            name = module.removeprefix(f"{folder}.")
            index.append(f"| [`{name}`]({folder}.md#{module}) | {first} |")
            lines += [f"## {name} {{#{module}}}", "", f"::: {module}", ""]
        made[f"reference/python/{folder}.md"] = "\n".join(lines)
    return {"reference/python/index.md": "\n".join(index)} | made


def documentation(path: Path) -> str:
    """The docstring of a module."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "") if path.exists() else ""


def public(path: Path) -> bool:
    """Whether a module names anything for others."""
    return "__all__" in path.read_text(encoding="utf-8")
