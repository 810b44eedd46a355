"""The documents keep to the code: their commands are real, their links lead somewhere, their Python compiles, some of it runs."""

import doctest
import importlib
import inspect
import json
import re
import shlex
import warnings
from argparse import ArgumentError
from pathlib import Path

import lightning
import pytest

from docs.hooks.commands import PAGE, page, parser_of
from docs.hooks.commands import section as command_section
from docs.hooks.notebooks import page as notebook_page
from docs.hooks.outside import fit
from docs.hooks.results import page as results_page
from geopointseg.cli import COMMANDS, main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SHELL = ("", "bash", "sh", "shell", "console", "bat")
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
PLACEHOLDER = re.compile(r"…|\[(?!\w+\.\w+[,\]])|\b[A-Z]{4,}\b")  # what a reader fills in: mask … --affinity FOLDER


def blocks(path, languages):
    """The fenced blocks of a page in one of the languages."""
    text = path.read_text(encoding="utf-8")
    return [inspect.cleandoc(body) for _, language, body in FENCE.findall(text) if language in languages]


def commands_in(text):
    """The lines that call geopointseg, without prompts and remarks."""
    for line in text.replace("\\\n", " ").splitlines():
        said = line.strip().removeprefix("$ ").removeprefix("!").strip()
        said = re.sub(r"^(\S*[/\\])?geopointseg ", "geopointseg ", said)
        if said.startswith("geopointseg "):
            yield shlex.join(shlex.split(said, comments=True))


def spans_in(path):
    """Calls of geopointseg within a sentence, `like --this`."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    return [span for span in re.findall(r"`([^`\n]+)`", text) if span.startswith("geopointseg ")]


def name_of(path):
    return path.relative_to(ROOT).as_posix()


FENCED = [(name_of(path), line) for path in PAGES for block in blocks(path, SHELL) for line in commands_in(block)]
HEADS = [
    (name_of(path), line)
    for path in sorted((ROOT / "configs").glob("*.yaml"))
    for line in commands_in(re.sub(r"^# *", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE))
]
CELLS = [
    (name_of(path), line)
    for path in NOTEBOOKS
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
    for line in commands_in("".join(cell["source"]))
]
SPANS = [(name_of(path), span) for path in PAGES for span in spans_in(path)]


def flags_of(command):
    """Every option of a command, by its name before any =."""
    parser = parser_of(command)
    return None if parser is None else {flag for action in parser._actions for flag in action.option_strings}


def check_training(arguments):
    """What Lightning would parse: every key is an argument of the constructor it belongs to."""
    from geopointseg.learning.data import PointDataModule
    from geopointseg.learning.keeping import Keeping
    from geopointseg.learning.task import PointSegmentationTask

    made = {"data": PointDataModule, "model": PointSegmentationTask, "trainer": lightning.Trainer, "keeping": Keeping}
    for flag in (word.removeprefix("--") for word in arguments if word.startswith("--")):
        top, *below = flag.split("=")[0].split(".")
        if top in made:
            assert below, f"--{flag} names no key"
            assert below[0] in inspect.signature(made[top]).parameters, f"--{flag}"
        else:
            assert top in ("config", "out", "overwrite", "resume", "seed_everything", "help"), f"--{flag}"


@pytest.mark.parametrize(("place", "line"), [*FENCED, *HEADS, *CELLS])
def test_a_command_in_a_block_is_one_that_the_parser_takes(place, line):
    _, command, *arguments = shlex.split(line)
    if command in ("--version", "--help", "COMMAND"):
        return
    assert command in COMMANDS, f"{place}: {line}"
    parser = parser_of(command)
    if parser is None:
        check_training(arguments)
    elif PLACEHOLDER.search(line):
        assert {word.split("=")[0] for word in arguments if word.startswith("--")} <= flags_of(command), line
    else:
        try:
            parser.parse_args([word for word in arguments if word != "--debug"])
        except ArgumentError as error:
            pytest.fail(f"{place}: {line}: {error}")


@pytest.mark.parametrize(("place", "span"), SPANS)
def test_a_command_in_a_sentence_has_the_options_it_names(place, span):
    _, command, *arguments = span.replace("[", " ").replace("]", " ").split()
    if command in ("COMMAND", "--version", "--help", "…"):
        return
    assert command in COMMANDS, f"{place}: {span}"
    named = {word.split("=")[0] for word in arguments if word.startswith("--") and "…" not in word}
    known = flags_of(command)
    if known is None:
        check_training([word for word in arguments if "…" not in word])
    else:
        assert named <= known, f"{place}: {span}"


def test_there_are_commands_to_look_at():
    assert len(FENCED) > 60  # else the tests above could not fail
    assert len(HEADS) > 8
    assert len(SPANS) > 5


def test_a_wrong_option_would_be_seen():
    with pytest.raises(ArgumentError):
        parser_of("mask").parse_args(["a.tif", "--points", "p.gpkg", "--sperad", "reach"])
    with pytest.raises(AssertionError, match="setps"):
        check_training(["--config", "c.yaml", "--data.setps", "3"])


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_to_files_lead_somewhere(path):
    missing = []
    for target in re.findall(r"\]\(([^()\s]+)\)", FENCE.sub("", path.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:|#", target):
            continue
        file = (path.parent / target.partition("#")[0]).resolve()
        made = file.relative_to(ROOT / "docs") if file.is_relative_to(ROOT / "docs") else None
        written = made and (made.parts[0] in ("reference", "notebooks") or made.name in ("results.md", "changelog.md"))
        if not (
            file.exists() or written
        ):  # the latter by a hook, when the site is built, which looks at all links itself
            missing.append(target)
    assert missing == []


@pytest.mark.parametrize("path", [path for path in PAGES if blocks(path, ("python",))], ids=name_of)
def test_python_in_the_documents_compiles_and_its_imports_are_there(path):
    for block in blocks(path, ("python",)):
        compile(block, str(path), "exec")
        for line in block.splitlines():
            if match := re.match(r"from (geopointseg[\w.]*|pipelines[\w.]*) import (.+)", line):
                module = importlib.import_module(match[1])
                assert [name for name in match[2].split(", ") if not hasattr(module, name)] == []


MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for folder in ("geopointseg", "pipelines")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_docstrings_are_right(module):
    found = doctest.testmod(importlib.import_module(module), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.attempted
    assert not found.failed


# what the hooks of the site write


def test_the_reference_has_every_command_and_every_option():
    written = page()
    for command in COMMANDS:
        assert f"\n## {command}\n" in written
        rows = "\n".join(command_section(command))
        for flag in (flags_of(command) or set()) - {"-h", "--help"}:
            assert f"`{flag}`" in rows, f"{command} {flag}"
    assert PAGE.endswith(".md")


def test_results_show_every_file_and_figures_of_its_own():
    written = results_page(ROOT)
    for path in (ROOT / "benchmarks" / "results").glob("*.txt"):
        assert f"(#{path.stem})" in written
    assert "| yes |" in written


def test_the_navigation_leaves_out_what_is_not_there_yet():
    nav = [
        "index.md",
        {"Later": "later.md"},
        {"Guides": [{"A": "a.md"}, "b.md"]},
        {"Many": "many/"},
        {"None": ["c.md"]},
    ]
    there = {"index.md", "a.md", "many/x.md", "many/index.md"}
    assert fit(nav, there) == ["index.md", {"Guides": [{"A": "a.md"}]}, {"Many": ["many/index.md", "many/x.md"]}]


def test_every_page_is_in_the_navigation():
    listed = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").glob("*.md")]
    assert [page for page in pages if f": {page}\n" not in listed] == []
    assert [path.stem for path in NOTEBOOKS if f"notebooks/{path.stem}.md" not in listed] == []


# the notebooks; `make notebooks` runs them


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_a_notebook_is_kept_without_output(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    text, pictures = notebook_page(notebook, path.stem)
    assert text.startswith("# ")
    assert pictures == {}


def test_output_of_a_notebook_is_shown():
    cells = [
        {"cell_type": "markdown", "source": ["# Title"]},
        {
            "cell_type": "code",
            "source": ["print(1)"],
            "outputs": [
                {"name": "stderr", "text": ["bar"]},
                {"name": "stdout", "text": ["\x1b[1mone\x1b[0m\n"]},
                {"data": {"image/png": "AAAA", "text/plain": ["<Figure>"]}},
            ],
        },
    ]
    text, pictures = notebook_page({"cells": cells}, "n")
    assert text == "# Title\n\n```python\nprint(1)\n```\n\n```text\none\n```\n\n![output of the cell above](n_0.png)"
    assert pictures == {"n_0.png": b"\x00\x00\x00"}


# running what can run: README and two pages, on a small scene, with few steps

RUN = ("README.md", "docs/maps.md", "docs/preparing-points.md")
CHEAP = {
    "run": ["--steps", "2", "--chip", "32"],
    "train": ["--data.steps", "2", "--data.chip", "32"],
    "cluster": ["--epochs", "1", "--tile", "128"],
}
ELSEWHERE = re.compile(
    r"hf://|/mnt/|--onnx|\bdemo\b|photos/|COMMAND|scene DIR|\bMASK\b|\bMODEL\b|…|big\.tif|other/|sentinel2\.tif"
    r"|geopointseg (area|experiment)\b"  # a sample has to be interpreted first; its own tests run it
)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    """A folder with the files that the documents name: ortho.tif, samples.shp, truth.tif, …"""
    import geopandas as gpd

    folder = tmp_path_factory.mktemp("sandbox")
    assert main(["scene", str(folder / "scene"), "--height", "192", "--width", "192"]) == 0
    (folder / "scene" / "image.tif").rename(folder / "ortho.tif")
    (folder / "scene" / "truth.tif").rename(folder / "truth.tif")
    assert main(["draw", str(folder / "truth.tif"), "--per-class", "12", "--out", str(folder / "drawn.gpkg")]) == 0
    clicks = gpd.read_file(folder / "drawn.gpkg", layer="points")
    clicks["landcover"] = clicks["class_name"]
    clicks[["landcover", "geometry"]].to_file(folder / "samples.shp")
    clicks[["landcover", "geometry"]].to_file(folder / "samples.gpkg")
    (folder / "configs").symlink_to(ROOT / "configs")
    return folder


@pytest.mark.slow
def test_commands_of_some_pages_run(sandbox, monkeypatch, capsys):
    monkeypatch.chdir(sandbox)
    done = set()
    for name, line in (found for wanted in RUN for found in FENCED if found[0] == wanted):
        if ELSEWHERE.search(line):
            continue
        _, command, *arguments = shlex.split(line)
        arguments += CHEAP.get(command, [])
        known = flags_of(command)
        if known is None or "--overwrite" in known:
            arguments += ["--overwrite", "true"] if known is None else ["--overwrite"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a training of two steps
            status = main([command, *arguments])
        assert status == 0, f"{name}: {line}: {capsys.readouterr().err}"
        done.add((name, command))
    assert {command for _, command in done} >= {
        "run",
        "check",
        "mask",
        "train",
        "predict",
        "assess",
        "polygons",
        "verify",
    }
    assert {name for name, _ in done} == set(RUN)


@pytest.mark.slow
def test_python_of_the_readme_runs(sandbox, monkeypatch):
    monkeypatch.chdir(sandbox)
    for name in ("points.gpkg", "check.json"):
        (sandbox / name).unlink(missing_ok=True)
    for block in blocks(ROOT / "README.md", ("python",)):
        code = block.replace('Path("masks")', 'Path("masks_of_python")')
        exec(compile(code, "README.md", "exec"), {})
