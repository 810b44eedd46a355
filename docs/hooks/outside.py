"""Bring into the site what lies outside docs/ and mend the links to it; leave out of the navigation what is not there yet."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the tests read the hooks without MkDocs
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page


log = logging.getLogger("mkdocs.hooks.outside")

PAGES = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
FOLDERS = {"configs": "configs", "benchmarks/results": "results", "pipelines": "pipelines"}
"""Folders whose files are linked to, and where they lie in the site."""
SUFFIXES = (".yaml", ".txt", ".json", ".py", ".cff")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the files, then fit the navigation to what is there."""
    from mkdocs.structure.files import File

    root = Path(config.config_file_path).parent
    for name, uri in PAGES.items():
        files.append(File.generated(config, uri, content=(root / name).read_text(encoding="utf-8")))
    licence = (root / "LICENSE").read_text(encoding="utf-8").replace("MIT License", "# MIT licence", 1)
    files.append(File.generated(config, "licence.md", content=licence))
    files.append(File.generated(config, "CITATION.cff", abs_src_path=str(root / "CITATION.cff")))
    for folder, place in FOLDERS.items():
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in SUFFIXES and "__pycache__" not in path.parts:
                uri = f"{place}/{path.relative_to(root / folder).as_posix()}"
                if uri not in files.src_uris:
                    files.append(File.generated(config, uri, abs_src_path=str(path)))
    config.nav = list(fit(config.nav or [], set(files.src_uris)))
    return files


def fit(nav: list[Any], there: set[str]) -> list[Any]:
    """The entries whose pages are there; one that ends in / becomes all pages below it."""
    kept: list[Any] = []
    for entry in nav:
        title, target = next(iter(entry.items())) if isinstance(entry, dict) else (None, entry)
        if isinstance(target, list):
            inside = fit(target, there)
            kept += [{title: inside}] if inside else []
        elif target.endswith("/"):
            pages = [uri for uri in there if uri.startswith(target) and uri.endswith(".md")]
            pages.sort(key=lambda uri: (not uri.endswith("index.md"), uri.removesuffix(".md")))
            kept += [{title: pages}] if pages else []
        elif target in there:
            kept.append(entry)
        else:
            log.info("left out of the navigation, since it is not there yet: %s", target)
    return kept


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links that leave docs/ at the copies in the site."""
    up = "../" * page.file.src_uri.count("/")
    renamed = PAGES | {"LICENSE": "licence.md", "notebooks": "notebooks/index.md"}
    markdown = re.sub(r"\[([^\]]*)\]\((?:\.\./)*tests/[^)]+\)", r"\1", markdown)  # the site has no tests to lead to

    markdown = re.sub(r"\| (https?://[^\s|]+) (?=\|)", r"| [page](\1) ", markdown)  # whole addresses make it too wide

    def mend(match: re.Match[str]) -> str:
        target, _, anchor = match[1].partition("#")
        inside = target.removeprefix("../")
        if page.file.src_uri in PAGES.values():
            inside = target.removeprefix("docs/")
        for folder, place in FOLDERS.items():
            if inside == folder or inside.startswith(f"{folder}/"):
                inside = inside.replace(folder, place, 1)
                inside = "results.md" if inside == "results" else inside
        inside = renamed.get(inside, inside)
        if inside.startswith("notebooks/"):
            inside = inside.replace(".ipynb", ".md")
        moved = page.file.src_uri in PAGES.values() or inside != target.removeprefix("../") or inside in files.src_uris
        if target.startswith(("http:", "https:", "mailto:")) or not target or not moved or target in files.src_uris:
            return match[0]
        return f"]({up}{inside}{'#' + anchor if anchor else ''})"

    return re.sub(r"\]\(([^()\s]+)\)", mend, markdown)
