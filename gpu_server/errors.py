"""Everything that can go wrong in the GPU service.

    GPUServiceError                  500 internal_error
    ├── InternalError                500 internal_error
    ├── SignatureMissing             401 signature_missing      retryable
    ├── SignatureInvalid             401 signature_invalid      retryable
    ├── SignatureExpired             401 signature_expired      retryable
    ├── InvalidWorkflowName          422 invalid_workflow_name
    ├── InvalidParameter             422 invalid_parameter
    ├── WorkflowNotFound             404 workflow_not_found     (a FileNotFoundError)
    ├── WorkflowInvalid              409 workflow_invalid
    ├── JobNotFound                  404 job_not_found
    ├── JobConflict                  409 job_conflict
    ├── OutputNotFound               404 output_not_found
    ├── NoFreeSlot                   429 no_free_slot           retryable
    ├── ServiceStopping              503 service_stopping       retryable
    ├── TLSUnusable                  500 tls_unusable           (at start only)
    └── ComfyUIError                 502 comfyui_error
        ├── ComfyUIUnavailable       503 comfyui_unavailable    retryable
        ├── ComfyUIRejected          422 comfyui_rejected
        ├── ComfyUIExecutionFailed   502 comfyui_execution_failed
        ├── ComfyUILostJob           502 comfyui_lost_job       retryable
        ├── ComfyUIOutputBroken      502 comfyui_output_broken  retryable
        └── ComfyUITimeout           504 comfyui_timeout

Each class has one HTTP status and one stable code; its message says what to do.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class GPUServiceError(Exception):
    """The root: never raised itself."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.message = message
        self.extra: Mapping[str, Any] = {k: v for k, v in extra.items() if v is not None}

    def __str__(self) -> str:
        return self.message

    def document(self) -> dict[str, Any]:
        """The error as a problem (RFC 9457)."""
        return {
            "type": "about:blank",
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "detail": self.message,
            "code": self.code,
            "retryable": self.retryable,
            **self.extra,
        }


class SignatureMissing(GPUServiceError):
    """The request is not signed. Retryable: whoever runs both services can set it right."""

    status = 401
    code = "signature_missing"
    retryable = True


class SignatureInvalid(GPUServiceError):
    """It is signed with another secret, or was changed on its way."""

    status = 401
    code = "signature_invalid"
    retryable = True


class SignatureExpired(GPUServiceError):
    """It was signed too long ago, or by a clock that is ahead."""

    status = 401
    code = "signature_expired"
    retryable = True


class InternalError(GPUServiceError):
    """A bug of ours, as it is told to a client; the log has the trace."""


class InvalidWorkflowName(GPUServiceError):
    """The name is not one that a file in the workflows folder can have."""

    status = 422
    code = "invalid_workflow_name"


class InvalidParameter(GPUServiceError):
    """A value that the workflow cannot take; `parameter` names it."""

    status = 422
    code = "invalid_parameter"


class WorkflowNotFound(GPUServiceError, FileNotFoundError):
    """No such file in the workflows folder; `available` lists those that are."""

    status = 404
    code = "workflow_not_found"


class WorkflowInvalid(GPUServiceError):
    """The file is there, and is not a graph in ComfyUI's API format."""

    status = 409
    code = "workflow_invalid"


class JobNotFound(GPUServiceError):
    """No job of this id is known here: it never was, or has been forgotten."""

    status = 404
    code = "job_not_found"


class JobConflict(GPUServiceError):
    """The same id was used for another request."""

    status = 409
    code = "job_conflict"


class OutputNotFound(GPUServiceError):
    """The job has no output of this number."""

    status = 404
    code = "output_not_found"


class NoFreeSlot(GPUServiceError):
    """As many jobs run as may run at once."""

    status = 429
    code = "no_free_slot"
    retryable = True


class ServiceStopping(GPUServiceError):
    """The process is about to end; nothing of the request has been kept."""

    status = 503
    code = "service_stopping"
    retryable = True


class TLSUnusable(GPUServiceError):
    """The files of TLS_CERT_FILE and TLS_KEY_FILE cannot be used."""

    code = "tls_unusable"


class ComfyUIError(GPUServiceError):
    """ComfyUI answered what nobody can use."""

    status = 502
    code = "comfyui_error"


class ComfyUIUnavailable(ComfyUIError):
    """ComfyUI does not answer."""

    status = 503
    code = "comfyui_unavailable"
    retryable = True


class ComfyUIRejected(ComfyUIError):
    """ComfyUI refused the graph before it ran."""

    status = 422
    code = "comfyui_rejected"


class ComfyUIExecutionFailed(ComfyUIError):
    """A node failed while the graph ran, or somebody interrupted it."""

    code = "comfyui_execution_failed"


class ComfyUILostJob(ComfyUIError):
    """ComfyUI had accepted the job and knows nothing of it any more: it restarted."""

    code = "comfyui_lost_job"
    retryable = True


class ComfyUIOutputBroken(ComfyUIError):
    """A file that the job made is cut short, or gone."""

    code = "comfyui_output_broken"
    retryable = True


class ComfyUITimeout(ComfyUIError):
    """The job did not end within JOB_TIMEOUT; it was cancelled."""

    status = 504
    code = "comfyui_timeout"
