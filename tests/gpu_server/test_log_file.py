"""The log file: the backend's very one, whose tests are the backend's."""

from pathlib import Path

import backend.log_file
import gpu_server.log_file


def test_it_is_the_backend_s() -> None:
    ours, theirs = gpu_server.log_file.__file__, backend.log_file.__file__
    assert Path(ours).read_text() == Path(theirs).read_text()
