"""Types of the options of training jobs, each with the service's rule for its values.

Limits are those of CreateTrainingJob in the service's API reference and in botocore's model of it.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from battery_lab.common.validated_options import Rule

AUTO, LOCAL = "auto", ("local", "local_gpu")
DAY_S = 86_400
MAX_RUN_S = 28 * DAY_S
MAX_WARM_POOL_S = 21_600
MAX_RETRIES = 30
MAX_GROUPS, MAX_SUBNETS, MAX_SECURITY_GROUPS = 5, 16, 5
# The service takes 50 tags and 100 variables; the rest is for those of the lab.
MAX_TAGS, MAX_VARIABLES = 50 - 12, 100 - 8
MAX_VARIABLE_LENGTH = 512
MAX_EXPERIMENT_LENGTH = 59  # the SDK puts it into the names of runs
TAG_CHARACTERS = r"[\w\s.:/=+\-@]"
BUCKET = r"[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]"
TYPE = r"ml\.[a-z0-9\-]+\.[a-z0-9]+"
KEY = r"[A-Za-z0-9!_.*'()\-]+"


def _as_text(value: object) -> object:
    """Return a number that YAML read as the text that it was."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Text = Annotated[str, BeforeValidator(_as_text)]
Role = Annotated[
    str,
    Field(pattern=r"^arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+$"),
    Rule("the ARN of the role that jobs run as, arn:aws:iam::<12 digits>:role/<name> (docs/sagemaker.md)"),
]
Image = Annotated[
    str,
    Field(pattern=r"^\S+$", max_length=255),
    Rule("the address of the image that launchers/container builds and pushes, at most 255 characters"),
]
Region = Annotated[
    str,
    Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$"),
    Rule("a region such as eu-west-1, here or in AWS_REGION, AWS_DEFAULT_REGION or the profile"),
]
Bucket = Annotated[
    str,
    Field(pattern=f"^{BUCKET}$"),
    Rule("the S3 bucket for source, data and results, 3 to 63 small letters, digits, dots and hyphens without s3://"),
]
Prefix = Annotated[
    Text,
    Field(pattern=f"^{KEY}(/{KEY})*$", max_length=199),
    Rule("parts of keys with / between them and none at an end, at most 199 characters"),
]
CheckpointUri = Annotated[
    str, Field(pattern=rf"^({AUTO}|s3://{BUCKET}(/\S*)?)$"), Rule(f"{AUTO}, s3://<bucket>/<prefix>")
]
InstanceType = Annotated[
    str, Field(pattern=f"^({TYPE}|local|local_gpu)$"), Rule("a type such as ml.c5.xlarge, local, local_gpu")
]
GroupName = Annotated[
    str,
    Field(pattern=r"^[a-zA-Z0-9]([_-]*[a-zA-Z0-9])*$", max_length=64),
    Rule("up to 64 letters and digits, with _ and - between them"),
]
Subnet = Annotated[str, Field(pattern=r"^subnet-[0-9a-zA-Z\-]+$", max_length=32)]
SecurityGroup = Annotated[str, Field(pattern=r"^sg-[0-9a-zA-Z\-]+$", max_length=32)]
KmsKey = Annotated[str, Field(pattern=r"^[a-zA-Z0-9:/_-]{1,2048}$"), Rule("the id, alias or ARN of a key")]
Experiment = Annotated[
    Text,
    Field(pattern=r"^[a-z0-9](-*[a-z0-9])*$", max_length=MAX_EXPERIMENT_LENGTH),
    Rule(f"up to {MAX_EXPERIMENT_LENGTH} small letters and digits, with hyphens between them"),
]
TagName = Annotated[
    str,
    Field(pattern=f"^{TAG_CHARACTERS}+$", max_length=128),
    Rule("1 to 128 letters, digits, spaces and _.:/=+-@"),
]
TagValue = Annotated[
    Text,
    Field(pattern=f"^{TAG_CHARACTERS}*$", max_length=256),
    Rule("up to 256 letters, digits, spaces and _.:/=+-@"),
]
