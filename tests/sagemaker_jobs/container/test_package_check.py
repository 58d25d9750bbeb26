"""Package check: an image with other packages than the launcher's is an error."""

from __future__ import annotations

import json
import re
from importlib import metadata

import pytest
from sagemaker_jobs.container.package_check import check_packages

from battery_lab.common.errors import DataError


@pytest.mark.parametrize(
    ("packages", "differences"),
    [
        (["numpy {numpy}"], None),
        # A build for another device has the same version.
        (["numpy {numpy}+cu128"], None),
        (
            ["numpy 0.1", "nothing-of-the-kind 1.0"],
            "numpy {numpy} instead of 0.1, nothing-of-the-kind none instead of 1.0",
        ),
    ],
)
def test_an_image_with_other_packages_is_an_error(tmp_path, packages, differences):
    numpy = metadata.version("numpy")
    (tmp_path / "packages").write_text(json.dumps([package.format(numpy=numpy) for package in packages]))
    if differences is None:
        check_packages(tmp_path)
        return
    with pytest.raises(DataError, match=re.escape(differences.format(numpy=numpy))):
        check_packages(tmp_path)
