"""The steps of scenarios about flags."""

from __future__ import annotations

import copy
from typing import Any

from behave import given, then, use_step_matcher, when
from scenario import REASONS, SERVICE, VARIANTS, parse, want

use_step_matcher("re")


@given("an? (stable|not ready|error|fatal|stale) provider")
def provider(context: Any, status: str) -> None:
    context.strata.provide(status)


@given(r'an? (\w+)-flag with key "([^"]*)" and a fallback value "(.*)"')
def flag(context: Any, kind: str, key: str, fallback: str) -> None:
    context.strata.flag(kind, key, fallback)


@given('a context containing a key "([^"]*)", with type "([^"]*)" and with value "([^"]*)"')
def attribute(context: Any, name: str, kind: str, text: str) -> None:
    context.strata.attributes[name] = parse(kind, text)


@given('a context containing a key "([^"]*)" with null value')
def null_attribute(context: Any, name: str) -> None:
    context.strata.attributes[name] = None


@given("an evaluation context with modifiable data")
def modifiable(context: Any) -> None:
    context.strata.attributes = {"email": "ballmer@macrosoft.com", "list": ["a"], "user_id": "me"}
    context.given = copy.deepcopy(context.strata.attributes)


@when("the flag was evaluated with details(?: using the evaluation options)?")
def evaluate(context: Any) -> None:
    context.strata.evaluate()


@when("the flag was evaluated with details asynchronously")
def evaluate_async(context: Any) -> None:
    context.strata.evaluate_async()


@then("the evaluation should complete without blocking")
def completed(context: Any) -> None:
    # It would have failed when it was evaluated.
    want("flag", context.strata.details.flag_key, f"{SERVICE}.{context.strata.key}")


@then('the resolved details value should be "(.*)"')
def value(context: Any, text: str) -> None:
    want("value", context.strata.details.value, parse(context.strata.kind, text))


@then('the flag key should be "([^"]*)"')
def flag_key(context: Any, key: str) -> None:
    want("flag", context.strata.details.flag_key, f"{SERVICE}.{key}")


@then('the variant should be "([^"]*)"')
def variant(context: Any, name: str) -> None:
    want("variant", context.strata.details.variant, VARIANTS.get(name, name))


@then('the reason should be "([^"]*)"')
def reason(context: Any, name: str) -> None:
    want("reason", context.strata.details.reason, REASONS.get(name, name))


@then('the error-code should be "([^"]*)"')
def error_code(context: Any, code: str) -> None:
    want("code", context.strata.details.error_code, code)


@then('the provider status should be "([^"]*)"')
def provider_status(context: Any, status: str) -> None:
    want("status", context.strata.client.get_provider_status().value, status)


@then("the original evaluation context should remain unmodified")
def unmodified(context: Any) -> None:
    want("context", context.strata.attributes, context.given)


@then("the evaluation details should be immutable")
def immutable(context: Any) -> None:
    """Changes the details, which are the caller's, and evaluates again."""
    before = dict(context.strata.details.flag_metadata)
    context.strata.details.flag_metadata["version"] = "changed"
    context.strata.evaluate()
    want("metadata", context.strata.details.flag_metadata, before)
