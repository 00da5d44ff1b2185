/** XXH64 as WebAssembly, which has to be loaded first. */
import xxhash, { type XXHashAPI } from "xxhash-wasm";

let ready: XXHashAPI | undefined;
let loading: Promise<void> | undefined;

/** Loads the module. Where that fails, as some sites forbid it, wasm stays undefined. */
export function loadWasm(): Promise<void> {
  loading ??= load();
  return loading;
}

async function load(): Promise<void> {
  try {
    ready = await xxhash();
  } catch {
    // The pure implementation goes on.
  }
}

/** Returns the module, undefined until it is loaded; the first call has it loaded. */
export function wasm(): XXHashAPI | undefined {
  if (loading === undefined) void loadWasm();
  return ready;
}
