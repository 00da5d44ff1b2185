"""The provider of Strata for OpenFeature: code that reads flags through its API gets the
parameters of Strata. It needs the extra "openfeature".

    from openfeature import api
    from strata.openfeature import StrataProvider

    api.set_provider_and_wait(StrataProvider(client, targeting_key="user_id"))
    version = api.get_client().get_string_value("ranker_svc.model.version", "v1")

The key of a flag is "service.path", such as "ranker_svc.model.version": the service is
the longest one known that the key begins with, and what follows its dot is a path as in
Evaluation. All five types are read; an object is all that is set below the path, merged.

Who is evaluated: the evaluation context is the context of Strata, name by name, with the
targeting key in the attribute "targetingKey". Layers hash the attribute that they name,
and nothing stands in for it: layers may hash different things, such as a user and a
session, and OpenFeature has one targeting key. Where that is what layers hash, name the
attribute, as above; then it is the attribute user_id as well, unless the context has one.

What is answered: the reasons are SPLIT, TARGETING_MATCH and DEFAULT, as in Parameter;
STALE in place of the first two while the client is stale; and ERROR, with
PROVIDER_NOT_READY, FLAG_NOT_FOUND or TYPE_MISMATCH. The variant is the vid. The metadata
are "version" (the revision), "flagSetId" (the service) and, if anybody has set the value,
"layer", "experiment" (the eid) and "slot".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode, ProviderFatalError, ProviderNotReadyError
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType, Reason
from openfeature.provider import AbstractProvider, Metadata, ProviderStatus
from openfeature.track import TrackingEventDetails

from strata._async import AsyncClient
from strata._client import Client
from strata._evaluation import Parameter
from strata._event import Event
from strata._openfeature_events import CLOSED, Events

__all__ = ["StrataProvider"]

Object = Sequence[FlagValueType] | Mapping[str, FlagValueType]

_NAME = "strata"
_TARGETING_KEY = "targetingKey"

T = TypeVar("T")


class StrataProvider(AbstractProvider):
    """Reads flags of a client. It is safe for concurrent use.

    The client stays the caller's: shutting down the provider does not close it, so close
    it after that. Between initialize and shutdown the provider tells what becomes of it:
    READY once it has a configuration and whenever it hears its server again, STALE when
    it does not, ERROR when initialize fails and, fatal, when the client is closed, and
    CONFIGURATION_CHANGED with the keys of the flags.

    Nothing waits but initialize, so the ways to read that are awaited are the others.

    Args:
        client: whose parameters are read.
        targeting_key: an attribute that layers hash and that the targeting key stands
            for, where a context has no such attribute. Empty is none.
        init_timeout: how long initialize waits for a configuration, in seconds.
    """

    def __init__(
        self, client: Client | AsyncClient, *, targeting_key: str = "", init_timeout: float = 30.0
    ) -> None:
        super().__init__()
        self._client = client._client if isinstance(client, AsyncClient) else client
        self._hash_key = targeting_key
        self._init_timeout = init_timeout
        self._events = Events(self._client, self.emit)

    def get_metadata(self) -> Metadata:
        """Returns the provider's name, "strata"."""
        return Metadata(_NAME)

    def initialize(self, evaluation_context: EvaluationContext) -> None:
        """Waits for a configuration, from a server or from the disk.

        It raises ProviderNotReadyError if there is none in time; the provider is ready
        as soon as there is one all the same. A client that is closed is fatal, and
        raises ProviderFatalError.
        """
        self._events.start()
        missing: Exception | None = None
        try:
            self._client.ready(self._init_timeout)
        except (TimeoutError, RuntimeError) as error:
            missing = error
        if self._client.status().state == "CLOSED":
            self._events.initialized(ProviderStatus.FATAL)
            raise ProviderFatalError(CLOSED)
        if missing is not None:
            self._events.initialized(ProviderStatus.ERROR)
            raise ProviderNotReadyError(str(missing))
        self._events.initialized(ProviderStatus.READY)

    def shutdown(self) -> None:
        """Ends the events. It may be called again, and so may initialize. The client goes
        on."""
        self._events.end()

    def resolve_boolean_details(
        self,
        flag_key: str,
        default_value: bool,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[bool]:
        """Reads a bool."""
        return self._resolve(flag_key, default_value, evaluation_context, _as_bool)

    def resolve_string_details(
        self,
        flag_key: str,
        default_value: str,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[str]:
        """Reads a string."""
        return self._resolve(flag_key, default_value, evaluation_context, _as_string)

    def resolve_integer_details(
        self,
        flag_key: str,
        default_value: int,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[int]:
        """Reads a number that is whole and at most 2^53 - 1, either way."""
        return self._resolve(flag_key, default_value, evaluation_context, _as_integer)

    def resolve_float_details(
        self,
        flag_key: str,
        default_value: float,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[float]:
        """Reads a number as a float."""
        return self._resolve(flag_key, default_value, evaluation_context, _as_float)

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Object,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Object]:
        """Reads an object, as a dict, or a list. The caller owns what is returned."""
        return self._resolve(flag_key, default_value, evaluation_context, _as_object)

    def track(
        self,
        tracking_event_name: str,
        evaluation_context: EvaluationContext | None = None,
        tracking_event_details: TrackingEventDetails | None = None,
    ) -> None:
        """Records an event as Client.record does. The details' attributes are its
        properties."""
        details = tracking_event_details or TrackingEventDetails()
        self._client.record(
            Event(
                tracking_event_name,
                self._context(evaluation_context),
                value=details.value,
                properties=details.attributes,
            )
        )

    def _resolve(
        self,
        flag: str,
        default: T,
        user: EvaluationContext | None,
        take: Callable[[Any], T | None],
    ) -> FlagResolutionDetails[T]:
        """Reads a flag as what take makes of its value, None if it is of another type."""
        state = self._client.status().state
        service, path, found = self._find(flag)
        if not found:
            return _missing(flag, default, state == "NOT_READY")
        parameter = self._client.evaluate(service, self._context(user)).lookup(path)
        if parameter.error:  # it went after it was found
            return _missing(flag, default, parameter.error == "NOT_READY")
        return _details(service, flag, default, parameter, take, stale=state == "STALE")

    def _find(self, flag: str) -> tuple[str, str, bool]:
        """Returns the service and the path of a flag, and False if nothing that is known
        sets it."""
        if self._client.knows(flag, ""):
            return flag, "", True
        end = flag.rfind(".")
        while end >= 0:
            service, path = flag[:end], flag[end + 1 :]
            if self._client.knows(service, ""):
                return service, path, path != "" and self._client.knows(service, path)
            end = flag.rfind(".", 0, end)
        return "", "", False

    def _context(self, user: EvaluationContext | None) -> dict[str, object]:
        """Returns the context of Strata for one of OpenFeature."""
        if user is None:
            return {}
        context: dict[str, object] = dict(user.attributes)
        if user.targeting_key:
            context[_TARGETING_KEY] = user.targeting_key
        if self._hash_key and _TARGETING_KEY in context:
            context.setdefault(self._hash_key, context[_TARGETING_KEY])
        return context


def _details(
    service: str,
    flag: str,
    default: T,
    parameter: Parameter,
    take: Callable[[Any], T | None],
    *,
    stale: bool,
) -> FlagResolutionDetails[T]:
    metadata: dict[str, bool | int | float | str] = {
        "version": str(parameter.revision),
        "flagSetId": service,
    }
    if parameter.reason == "DEFAULT":
        return FlagResolutionDetails(default, reason=Reason.DEFAULT, flag_metadata=metadata)
    value = take(parameter.value)
    if value is None:
        return _failed(default, ErrorCode.TYPE_MISMATCH, f"{flag} is of another type")
    metadata["layer"] = parameter.layer_id
    metadata["experiment"] = parameter.eid
    metadata["slot"] = parameter.slot
    return FlagResolutionDetails(
        value,
        reason=Reason.STALE if stale else Reason(parameter.reason),
        variant=str(parameter.vid),
        flag_metadata=metadata,
    )


def _missing(flag: str, default: T, not_ready: bool) -> FlagResolutionDetails[T]:
    if not_ready:
        return _failed(default, ErrorCode.PROVIDER_NOT_READY, "there is no configuration yet")
    return _failed(default, ErrorCode.FLAG_NOT_FOUND, f"no service that is known sets {flag}")


def _failed(default: T, code: ErrorCode, message: str) -> FlagResolutionDetails[T]:
    return FlagResolutionDetails(
        default, error_code=code, error_message=message, reason=Reason.ERROR
    )


def _as_bool(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _as_string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _as_integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _as_float(value: Any) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number else None


def _as_object(value: Any) -> dict[str, Any] | list[Any] | None:
    return value if isinstance(value, dict | list) else None
