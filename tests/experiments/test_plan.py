"""Every ready-made experiment is read and planned; what a cell depends on is in its name, and nothing else is."""

from pathlib import Path

import pytest
import yaml

from geopointseg.errors import GeoPointSegError
from geopointseg.labels.pseudomask import Spreading
from pipelines.experiments.plan import baseline_of, cells, read_experiment, shard_of
from pipelines.experiments.setup import METHODS, read_setup, show

CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "experiments").glob("*.yaml"))
CELLS = {  # of one seed
    "algorithm": 6,
    "backbone": 5,
    "bands": 4,
    "class_weights": 5,
    "loss": 7,
    "noise": 18,
    "peers": 9,
    "points": 20,
    "points_per_class": 10,
    "season": 12,
    "share": 20,
    "strategy": 12,
    "superpixels": 6,
}


@pytest.fixture
def written(tmp_path):
    """Write an experiment with these keys beside data and grid."""

    def write(**keys):
        path = tmp_path / "tried.yaml"
        path.write_text(yaml.safe_dump({"data": "synthetic", "grid": {"clicks.count": [10, 20]}, **keys}))
        return path

    return write


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_an_experiment_is_planned_as_its_yaml_says(path):
    planned = read_experiment(path)
    assert len(planned.levels) == CELLS[path.stem]
    made = cells(planned)
    assert len(made) == 3 * CELLS[path.stem]
    assert len({cell.name for cell in made}) == len(made)
    assert planned.about
    references = [baseline_of(planned, level) for level in planned.levels]
    methods = {level.setup.method for level in planned.levels}
    own = 1 if path.stem == "peers" else 2 * len(methods) if path.stem == "season" else len(methods)
    assert references.count(None) == own  # every other level has something to be compared with


def test_all_experiments_are_here():
    assert [path.stem for path in CONFIGS] == sorted(CELLS)


def test_the_number_of_superpixels_becomes_their_size():
    setup = read_setup({"spreading.spread": "majority", "spreading.method": "slic", "spreading.superpixels": 100})
    assert setup.spreading == Spreading("majority", method="slic", size=2621)


def test_a_cells_name_changes_with_all_that_its_result_depends_on(written):
    first = {cell.name for cell in cells(read_experiment(written()))}
    assert first == {cell.name for cell in cells(read_experiment(written(about="other words", seeds=[2, 1, 0])))}
    for change in ({"steps": 2}, {"chip": 32}, {"every": 2}, {"data": "dubai"}, {"base": {"clicks.noise": 0.1}}):
        assert first.isdisjoint(cell.name for cell in cells(read_experiment(written(**change))))


def test_steps_do_not_matter_to_forests(written):
    base = {"method": "pixel-forest"}
    first, second = (cells(read_experiment(written(base=base), steps=steps)) for steps in (2, 3))
    assert [cell.name for cell in first] == [cell.name for cell in second]


def test_what_is_given_replaces_what_the_yaml_says(written):
    planned = read_experiment(written(steps=9, seeds=[0]), data="dubai", every=3, steps=5, chip=64, seeds=[4, 5])
    assert (planned.data, planned.effort.every, planned.effort.steps, planned.effort.chip) == ("dubai", 3, 5, 64)
    assert planned.seeds == (4, 5)


def test_several_grids_follow_each_other_and_a_setup_comes_once(written):
    grid = [{"clicks.noise": [0, 0.1]}, {"clicks.jitter": [0, 2]}]
    planned = read_experiment(written(grid=grid, baseline={"clicks.noise": 0, "clicks.jitter": 0}))
    assert [level.label for level in planned.levels] == ["noise 0", "noise 0.1", "jitter 2"]
    assert [baseline_of(planned, level) for level in planned.levels] == [None, planned.levels[0], planned.levels[0]]


def test_shards_part_the_cells(written):
    made = cells(read_experiment(written()))
    parts = [shard_of(made, f"{i}/4") for i in (1, 2, 3, 4)]
    assert sorted(cell.name for one in parts for cell in one) == sorted(cell.name for cell in made)
    assert shard_of(made, None) == made


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/0"])
def test_a_shard_that_is_none_is_refused(written, shard):
    with pytest.raises(GeoPointSegError, match="expected a shard"):
        shard_of(cells(read_experiment(written())), shard)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"grid": {}}, "keys with lists"),
        ({"grid": {"clicks.count": 10}}, "keys with lists"),
        ({"grid": {"clicks.count": [0]}}, "whole number from 1"),
        ({"grid": {"clicks.number": [1]}}, "clicks.number"),
        ({"grid": {"method": ["magic"]}}, "method among"),
        ({"grid": {"clicks.strategy": ["magic"]}}, "clicks.strategy among"),
        ({"grid": {"clicks.noise": ["much"]}}, "expected a number as clicks.noise"),
        ({"grid": {"images.train": [202309]}}, "expected text as images.train"),
        ({"grid": {"spreading.superpixels": [True]}}, "whole number"),
        ({"grid": {"colour": ["red"]}}, "got colour"),
        ({"setting": "elsewhere"}, "setting among"),
        ({"seeds": []}, "different seeds"),
        ({"seeds": [1, 1]}, "different seeds"),
        ({"steps": 0}, "from 1 on"),
        ({"axis": "clicks.strategy"}, "expected a number as clicks.strategy"),
        ({"colour": "red"}, "some of about"),
    ],
)
def test_a_yaml_that_is_none_is_refused(written, keys, message):
    with pytest.raises(GeoPointSegError, match=message):
        read_experiment(written(**keys))


def test_a_file_that_is_no_yaml_is_refused(tmp_path):
    with pytest.raises(GeoPointSegError, match=r"none\.yaml"):
        read_experiment(tmp_path / "none.yaml")
    (tmp_path / "list.yaml").write_text("[1, 2]")
    with pytest.raises(GeoPointSegError, match="got list"):
        read_experiment(tmp_path / "list.yaml")


def test_values_are_shown_without_quotes():
    values = [True, None, "", 0.5, 3, "a", [1, 2], (), {"cross-entropy": 1, "dice": 0.5}]
    assert [*map(show, values)] == ["yes", "none", "all", "0.5", "3", "a", "1 2", "all", "cross-entropy + 0.5 dice"]
    assert show({"squared-error": {"softmax": True}}) == "squared-error (softmax yes)"
    assert set(METHODS) >= {"network", "nearest"}
