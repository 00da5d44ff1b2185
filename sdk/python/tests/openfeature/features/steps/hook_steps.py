"""The steps of scenarios about hooks."""

from __future__ import annotations

from typing import Any

from behave import given, then, use_step_matcher
from scenario import REASONS, SERVICE, VARIANTS, parse, want

use_step_matcher("re")


@given("a client with added hook")
def client_hook(context: Any) -> None:
    context.strata.client_hook()


@given("evaluation options containing specific hooks")
def option_hooks(context: Any) -> None:
    context.strata.option_hooks()


@then("the specified hooks should execute during evaluation")
def executed(context: Any) -> None:
    for name in ("first", "second"):
        assert f"before {name}" in context.strata.calls, context.strata.calls
        assert f"finally {name}" in context.strata.calls, context.strata.calls


@then("the hook order should be maintained")
def order(context: Any) -> None:
    calls = ("before first", "before second", "after second", "after first",
             "finally second", "finally first")  # fmt: skip
    want("order", context.strata.calls, calls)


@then('the "([^"]*)" hook should have been executed')
def called(context: Any, stage: str) -> None:
    assert f"{stage} client" in context.strata.calls, context.strata.calls


@then('the "([^"]*)" hooks should be called with evaluation details')
def details(context: Any, stages: str) -> None:
    for stage in stages.split(", "):
        seen = context.strata.hooks[0].details[stage]
        for row in context.table:
            name = row["key"]
            want(
                f"{stage}'s {name}",
                getattr(seen, name),
                _translate(name, parse(row["data_type"], row["value"])),
            )


def _translate(name: str, expected: Any) -> Any:
    match name:
        case "flag_key":
            return f"{SERVICE}.{expected}"
        case "variant" | "error_code" if expected == "null":
            return None
        case "variant":
            return VARIANTS.get(expected, expected)
        case "reason":
            return REASONS.get(expected, expected)
    return expected
