"""The files that say what to install agree with each other, and name nothing that only one machine has."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PYPROJECT = ROOT / "pyproject.toml"
PROJECT = tomllib.loads(PYPROJECT.read_text())["project"]
RUNTIME = [Requirement(text) for text in PROJECT["dependencies"]]
EXTRAS = {name: [Requirement(text) for text in texts] for name, texts in PROJECT["optional-dependencies"].items()}
NAME_ON_INDEX = {  # conda's name -> pip's
    "pytorch": "torch",
    "docstring_parser": "docstring-parser",
    "huggingface_hub": "huggingface-hub",
}


def conda_packages() -> dict[str, Requirement]:
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    requirements = [Requirement(text) for text in listed if isinstance(text, str) and not text.startswith("python=")]
    return {NAME_ON_INDEX.get(each.name, each.name): each for each in requirements if each.name != "pip"}


def pins() -> list[Requirement]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def test_conda_and_pip_install_the_same_packages():
    assert {name: each.specifier for name, each in conda_packages().items()} == {
        each.name: each.specifier for each in RUNTIME
    }


def test_conda_takes_a_python_that_the_package_accepts():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (python,) = [text.removeprefix("python=") for text in listed if str(text).startswith("python=")]
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(python)
    assert {"pip": ["-e ."]} in listed


@pytest.mark.parametrize(
    "bounded",
    [each for group in (RUNTIME, *EXTRAS.values()) for each in group if each.specifier and not each.marker],
    ids=str,
)
def test_a_bound_has_its_reason_beside_it(bounded):
    (line,) = [line for line in PYPROJECT.read_text().splitlines() if re.search(rf'"{bounded.name}[\[<>=!~]', line)]
    assert re.search(r'", +# \w+', line), f"why this bound? {line.strip()}"


@pytest.mark.parametrize("python", ["3.11", "3.12"])
def test_every_tested_version_is_one_the_package_accepts(python):
    tested = [pin for pin in pins() if not pin.marker or pin.marker.evaluate({"python_version": python})]
    version = {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in tested}
    assert len(version) == len(tested), "two pins for one package"
    for wanted in RUNTIME + EXTRAS["test"] + EXTRAS["lint"]:
        assert wanted.specifier.contains(version[canonicalize_name(wanted.name)]), f"{wanted} on Python {python}"


def test_constraints_are_exact_versions():
    assert [str(pin) for pin in pins() if not re.fullmatch(r"==[\w.+]+", str(pin.specifier)) or pin.url] == []


def tracked_files() -> list[Path]:
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        listed = ""
    if not listed:
        pytest.skip("not a git checkout, or one with nothing in it yet")
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_file_names_a_package_registry_or_a_path_of_one_machine():
    # Where packages come from, and where files lie, is the user's to set; a written-down host or path fails elsewhere.
    # The patterns are written so that they do not match themselves.
    host = r"\b(?:pypi\.org|pythonhosted\.org|anaconda\.(?:org|com)|download\.pytorch\.org|npmjs\.(?:org|com)|docker\.io|ghcr\.io)\b"
    path = r"(?<![\w.~}/*-])/(?:work|tmp|root|home|Users)/[\w.]"
    found = []
    for file in tracked_files():
        content = file.read_bytes()
        if b"\0" in content:  # an image or a raster
            continue
        for number, line in enumerate(content.decode(errors="replace").splitlines(), start=1):
            if match := re.search(f"{host}|{path}", line):
                found.append(f"{file.relative_to(ROOT)}:{number}: {match[0]}")
    assert found == []
