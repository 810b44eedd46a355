"""Tiny copies of the data sets, each made once."""

import make
import pytest


@pytest.fixture(scope="session")
def copy_of(tmp_path_factory):
    """A factory: `copy_of("potsdam")` gives the folder of the tiny copy and the class ids in it. Nobody writes into it."""
    made = {}

    def get(name):
        if name not in made:
            root = tmp_path_factory.mktemp(name)
            made[name] = root, make.MAKERS[name](root)
        return made[name]

    return get
