/** Whether a layer matches. */
import type { Look } from "./inputs.js";
import type { Layer, Linked } from "./resources.js";
import { run } from "./rule.js";
import { Outcome } from "./types.js";

/**
 * What came of a layer. It is used again for the next one, so that an evaluation makes
 * nothing for each.
 */
export interface Decision {
  /** RULE_FALSE stands for RULE_UNKNOWN too, as an evaluation need not know. */
  outcome: Outcome;
  /** -1 where there is no key. */
  slot: number;
  /** What was found for the slot. */
  found: Linked | undefined;
}

/**
 * Finds out whether a layer matches for a service. It is the one place where that is
 * decided, for evaluations and explanations alike.
 */
export function decide(decision: Decision, layer: Layer, service: string, look: Look): void {
  decision.slot = -1;
  decision.found = undefined;
  if (!layer.enabled) {
    decision.outcome = Outcome.DISABLED;
    return;
  }
  const key = look.key(layer.hashKey);
  if (!key) {
    decision.outcome = Outcome.NO_KEY;
    return;
  }
  const slot = layer.salt.slot(key);
  const found = layer.at(slot);
  decision.slot = slot;
  decision.found = found;
  if (!found) decision.outcome = Outcome.FREE_SLOT;
  else if (found.service !== service) decision.outcome = Outcome.OTHER_SERVICE;
  else decision.outcome = run(found.program, look) ? Outcome.MATCHED : Outcome.RULE_FALSE;
}
