"""What a client follows, and how it is told."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path

from strata._accesskey import (
    ACCESS_KEY_VARIABLE,
    SECRET_KEY_VARIABLE,
    Key,
    Signer,
    parse_key,
)
from strata._transport import check_url

URL_VARIABLE = "STRATA_URL"
ENVIRONMENT_VARIABLE = "STRATA_ENVIRONMENT"
CACHE_DIR_VARIABLE = "STRATA_CACHE_DIR"

_DEFAULT_AUDIENCE = "data-plane"
# Limits of the contract.
_MAX_NAME_BYTES = 256
_MAX_ENVIRONMENT_BYTES = 63
_MAX_SERVICES = 1000


@dataclass(frozen=True)
class Settings:
    """The settings of a client, complete and checked."""

    url: str
    environment: str
    """Empty is the one that the data plane serves."""
    services: tuple[str, ...]
    """Sorted, each once; all if empty."""
    cache_dir: Path | None
    instance: str
    key: Key | None
    audience: str
    log: logging.Logger = field(repr=False)

    def signer(self) -> Signer | None:
        """Returns what signs calls, nothing if there is no key."""
        return None if self.key is None else Signer(self.key, self.audience)

    def of_child(self) -> Settings:
        """Returns the settings of a process that was forked: it is another instance."""
        return replace(self, instance=_instance(self.instance))


def resolve(
    *,
    url: str,
    access_key: str,
    secret_key: str,
    environment: str,
    services: Iterable[str],
    cache_dir: str | os.PathLike[str],
    instance: str,
    audience: str,
    log: logging.Logger | None,
) -> Settings:
    """Completes settings from the process's environment.

    It raises ValueError for what can not be right, and TypeError for what is of
    another type.
    """
    for value in (url, access_key, secret_key, environment, instance, audience):
        if not isinstance(value, str):
            raise TypeError(f"a setting is of the type {type(value).__name__}: want str")
    url = (url or os.environ.get(URL_VARIABLE, "")).strip()
    access_key = access_key or os.environ.get(ACCESS_KEY_VARIABLE, "")
    secret_key = secret_key or os.environ.get(SECRET_KEY_VARIABLE, "")
    environment = environment or os.environ.get(ENVIRONMENT_VARIABLE, "")
    cache_dir = cache_dir or os.environ.get(CACHE_DIR_VARIABLE, "")
    if isinstance(services, str):
        raise TypeError("the services are one string: want a list of them")
    named = tuple(sorted(set(services)))
    if not all(isinstance(service, str) for service in named):
        raise TypeError("a service is no string")
    if not url:
        raise ValueError(
            f"the URL ({URL_VARIABLE}) is empty: want one such as http://localhost:8080"
        )
    check_url(url)
    if len(environment.encode()) > _MAX_ENVIRONMENT_BYTES:
        raise ValueError(
            f"the environment ({ENVIRONMENT_VARIABLE}) has more than {_MAX_ENVIRONMENT_BYTES} bytes"
        )
    if cache_dir and not environment:
        raise ValueError(
            f"the environment ({ENVIRONMENT_VARIABLE}) is empty: what is kept in the cache folder "
            f"({CACHE_DIR_VARIABLE}) has to be of a certain one"
        )
    if len(named) > _MAX_SERVICES:
        raise ValueError(f"{len(named)} services: want at most {_MAX_SERVICES}")
    for service in named:
        if not 1 <= len(service.encode()) <= _MAX_NAME_BYTES:
            raise ValueError(f"the service {service!r}: want 1 to {_MAX_NAME_BYTES} bytes")
    if len(instance.encode()) > _MAX_NAME_BYTES:
        raise ValueError(f"the instance is longer than {_MAX_NAME_BYTES} bytes")
    key = parse_key(access_key, secret_key) if access_key or secret_key else None
    settings = Settings(
        url=url,
        environment=environment,
        services=named,
        cache_dir=Path(cache_dir) if cache_dir else None,
        instance=instance or _instance(socket.gethostname() or "host"),
        key=key,
        audience=audience or _DEFAULT_AUDIENCE,
        log=log or logging.getLogger("strata"),
    )
    settings.signer()  # checks the audience
    return settings


def _instance(name: str) -> str:
    """Returns a name that no other process has."""
    return name.encode()[:200].decode(errors="ignore") + "-" + secrets.token_hex(4)


def software() -> str:
    """Returns the SDK and its version, as servers are told."""
    try:
        return "strata-python/" + metadata.version("strata-sdk")
    except metadata.PackageNotFoundError:
        return "strata-python/unknown"
