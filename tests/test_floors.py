"""The house stands: floors import only downwards, and the lower ones need neither torch nor TorchGeo."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Every module below its users; those of one floor do not know each other, except within one folder.
FLOORS = (
    ("geopointseg.errors",),
    (
        "geopointseg.colors",
        "geopointseg.options",
        "geopointseg.remote",
        "geopointseg.run",
        "geopointseg.symbols",
        "geopointseg.words",
    ),
    (
        "geopointseg.grid",
        "geopointseg.classes",
        "geopointseg.files",
        "geopointseg.confusion",
        "geopointseg.contingency",
        "geopointseg.synthetic",
    ),
    (
        "geopointseg.raster",
        "geopointseg.qgis",
        "geopointseg.forms",
        "geopointseg.legend",
        "geopointseg.stac",
        "geopointseg.figures",
    ),
    ("geopointseg.statistics",),
    ("geopointseg.labels", "geopointseg.scene", "geopointseg.datasets"),
    ("geopointseg.learning",),
    ("geopointseg.maps",),
    ("geopointseg.clustering",),
    ("pipelines", "geopointseg.cli"),
    ("geopointseg.__main__",),
)
FLOOR_OF = {name: level for level, names in enumerate(FLOORS) for name in names}
LIGHT = [name for names in FLOORS[:6] for name in names]
HEAVY = {"torch", "torchgeo", "lightning", "torchvision"}


def modules() -> dict[str, Path]:
    paths = [path for folder in ("geopointseg", "pipelines") for path in sorted((ROOT / folder).rglob("*.py"))]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: import by full name"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


def part(module: str) -> str | None:
    """The longest entry of FLOORS that the module is, or lies in."""
    names = [name for name in FLOOR_OF if module == name or module.startswith(f"{name}.")]
    return max(names, key=len, default=None)


@pytest.mark.parametrize("module", [m for m in modules() if m != "geopointseg"])
def test_a_module_has_a_floor_and_imports_only_from_below(module):
    here = part(module)
    assert here is not None, f"{module} stands on no floor: add it to FLOORS"
    above = {
        name
        for name in imported(modules()[module])
        if (there := part(name)) is not None and there != here and FLOOR_OF[there] >= FLOOR_OF[here]
    }
    assert above == set()


@pytest.mark.parametrize("module", [m for m in modules() if part(m) in LIGHT])
def test_the_lower_floors_name_no_torch(module):
    assert {name.split(".")[0] for name in imported(modules()[module])} & HEAVY == set()


def loaded_by(code: str) -> set[str]:
    """Top-level packages in a fresh interpreter after `code`."""
    script = f"import sys\n{code}\nprint('\\nLOADED', *{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("LOADED ")[2].split())


def test_a_fresh_interpreter_shows_what_was_loaded():
    assert "sqlite3" in loaded_by("import sqlite3")  # else the two tests below could not fail


def test_importing_the_lower_floors_loads_no_torch():
    light = [m for m in modules() if part(m) in LIGHT]
    assert "geopointseg.labels.pseudomask" in light
    assert loaded_by("\n".join(f"import {module}" for module in light)) & HEAVY == set()


@pytest.mark.parametrize(
    "command", [["--help"], ["mask", "--help"], ["check", "--help"], ["draw", "--help"], ["merge", "--help"]]
)
def test_help_loads_no_torch(command):
    run = f"try: status = main({command})\nexcept SystemExit as end: status = end.code\nassert not status, status"
    assert loaded_by(f"from geopointseg.cli import main\n{run}") & HEAVY == set()
