"""The contract's tests stand on the GPU service's."""

from tests.gpu_server.conftest import fake, logging_as_it_was, no_settings_of_this_machine

__all__ = ["fake", "logging_as_it_was", "no_settings_of_this_machine"]
