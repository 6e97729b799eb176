"""The exceptions of the original, by its names. What trainconf refuses is raised as the one that the original would raise."""

from __future__ import annotations

from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class AzureMLException(Exception):
    """Base of all: has `message` and `inner_exception`."""

    def __init__(self, exception_message: str = "", inner_exception: Any = None, **kwargs: Any) -> None:
        super().__init__(exception_message)
        self.message = exception_message
        self.inner_exception = inner_exception


class UserErrorException(AzureMLException):
    """A mistake of the caller's."""


class WrongTypeException(UserErrorException, TypeError):
    """An argument of another type than the call takes."""


class ExistsException(UserErrorException, FileExistsError):
    """What would be written is there already."""


class NotFoundException(UserErrorException, FileNotFoundError):
    """There is no such file."""


class NotHereError(UserErrorException, NotImplementedError):
    """The script asks for what has no meaning in trainconf."""


class ServiceException(AzureMLException):
    """The service answered with an error. There is no service here; scripts catch it."""

    status_code = 0


class ActivityFailedException(AzureMLException):
    """A run that was waited for has failed. `error_details` is the error as the run has it."""

    def __init__(self, error_details: Any = "", inner_exception: Any = None, **kwargs: Any) -> None:
        super().__init__("the run failed: %s" % (error_details,), inner_exception)  # noqa: UP031 (any object)
        self.error_details = error_details


class ComputeTargetException(AzureMLException):
    """There is no compute target of that name, or it cannot do what is asked."""


class ExperimentExecutionException(AzureMLException):
    """A run could not be started, or waiting for it was interrupted."""


class ExperimentNotFoundException(AzureMLException):
    """There is no experiment of that name."""


class HyperDriveConfigException(UserErrorException):
    """A sweep is described wrongly."""


class HyperDriveNotImplementedException(AzureMLException):
    """A sweep cannot do what is asked."""


class HyperDriveRehydrationException(AzureMLException):
    """A sweep cannot be read again."""


class HyperDriveScenarioNotSupportedException(AzureMLException):
    """A sweep cannot be carried out so."""


class ModelNotFoundException(AzureMLException):
    """There is no model of that name or version."""


class ModelPathNotFoundException(AzureMLException):
    """There is no file or folder of a model."""


class ProjectSystemException(UserErrorException):
    """There is no workspace, or it cannot be used."""


class RunConfigurationException(UserErrorException):
    """A run is described wrongly."""


class RunEnvironmentException(AzureMLException):
    """There is no run around this process."""


class SnapshotException(AzureMLException):
    """The source directory cannot be recorded."""


class TrainingException(AzureMLException):
    """A training run cannot be made as it is described."""


class DatasetValidationError(UserErrorException):
    """A dataset has no files, or other ones than it says."""


class DatasetExecutionError(AzureMLException):
    """A dataset cannot be read."""


class DatasetTimestampMissingError(UserErrorException):
    """A dataset was asked for a time and has no column of timestamps."""


class WorkspaceException(UserErrorException):
    """There is no workspace of that name."""


class AuthenticationException(AzureMLException):
    """Nothing is logged in to here; scripts catch it."""


class WebserviceException(AzureMLException):
    """A web service cannot be used. There are none here; scripts catch it."""


class NoServiceError(NotHereError, WebserviceException):
    """The script asks for a web service."""


class ImageException(AzureMLException):
    """An image of a web service cannot be used. There are none here; scripts catch it."""


class UserProfileException(AzureMLException):
    """Nothing is logged in to here; scripts catch it."""


class DiscoveryUrlNotFoundException(AzureMLException):
    """There is no service here; scripts catch it."""


class LockException(AzureMLException):
    """Something is locked; scripts catch it."""


@contextmanager
def told_as(kind: type[AzureMLException]) -> Iterator[None]:
    """A mistake that trainconf tells becomes an exception of the original's, with the same words."""
    try:
        yield
    except AzureMLException:
        raise
    except Exception as error:
        if hasattr(error, "mistakes"):  # a TrainconfError, whose module a job's Python need not have
            raise kind(str(error), error) from None
        raise


for _kind in [_value for _value in globals().values() if isinstance(_value, type) and issubclass(_value, AzureMLException)]:
    _kind.__module__ = "azureml.exceptions"  # as a traceback shows it
