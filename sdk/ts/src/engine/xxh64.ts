/**
 * XXH64 with seed 0, in numbers of 32 bits: JavaScript has 64 only as BigInt, each
 * of which is an object.
 */

// The primes of XXH64, from its specification, in high and low halves.
const p1h = 0x9e3779b1 | 0;
const p1l = 0x85ebca87 | 0;
const p2h = 0xc2b2ae3d | 0;
const p2l = 0x27d4eb4f;
const p3h = 0x165667b1;
const p3l = 0x9e3779f9 | 0;
const p4h = 0x85ebca77 | 0;
const p4l = 0xc2b2ae63 | 0;
const p5h = 0x27d4eb2f;
const p5l = 0x165667c5;

/** Returns the high half of a product of 64 bits. Its low half is Math.imul of the low halves. */
function times(ah: number, al: number, bh: number, bl: number): number {
  const a0 = al & 0xffff;
  const a1 = al >>> 16;
  const b0 = bl & 0xffff;
  const b1 = bl >>> 16;
  const one = (Math.imul(a1, b0) + (Math.imul(a0, b0) >>> 16)) | 0;
  const two = (Math.imul(a0, b1) + (one & 0xffff)) | 0;
  const high = (Math.imul(a1, b1) + (one >>> 16) + (two >>> 16)) | 0;
  return (high + Math.imul(al, bh) + Math.imul(ah, bl)) | 0;
}

/** Returns what the low half of a sum carries over into its high half, given one of what was added. */
function carry(sum: number, added: number): number {
  return sum >>> 0 < added >>> 0 ? 1 : 0;
}

/** The hash that was made last: its high and its low half. */
const last = new Int32Array(2);

/** The four lanes of a text of 32 bytes or more, in halves. */
const lanes = new Int32Array(8);
const firstLanes = Int32Array.of(p1h + p2h + carry((p1l + p2l) | 0, p1l), p1l + p2l, p2h, p2l, 0, 0, ~p1h, -p1l);
const laneRotations = Int32Array.of(1, 7, 12, 18);

/** Adds a word to a lane. */
function round(lane: number, wh: number, wl: number): void {
  const al = lanes[lane + 1] ?? 0;
  const tl = Math.imul(wl, p2l);
  const l = (al + tl) | 0;
  const h = ((lanes[lane] ?? 0) + times(wh, wl, p2h, p2l) + carry(l, al)) | 0;
  const rh = (h << 31) | (l >>> 1);
  const rl = (l << 31) | (h >>> 1);
  lanes[lane] = times(rh, rl, p1h, p1l);
  lanes[lane + 1] = Math.imul(rl, p1l);
}

/** Leaves in last what the whole stripes of 32 bytes come to. */
function hashStripes(words: Int32Array, bytes: number): void {
  lanes.set(firstLanes);
  for (let at = 0, end = (bytes >>> 5) << 3; at < end; at += 8) {
    round(0, words[at + 1] ?? 0, words[at] ?? 0);
    round(2, words[at + 3] ?? 0, words[at + 2] ?? 0);
    round(4, words[at + 5] ?? 0, words[at + 4] ?? 0);
    round(6, words[at + 7] ?? 0, words[at + 6] ?? 0);
  }
  let h = 0;
  let l = 0;
  for (let i = 0; i < 4; i++) {
    const by = laneRotations[i] ?? 0;
    const vh = lanes[2 * i] ?? 0;
    const vl = lanes[2 * i + 1] ?? 0;
    const rl = (vl << by) | (vh >>> (32 - by));
    l = (l + rl) | 0;
    h = (h + ((vh << by) | (vl >>> (32 - by))) + carry(l, rl)) | 0;
  }
  for (let lane = 0; lane < 8; lane += 2) {
    const vh = lanes[lane] ?? 0;
    const vl = lanes[lane + 1] ?? 0;
    lanes[lane] = 0;
    lanes[lane + 1] = 0;
    round(lane, vh, vl);
    h ^= lanes[lane] ?? 0;
    l ^= lanes[lane + 1] ?? 0;
    const tl = Math.imul(l, p1l);
    h = times(h, l, p1h, p1l);
    l = (tl + p4l) | 0;
    h = (h + p4h + carry(l, tl)) | 0;
  }
  last[0] = h;
  last[1] = l;
}

/**
 * Leaves in last the hash of the first bytes of some words, each of which has four bytes,
 * the lowest first. What is in the last word after the last byte makes no difference.
 */
function hash(words: Int32Array, bytes: number): void {
  let at = 0;
  let left = bytes;
  let h = p5h;
  let l = p5l;
  if (bytes >= 32) {
    hashStripes(words, bytes);
    h = last[0] ?? 0;
    l = last[1] ?? 0;
    left = bytes & 31;
    at = (bytes - left) >> 2;
  }
  const sum = (l + bytes) | 0;
  h = (h + carry(sum, l)) | 0;
  l = sum;
  for (; left >= 8; left -= 8, at += 2) {
    const wl = words[at] ?? 0;
    const kh = times(words[at + 1] ?? 0, wl, p2h, p2l);
    const kl = Math.imul(wl, p2l);
    const sh = (kh << 31) | (kl >>> 1);
    const sl = (kl << 31) | (kh >>> 1);
    h ^= times(sh, sl, p1h, p1l);
    l ^= Math.imul(sl, p1l);
    const rh = (h << 27) | (l >>> 5);
    const rl = (l << 27) | (h >>> 5);
    const tl = Math.imul(rl, p1l);
    l = (tl + p4l) | 0;
    h = (times(rh, rl, p1h, p1l) + p4h + carry(l, tl)) | 0;
  }
  if (left >= 4) {
    const wl = words[at++] ?? 0;
    h ^= times(0, wl, p1h, p1l);
    l ^= Math.imul(wl, p1l);
    const rh = (h << 23) | (l >>> 9);
    const rl = (l << 23) | (h >>> 9);
    const tl = Math.imul(rl, p2l);
    l = (tl + p3l) | 0;
    h = (times(rh, rl, p2h, p2l) + p3h + carry(l, tl)) | 0;
    left -= 4;
  }
  for (let word = words[at] ?? 0; left > 0; left--, word >>>= 8) {
    const byte = word & 0xff;
    h ^= times(0, byte, p5h, p5l);
    l ^= Math.imul(byte, p5l);
    const rh = (h << 11) | (l >>> 21);
    const rl = (l << 11) | (h >>> 21);
    h = times(rh, rl, p1h, p1l);
    l = Math.imul(rl, p1l);
  }
  l ^= h >>> 1;
  h = times(h, l, p2h, p2l);
  l = Math.imul(l, p2l);
  l ^= (l >>> 29) | (h << 3);
  h ^= h >>> 29;
  h = times(h, l, p3h, p3l);
  l = Math.imul(l, p3l);
  last[0] = h;
  last[1] = l ^ h;
}

/** Returns the hash of the first bytes of some words, modulo 10,000. */
export function hashSlot(words: Int32Array, bytes: number): number {
  hash(words, bytes);
  const high = ((last[0] ?? 0) >>> 0) % 10_000;
  const low = ((last[1] ?? 0) >>> 0) % 10_000;
  return (high * 7296 + low) % 10_000; // 2^32 modulo 10,000 is 7296
}

/** Returns bytes as the words that are hashed. */
export function wordsOf(bytes: Uint8Array): Int32Array {
  const words = new Int32Array((bytes.length + 3) >> 2);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const whole = bytes.length >> 2;
  for (let i = 0; i < whole; i++) words[i] = view.getInt32(4 * i, true);
  let word = 0;
  for (let i = 4 * whole; i < bytes.length; i++) word |= (bytes[i] ?? 0) << (8 * (i & 3));
  if (whole < words.length) words[whole] = word;
  return words;
}

/** Returns the hash of a text's UTF-8 as 16 hexadecimal digits. */
export function xxh64(text: string): string {
  const bytes = new TextEncoder().encode(text);
  hash(wordsOf(bytes), bytes.length);
  return Array.from(last, (half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
}
