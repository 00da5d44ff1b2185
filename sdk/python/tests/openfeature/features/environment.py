"""What behave does around the scenarios."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from scenario import Scenario, World


def before_all(context: Any) -> None:
    context.folder = tempfile.TemporaryDirectory()
    context.world = World(Path(context.folder.name))


def before_scenario(context: Any, _: object) -> None:
    context.strata = Scenario(context.world)


def after_scenario(context: Any, _: object) -> None:
    context.strata.close()


def after_all(context: Any) -> None:
    context.world.close()
    context.folder.cleanup()
