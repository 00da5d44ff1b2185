/** From key to slot: XXH64(salt || 0x00 || key, seed 0) mod 10,000. */
import { wellFormed } from "./text.js";
import { wasm } from "./wasm.js";
import { hashSlot, wordsOf } from "./xxh64.js";

/** How many slots a layer has; a slot is 0.01 % of its traffic. */
export const slots = 10_000;

const encoder = new TextEncoder();

/** How long a key may be, in bytes, that is hashed without being joined to a salt. */
const shortKey = 128;

/** A key text, cut into words at each of the places where salts end in a word. */
export class Key {
  text = "";
  /** In bytes, more than shortKey for a long one. */
  bytes = 0;
  private readonly utf8 = new Uint8Array(shortKey);
  private readonly aligned: readonly Int32Array[] = Array.from({ length: 4 }, () => new Int32Array(shortKey / 4 + 1));
  /** A bit for each of aligned that is made. */
  private cut = 0;

  set(text: string): void {
    this.text = text;
    this.cut = 0;
    this.bytes = this.encode(text);
  }

  private encode(text: string): number {
    if (text.length > shortKey) return shortKey + 1;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit >= 0x80) {
        const { read, written } = encoder.encodeInto(text, this.utf8);
        return read === text.length ? written : shortKey + 1;
      }
      this.utf8[i] = unit;
    }
    return text.length;
  }

  /** Returns the words of 0 to 3 zero bytes followed by the key. */
  words(offset: number): Int32Array {
    const words = this.aligned[offset] ?? new Int32Array();
    if ((this.cut & (1 << offset)) === 0) {
      this.cut |= 1 << offset;
      let word = 0;
      let at = offset;
      for (let i = 0; i < this.bytes; i++, at++) {
        word |= (this.utf8[i] ?? 0) << (8 * (at & 3));
        if ((at & 3) === 3) {
          words[at >> 2] = word;
          word = 0;
        }
      }
      words[at >> 2] = word;
    }
    return words;
  }
}

/** Where a salt and a short key are joined. */
const joined = new Int32Array(256);
/** How many words of a salt fit in before a short key. */
const mostSaltWords = joined.length - shortKey / 4 - 1;

/** A layer's salt. */
export class Salt {
  readonly text: string;
  /** Its bytes and the zero byte, as words; the last one is not full. */
  private readonly words: Int32Array;
  private readonly bytes: number;

  constructor(text: string) {
    this.text = text;
    const utf8 = encoder.encode(text + "\0");
    this.bytes = utf8.length;
    this.words = new Int32Array((utf8.length >> 2) + 1);
    this.words.set(wordsOf(utf8));
  }

  /** Returns the slot of a key, 0 to 9,999. */
  slot(key: Key): number {
    const { words, bytes } = this;
    const last = bytes >> 2;
    if (key.bytes > shortKey || last > mostSaltWords) return longSlot(`${this.text}\0${key.text}`);
    const cut = key.words(bytes & 3);
    for (let i = 0; i <= last; i++) joined[i] = words[i] ?? 0;
    const all = bytes + key.bytes;
    joined[last] = (words[last] ?? 0) | (cut[0] ?? 0);
    for (let i = last + 1, from = 1; i < (all + 3) >> 2; i++, from++) joined[i] = cut[from] ?? 0;
    return hashSlot(joined, all);
  }
}

/**
 * Returns the slot of a salt and a long key. WebAssembly takes such keys once it is
 * loaded. For short ones it is slower: to get them there and the hash back, which is a
 * BigInt, takes longer than to hash them.
 */
function longSlot(text: string): number {
  try {
    const hash = wasm()?.h64(text);
    if (hash !== undefined) return Number(hash % 10_000n);
  } catch {
    // Its memory has an end.
  }
  const utf8 = encoder.encode(text);
  return hashSlot(wordsOf(utf8), utf8.length);
}

/**
 * Returns the slot that a key falls into under a salt, 0 to 9,999. Half a surrogate
 * pair is hashed as U+FFFD.
 */
export function slot(salt: string, key: string): number {
  let known = salts.get(salt);
  if (!known) {
    if (salts.size >= mostSalts) salts.clear();
    salts.set(salt, (known = new Salt(salt)));
  }
  askedFor.set(key);
  return known.slot(askedFor);
}

const askedFor = new Key();
/** Those asked for lately: layers are few, and are asked for again and again. */
const salts = new Map<string, Salt>();
const mostSalts = 1024;

/**
 * Returns the text that is hashed for a context value, undefined where it can not be
 * hashed: then the layer is skipped. Strings other than the empty one are hashed as
 * they are, and numbers without fraction of at most 2^53 - 1, either way, as decimal
 * digits.
 */
export function keyText(value: unknown): string | undefined {
  if (typeof value === "string") return value === "" ? undefined : wellFormed(value);
  return Number.isSafeInteger(value) ? String(value) : undefined;
}
