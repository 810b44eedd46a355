"""The commands of "A map without labels" work as written."""

import shlex
from pathlib import Path

import pytest

from geopointseg.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "without-labels.md"


@pytest.mark.slow
def test_the_commands_of_the_page_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    block = PAGE.read_text(encoding="utf-8").split("```sh\n")[1].split("```")[0]
    commands = [shlex.split(line) for line in block.splitlines()]
    assert len(commands) > 3
    for name, *words in commands:
        assert name == "geopointseg"
        assert main(words) == 0, words
    assert {"clusters.tif", "clusters_colors.png", "named_classes.tif", "named_names.json"} <= {
        path.name for path in tmp_path.iterdir()
    }
