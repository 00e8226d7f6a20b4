"""The AWS Region of the environment, and the message if there is none."""

import os

from botocore.exceptions import NoRegionError


def region_of_environment() -> str | None:
    """Return AWS_REGION, which other AWS tools read, if boto3's own variable is not set."""
    return None if os.environ.get("AWS_DEFAULT_REGION") else os.environ.get("AWS_REGION")


def in_words(error: Exception) -> str:
    """Return an error for people: a missing Region with the names of the variables, any other by its text."""
    if isinstance(error, NoRegionError):
        return "no AWS Region is known: set AWS_DEFAULT_REGION or AWS_REGION"
    return str(error)
