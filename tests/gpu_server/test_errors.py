"""The tree of errors: one status and one code each, as its page says."""

import re

import pytest

from gpu_server import errors
from gpu_server.errors import GPUServiceError

CLASSES = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, GPUServiceError)
]


@pytest.mark.parametrize("error", CLASSES)
def test_page_shows_the_class_as_it_is(error: type[GPUServiceError]) -> None:
    retryable = r" +retryable" if error.retryable else r"(?! +retryable)"
    line = rf"\b{error.__name__} +{error.status} {error.code}\b{retryable}"
    assert re.search(line, errors.__doc__ or "")


def test_no_two_classes_have_the_same_code() -> None:
    codes = [error.code for error in CLASSES if error is not GPUServiceError]
    assert len(set(codes)) == len(codes)


def test_message_is_what_the_error_says() -> None:
    assert str(errors.WorkflowNotFound("There is none.")) == "There is none."
