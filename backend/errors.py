"""Everything that can go wrong in the backend.

    BackendError                     500 internal_error
    ├── InvalidInput                 422 invalid_input
    │   ├── UnknownMode              422 unknown_mode
    │   ├── UnknownStyle             422 unknown_style
    │   ├── UrlRefused               422 url_refused
    │   ├── WebhooksNotConfigured    422 webhooks_not_configured
    │   └── KeyReused                422 idempotency_key_reused
    ├── Unauthenticated              401 unauthenticated
    │   ├── ApiKeyMissing            401 api_key_missing
    │   └── ApiKeyInvalid            401 api_key_invalid
    ├── ScopeMissing                 403 scope_missing
    ├── OriginRefused                403 origin_refused
    ├── RateLimited                  429 rate_limited              retryable
    │   ├── ConcurrentLimit          429 concurrent_limit          retryable
    │   └── DailyLimit               429 daily_limit               retryable
    ├── TaskNotFound                 404 task_not_found
    ├── DeliveryNotFound             404 delivery_not_found
    ├── KeyNotFound                  404 key_not_found
    ├── OutputNotFound               404 output_not_found
    ├── RangeNotSatisfiable          416 range_not_satisfiable
    ├── ModeNotFound                 404 mode_not_found
    ├── ModelNotFound                404 model_not_found
    ├── EngineIsStub                 501 engine_is_stub
    ├── GenerationFailed             502 the task's own code
    ├── ServiceStopping              503 service_stopping          retryable
    ├── TaskAlreadyDone              409 task_already_done
    ├── CatalogueIncomplete          503 catalogue_incomplete      retryable
    ├── QueueFull                    503 queue_full                retryable
    ├── StorageFull                  507 storage_full              retryable
    ├── StorageUnavailable           503 storage_unavailable       retryable
    ├── DataFolderInUse              (at start only)
    ├── DatabaseUnusable             (at start only)
    ├── KeysUnusable                 503 keys_unusable             retryable
    ├── OutputsUnusable              (at start only)
    ├── StylesInvalid                (at start only)
    ├── TLSUnusable                  (at start only)
    └── GPUServiceError              502 gpu_service_error         retryable
        ├── GPUServiceUnreachable    502 gpu_service_unreachable   retryable, never arrived
        ├── GPUServiceLetGo          502 gpu_service_let_go        retryable, it goes on
        ├── GPUServiceTimeout        504 gpu_service_timeout
        └── GPUServiceRefused        502 its own code and `retryable`

Each class has one HTTP status and one stable code; its message says what to do.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class BackendError(Exception):
    """The root: never raised itself."""

    status: ClassVar[int] = 500
    code: str = "internal_error"
    retryable: bool = False

    def __init__(self, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.message = message
        self.extra: Mapping[str, Any] = {k: v for k, v in extra.items() if v is not None}


class InvalidInput(BackendError):
    """The request matches the schema, and cannot be met; `parameter` names the field."""

    status = 422
    code = "invalid_input"


class UnknownMode(InvalidInput):
    """No workflow stands behind this mode; `available` lists the modes that are."""

    code = "unknown_mode"


class UnknownStyle(InvalidInput):
    """Not in the styles file; `available` lists those that are."""

    code = "unknown_style"


class UrlRefused(InvalidInput):
    """An address that is not to be called for anybody: inside, or no URL at all."""

    code = "url_refused"


class WebhooksNotConfigured(InvalidInput):
    """There is no secret that webhooks could be signed with."""

    code = "webhooks_not_configured"


class KeyReused(InvalidInput):
    """The idempotency key came before, with another request."""

    code = "idempotency_key_reused"


class Unauthenticated(BackendError):
    """Nobody knows whose request it is."""

    status = 401
    code = "unauthenticated"


class ApiKeyMissing(Unauthenticated):
    """Keys are on, and the request has none."""

    code = "api_key_missing"


class ApiKeyInvalid(Unauthenticated):
    """The key is unknown, has expired or was revoked: which of these is nobody's business."""

    code = "api_key_invalid"


class ScopeMissing(BackendError):
    """The key is not for this; `scope` is what it lacks."""

    status = 403
    code = "scope_missing"


class OriginRefused(BackendError):
    """A page of another site opens a WebSocket, which browsers let anyone do."""

    status = 403
    code = "origin_refused"


class RateLimited(BackendError):
    """Too many requests; `retry_after` is in seconds."""

    status = 429
    code = "rate_limited"
    retryable = True


class ConcurrentLimit(RateLimited):
    """As many of the key's tasks wait and run as may."""

    code = "concurrent_limit"


class DailyLimit(RateLimited):
    """The key has sent as many tasks today as it may."""

    code = "daily_limit"


class TaskNotFound(BackendError):
    """No task has this id."""

    status = 404
    code = "task_not_found"


class DeliveryNotFound(BackendError):
    """No delivery to a webhook has this id."""

    status = 404
    code = "delivery_not_found"


class KeyNotFound(BackendError):
    """No API key has this id."""

    status = 404
    code = "key_not_found"


class OutputNotFound(BackendError):
    """The task has no output of this number, or its file is gone."""

    status = 404
    code = "output_not_found"


class RangeNotSatisfiable(BackendError):
    """Nothing of the `Range` that is asked for is in the file."""

    status = 416
    code = "range_not_satisfiable"

    def __init__(self, size: int) -> None:
        super().__init__(f"The file has {size} bytes, and none of those that are asked for.")
        self.size = size


class ModeNotFound(BackendError):
    """`available` lists the modes that there are."""

    status = 404
    code = "mode_not_found"


class ModelNotFound(BackendError):
    """A mode that there is not, to an OpenAI client."""

    status = 404
    code = "model_not_found"


class EngineIsStub(BackendError):
    """A placeholder must not pass for an image."""

    status = 501
    code = "engine_is_stub"


class GenerationFailed(BackendError):
    """The task that somebody waited for has failed, or was cancelled."""

    status = 502

    def __init__(self, message: str, code: str, **extra: Any) -> None:
        super().__init__(message, **extra)
        self.code = code


class ServiceStopping(BackendError):
    """The backend stops while somebody waits for a task, which goes on."""

    status = 503
    code = "service_stopping"
    retryable = True


class TaskAlreadyDone(BackendError):
    """It is done: there is nothing to try again."""

    status = 409
    code = "task_already_done"


class CatalogueIncomplete(BackendError):
    """No GPU service that has answered can run it; one has not answered yet."""

    status = 503
    code = "catalogue_incomplete"
    retryable = True


class QueueFull(BackendError):
    """As many tasks wait as may."""

    status = 503
    code = "queue_full"
    retryable = True


class StorageFull(BackendError):
    """The disk has no room for another task."""

    status = 507
    code = "storage_full"
    retryable = True


class StorageUnavailable(BackendError):
    """The database cannot be written or read right now."""

    status = 503
    code = "storage_unavailable"
    retryable = True


class DataFolderInUse(BackendError):
    """Another backend has the data folder."""

    code = "data_folder_in_use"


class DatabaseUnusable(BackendError):
    """The task database is damaged, or a newer version of this program made it."""

    code = "database_unusable"


class KeysUnusable(BackendError):
    """The file of the keys cannot be read: nobody is let in."""

    status = 503
    code = "keys_unusable"
    retryable = True


class OutputsUnusable(BackendError):
    """OUTPUTS_URL, what it needs, or the AWS_… variables are not what they should be."""

    code = "outputs_unusable"


class TLSUnusable(BackendError):
    """The files of TLS_CERT_FILE, TLS_KEY_FILE or GPU_SERVICE_CA_FILE cannot be used."""

    code = "tls_unusable"


class StylesInvalid(BackendError):
    """The styles file is not what it should be."""

    code = "styles_invalid"


class GPUServiceError(BackendError):
    """The GPU service answered what nobody can use, or broke off."""

    status = 502
    code = "gpu_service_error"
    retryable = True


class GPUServiceUnreachable(GPUServiceError):
    """No connection: the request never arrived, so nothing has been spent."""

    code = "gpu_service_unreachable"


class GPUServiceLetGo(GPUServiceError):
    """It stops, as it was told to, and leaves the job to ComfyUI: nothing has been spent."""

    code = "gpu_service_let_go"


class GPUServiceTimeout(GPUServiceError):
    """No answer within REQUEST_TIMEOUT."""

    status = 504
    code = "gpu_service_timeout"
    retryable = False


class GPUServiceRefused(GPUServiceError):
    """The GPU service said no, and why."""

    def __init__(self, message: str, code: str, retryable: bool, **extra: Any) -> None:
        super().__init__(message, **extra)
        self.code = code
        self.retryable = retryable
