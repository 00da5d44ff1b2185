/**
 * XXH64 with seed 0, in numbers of 32 bits: JavaScript has 64 only as BigInt, each
 * of which is an object.
 */

// The primes of XXH64, from its specification, in halves.
const high1 = 0x9e3779b1 | 0;
const low1 = 0x85ebca87 | 0;
const high2 = 0xc2b2ae3d | 0;
const low2 = 0x27d4eb4f;
const high3 = 0x165667b1;
const low3 = 0x9e3779f9 | 0;
const high4 = 0x85ebca77 | 0;
const low4 = 0xc2b2ae63 | 0;
const high5 = 0x27d4eb2f;
const low5 = 0x165667c5;

/** Functions that return the low half of a number leave the high one here. */
let high = 0;

/** Returns the high half of the product of two numbers of 32 bits without sign. */
function productHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const one = (Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16)) | 0;
  const two = (Math.imul(aLow, bHigh) + (one & 0xffff)) | 0;
  return (Math.imul(aHigh, bHigh) + (one >>> 16) + (two >>> 16)) | 0;
}

function times(aHigh: number, aLow: number, bHigh: number, bLow: number): number {
  high = (productHigh(aLow, bLow) + Math.imul(aLow, bHigh) + Math.imul(aHigh, bLow)) | 0;
  return Math.imul(aLow, bLow);
}

function plus(aHigh: number, aLow: number, bHigh: number, bLow: number): number {
  const low = (aLow + bLow) | 0;
  high = (aHigh + bHigh + (low >>> 0 < aLow >>> 0 ? 1 : 0)) | 0;
  return low;
}

/** Rotates to the left by 1 to 31 bits. */
function rotate(aHigh: number, aLow: number, by: number): number {
  high = (aHigh << by) | (aLow >>> (32 - by));
  return (aLow << by) | (aHigh >>> (32 - by));
}

/** Adds a word to a lane. */
function round(laneHigh: number, laneLow: number, wordHigh: number, wordLow: number): number {
  let low = times(wordHigh, wordLow, high2, low2);
  low = plus(high, low, laneHigh, laneLow);
  low = rotate(high, low, 31);
  return times(high, low, high1, low1);
}

/** Adds a lane to the hash. */
function mergeRound(hashHigh: number, hashLow: number, laneHigh: number, laneLow: number): number {
  let low = round(0, 0, laneHigh, laneLow);
  low = times(high ^ hashHigh, low ^ hashLow, high1, low1);
  return plus(high, low, high4, low4);
}

/**
 * Hashes the first bytes of some words, each of which has four bytes, the lowest first.
 * What is in the last word after the last byte makes no difference.
 */
function digest(words: Int32Array, bytes: number): number {
  let at = 0;
  let left = bytes;
  let h = high5;
  let l = low5;
  if (bytes >= 32) {
    l = stripes(words, bytes);
    h = high;
    left &= 31;
    at = (bytes - left) >> 2;
  }
  l = plus(h, l, 0, bytes);
  h = high;
  for (; left >= 8; left -= 8, at += 2) {
    const low = round(0, 0, words[at + 1] ?? 0, words[at] ?? 0);
    l = rotate(h ^ high, l ^ low, 27);
    l = times(high, l, high1, low1);
    l = plus(high, l, high4, low4);
    h = high;
  }
  if (left >= 4) {
    const low = times(0, words[at++] ?? 0, high1, low1);
    l = rotate(h ^ high, l ^ low, 23);
    l = times(high, l, high2, low2);
    l = plus(high, l, high3, low3);
    h = high;
    left -= 4;
  }
  for (let word = words[at] ?? 0; left > 0; left--, word >>>= 8) {
    const low = times(0, word & 0xff, high5, low5);
    l = rotate(h ^ high, l ^ low, 11);
    l = times(high, l, high1, low1);
    h = high;
  }
  l = times(h, l ^ (h >>> 1), high2, low2);
  h = high;
  l = times(h ^ (h >>> 29), l ^ ((l >>> 29) | (h << 3)), high3, low3);
  return l ^ high;
}

/** Hashes all whole stripes of 32 bytes. */
function stripes(words: Int32Array, bytes: number): number {
  let l1 = plus(high1, low1, high2, low2);
  let h1 = high;
  let l2 = low2;
  let h2 = high2;
  let l3 = 0;
  let h3 = 0;
  let l4 = plus(~high1, ~low1, 0, 1);
  let h4 = high;
  for (let at = 0, end = (bytes >>> 5) << 3; at < end; at += 8) {
    l1 = round(h1, l1, words[at + 1] ?? 0, words[at] ?? 0);
    h1 = high;
    l2 = round(h2, l2, words[at + 3] ?? 0, words[at + 2] ?? 0);
    h2 = high;
    l3 = round(h3, l3, words[at + 5] ?? 0, words[at + 4] ?? 0);
    h3 = high;
    l4 = round(h4, l4, words[at + 7] ?? 0, words[at + 6] ?? 0);
    h4 = high;
  }
  let l = rotate(h1, l1, 1);
  let h = high;
  let low = rotate(h2, l2, 7);
  l = plus(high, low, h, l);
  h = high;
  low = rotate(h3, l3, 12);
  l = plus(high, low, h, l);
  h = high;
  low = rotate(h4, l4, 18);
  l = plus(high, low, h, l);
  l = mergeRound(high, l, h1, l1);
  l = mergeRound(high, l, h2, l2);
  l = mergeRound(high, l, h3, l3);
  return mergeRound(high, l, h4, l4);
}

/** Returns the hash of the first bytes of some words, modulo 10,000. */
export function hashSlot(words: Int32Array, bytes: number): number {
  const low = digest(words, bytes);
  return (((high >>> 0) % 10_000) * 7296 + ((low >>> 0) % 10_000)) % 10_000; // 2^32 mod 10,000 is 7296
}

/** Returns bytes as the words that are hashed. */
export function wordsOf(bytes: Uint8Array): Int32Array {
  const words = new Int32Array((bytes.length + 3) >> 2);
  for (let i = 0; i < bytes.length; i++) {
    const word = words[i >> 2] ?? 0;
    words[i >> 2] = word | ((bytes[i] ?? 0) << (8 * (i & 3)));
  }
  return words;
}

/** Returns the hash of a text's UTF-8 as 16 hexadecimal digits. */
export function xxh64(text: string): string {
  const bytes = new TextEncoder().encode(text);
  const low = digest(wordsOf(bytes), bytes.length);
  return half(high) + half(low);
}

function half(word: number): string {
  return (word >>> 0).toString(16).padStart(8, "0");
}
