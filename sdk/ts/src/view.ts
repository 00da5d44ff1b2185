/**
 * An environment's configuration as it travels from servers to SDKs, with its
 * hash, and what is made of it. It is for Node alone, as it hashes with node:crypto.
 */
export { type Difference, type Key, sameBytes } from "./hashtree.js";
export { compileView, type ViewFault, ViewFaults } from "./view/compile.js";
export { decodePart, maxPartBytes } from "./view/frame.js";
export { OlderError, Stage } from "./view/stage.js";
export {
  comparePositions,
  Entity,
  experimentKey,
  fieldKey,
  layerKey,
  type Position,
  positionText,
  View,
  zeroPosition,
} from "./view/view.js";
