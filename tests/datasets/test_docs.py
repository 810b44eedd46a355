"""The page on data sets says what the program says."""

from pathlib import Path

from geopointseg.cli import COMMANDS
from geopointseg.datasets.table import ADAPTERS, table

PAGE = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text(encoding="utf-8")


def test_the_table_is_that_of_the_command():
    begin, end = PAGE.index("| name |"), PAGE.index("\n<!-- end of table -->")
    assert PAGE[begin:end] == table().markdown()


def test_every_split_is_named():
    for name, module in ADAPTERS.items():
        if name != "lssqps":  # it has a chapter of its own
            choices = PAGE[PAGE.index("| data set | `--split`") :].split("\n\n")[0]
            (row,) = [line for line in choices.splitlines() if line.startswith(f"| {name} |")]
            named = {word.partition(" ")[0] for word in row.split("|")[2].strip().split(", ")}
            assert named == set(module.DATASET.splits)


def test_the_commands_exist():
    lines = [line.split() for line in PAGE.splitlines() if line.startswith("geopointseg ")]
    assert len(lines) > 6
    assert {words[1] for words in lines} <= COMMANDS.keys()
