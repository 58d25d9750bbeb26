"""A server that the tests of a module share."""

from __future__ import annotations

import pytest

from tests.serving.exported_policies import exported
from tests.serving.served_policy import served


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A trained policy and a client of its server."""
    trained, artifact = exported(tmp_path_factory.mktemp("served"))
    with served(artifact) as client:
        yield trained, client
