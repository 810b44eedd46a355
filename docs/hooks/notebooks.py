"""Show the notebooks as pages: as they stand, or with pictures and output where `make notebooks` has run them."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the tests read the hooks without MkDocs
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files


ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages, their pictures, and the notebooks themselves to take away."""
    from mkdocs.structure.files import File

    root = Path(config.config_file_path).parent
    found = sorted((root / "notebooks").glob("*.ipynb"))
    rows = [
        "# Notebooks",
        "",
        "Each runs by itself, on scenes made on the spot, in well under a minute (`make notebooks`).",
        "",
    ]
    rows += ["| notebook | |", "|---|---|"]
    for path in found:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        ran = run_one(root / "build" / "notebooks" / path.name, notebook)
        text, pictures = page(ran or notebook, path.stem)
        title = re.search(r"^# (.+)$", text, re.MULTILINE)
        about = next((p for p in text.split("\n\n") if p.strip() and not p.startswith("#")), "").replace("\n", " ")
        rows.append(f"| [{title[1] if title else path.stem}]({path.stem}.md) | {about.split('. ')[0].rstrip('.')}. |")
        note = (
            f"\n\n[The notebook itself]({path.name})"
            + ("" if ran else ", not yet run here: `make notebooks docs`")
            + ".\n"
        )
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=text + note))
        files.append(File.generated(config, f"notebooks/{path.name}", abs_src_path=str(path)))
        for name, content in pictures.items():
            files.append(File.generated(config, f"notebooks/{name}", content=content))
    files.append(File.generated(config, "notebooks/index.md", content="\n".join(rows) + "\n"))
    return files


def run_one(path: Path, notebook: dict[str, Any]) -> dict[str, Any] | None:
    """The same notebook with its output, if it was run as it stands now."""
    if not path.exists():
        return None
    ran: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    same = [source(cell) for cell in ran["cells"]] == [source(cell) for cell in notebook["cells"]]
    return ran if same else None


def source(cell: dict[str, Any]) -> str:
    """The text of a cell."""
    return "".join(cell["source"])


def page(notebook: dict[str, Any], name: str) -> tuple[str, dict[str, bytes]]:
    """A notebook as Markdown, and its pictures by file name."""
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            parts.append(source(cell))
            continue
        parts.append(f"```python\n{source(cell)}\n```")
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                file = f"{name}_{len(pictures)}.png"
                pictures[file] = base64.b64decode("".join(data["image/png"]))
                parts.append(f"![output of the cell above]({file})")
            elif "text/html" in data and "<table" in (html := "".join(data["text/html"])):
                parts.append(re.sub(r"\n\s*\n", "\n", re.sub(r"<style.*?</style>", "", html, flags=re.DOTALL)))
            elif output.get("name") == "stderr":
                continue  # progress bars
            elif text := "".join(output.get("text") or data.get("text/plain") or ""):
                parts.append(f"```text\n{ANSI.sub('', text).rstrip()}\n```")
    return "\n\n".join(parts), pictures
