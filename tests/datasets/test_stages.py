"""A stage is made once, again when something changed, and never half."""

import json

import pytest

from geopointseg.errors import GeoPointSegError
from pipelines import stages
from pipelines.stages import NOTE, stage


@pytest.fixture
def job(tmp_path):
    """A stage that copies its input, and how often it did."""
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.txt").write_text("a")
    calls = []

    def run(options=None, make=None, **more):
        def copy(folder):
            calls.append(folder)
            (folder / "sub").mkdir()
            (folder / "sub" / "b.txt").write_text((source / "a.txt").read_text())

        return stage(tmp_path / "out", "copy", make or copy, inputs=[source], options=options or {"n": 1}, **more)

    return tmp_path, run, calls


def test_a_current_output_is_not_made_again(job):
    folder, run, calls = job
    assert run() == (folder / "out" / "copy", True)
    assert run() == (folder / "out" / "copy", False)
    assert len(calls) == 1
    assert sorted(p.name for p in (folder / "out").iterdir()) == ["copy"]


@pytest.mark.parametrize(
    "change",
    [
        lambda f: (f / "in" / "a.txt").write_text("b"),
        lambda f: (f / "in" / "new.txt").write_text("b"),
        lambda f: (f / "out" / "copy" / "sub" / "b.txt").write_text("tampered"),
        lambda f: (f / "out" / "copy" / "sub" / "b.txt").unlink(),
        lambda f: (f / "out" / "copy" / NOTE).write_text("{"),
    ],
)
def test_what_has_changed_is_made_again(job, change):
    folder, run, calls = job
    run()
    change(folder)
    if (folder / "out" / "copy" / NOTE).read_text() == "{":  # nobody knows what lies there: it may be a user's
        with pytest.raises(GeoPointSegError, match=r"without stage.json: move it elsewhere"):
            run()
        return
    assert run()[1]
    assert len(calls) == 2
    assert (folder / "out" / "copy" / "sub" / "b.txt").read_text() == (folder / "in" / "a.txt").read_text()


def test_other_options_make_it_again(job):
    _, run, calls = job
    run({"n": 1})
    run({"n": 2})
    assert len(calls) == 2


def test_large_files_are_known_by_size_and_time(job, monkeypatch):
    folder, run, _ = job
    monkeypatch.setattr(stages, "LARGE", 0)
    run()
    assert not run()[1]
    (folder / "in" / "a.txt").write_text("ab")
    assert run()[1]


def test_a_kill_leaves_the_old_output_whole(job):
    folder, run, _ = job
    run()

    def killed(to):
        (to / "half.txt").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run({"n": 2}, killed)
    kept = folder / "out" / "copy"
    assert sorted(p.name for p in kept.iterdir()) == [NOTE, "sub"]
    assert json.loads((kept / NOTE).read_text())["options"] == {"n": 1}
    assert run({"n": 2})[1]
    assert not (kept / "half.txt").exists()


@pytest.mark.parametrize(("options", "goes_on"), [({"n": 1}, True), ({"n": 2}, False)])
def test_a_stage_that_can_goes_on_with_what_the_same_plan_left(job, options, goes_on):
    _, run, _ = job
    seen = []

    def killed(to):
        (to / "half.txt").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run({"n": 1}, killed, resume=True)
    run(options, lambda to: seen.append((to / "half.txt").exists()), resume=True)
    assert seen == [goes_on]


def test_a_kill_between_two_renamings_loses_nothing(job):
    folder, run, calls = job
    run()
    (folder / "out" / "copy").rename(folder / "out" / ".copy.old")
    assert not run()[1]
    assert len(calls) == 1


def test_a_folder_of_somebody_else_is_kept(job):
    folder, run, _ = job
    (folder / "out" / "copy").mkdir(parents=True)
    (folder / "out" / "copy" / "mine.txt").write_text("mine")
    with pytest.raises(GeoPointSegError, match=r"expected a folder that this job has made"):
        run()
    assert (folder / "out" / "copy" / "mine.txt").exists()
