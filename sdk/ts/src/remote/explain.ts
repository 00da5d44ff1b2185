import { type Explanation, type LayerExplanation, Outcome } from "../engine/types.js";
import { parsePath } from "../engine/path.js";
import type { Answer } from "./answer.js";

/**
 * Explains an answer, as far as devices are told: the layers that matched, and which of
 * them has set what. Of priorities, ranges, rules and what was hidden they are told nothing.
 */
export function explanationOf(answer: Answer): Explanation {
  const layers = answer.matches.map(({ layerId, hashKey, eid, vid, exposure: { key, slot } }): LayerExplanation => {
    const detail = `matched variant ${vid} of experiment ${eid}`;
    const untold = { priority: 0, start: 0, end: 0, rule: undefined };
    return { layerId, outcome: Outcome.MATCHED, detail, hashKey, key, slot, eid, vid, ...untold };
  });
  const parameters = answer.leaves().flatMap(({ path, text, winner }) => {
    const match = answer.matches[winner];
    return match ? [{ path: pointerOf(path), winner: { ...idsOf(match), value: text }, hidden: [] }] : [];
  });
  return { result: answer, layers, parameters, truncated: false };
}

function idsOf({ layerId, eid, vid }: Answer["matches"][number]) {
  return { layerId, eid, vid };
}

function pointerOf(path: string): string {
  return parsePath(path)
    .map((key) => `/${key.replace(/~/g, "~0").replace(/\//g, "~1")}`)
    .join("");
}
