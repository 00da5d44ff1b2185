// A file is a header and a body. Numbers of the header are big-endian:
//
//	magic (8 bytes) || format (4) || length of the body (8) || SHA-256 of the body (32)
//
// The body is gzipped, and in it numbers are varints in zigzag form, and bytes follow
// their length:
//
//	upstream || environment || services || epoch || revision || hash || token ||
//	version of the keys || keys || entities, each as kind || key || payload
//
// where lists follow their length too. It is the format of sdk/go/lastgood. Keys are for
// servers: none are written, and those of others are passed over.
import { create } from "@bufbuild/protobuf";
import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { constants, gunzipSync, gzip } from "node:zlib";

import { ChangesSchema } from "../gen/strata/config/v1/entity_pb.js";
import { sameBytes, View } from "../view.js";

const magic = Buffer.from("strataLG");
const format = 2;
const headerBytes = magic.length + 4 + 8 + 32;
/** Bounds a body, decompressed. */
const maxBodyBytes = 1 << 30;

/** What is kept. It never changes. */
export interface Content {
  /** Names the server that it is from, such as by its URL. It stands in logs, so that it must have no secrets. */
  readonly upstream: string;
  readonly environment: string;
  /** Those that were asked for, or all of them if empty. */
  readonly services: readonly string[];
  readonly view: View;
  /** Where to go on from the view. */
  readonly token: Uint8Array;
}

/** Returns the file of a content. */
export async function encode(content: Content): Promise<Uint8Array> {
  const body = await promisify(gzip)(encodeBody(content), { level: constants.Z_BEST_SPEED });
  const header = Buffer.alloc(headerBytes);
  magic.copy(header);
  let at = header.writeUInt32BE(format, magic.length);
  at = header.writeBigUInt64BE(BigInt(body.length), at);
  createHash("sha256").update(body).digest().copy(header, at);
  return Buffer.concat([header, body]);
}

function encodeBody({ upstream, environment, services, view, token }: Content): Uint8Array {
  const parts: Uint8Array[] = [];
  const number = (n: bigint | number) => parts.push(varint(BigInt(n)));
  const bytes = (data: Uint8Array) => {
    number(data.length);
    parts.push(data);
  };
  const text = (s: string) => bytes(Buffer.from(s));
  text(upstream);
  text(environment);
  number(services.length);
  services.forEach(text);
  number(view.position.epoch);
  number(view.position.revision);
  bytes(view.hash);
  bytes(token);
  number(0); // the version of no keys
  number(0);
  number(view.size);
  for (const { key, payload } of view.all()) {
    number(key.kind);
    text(key.name);
    bytes(payload);
  }
  return Buffer.concat(parts);
}

function varint(n: bigint): Uint8Array {
  let rest = BigInt.asUintN(64, (n << 1n) ^ (n >> 63n));
  const data: number[] = [];
  for (; rest > 127n; rest >>= 7n) {
    data.push(Number(rest & 127n) | 128);
  }
  data.push(Number(rest));
  return Uint8Array.from(data);
}

/** Reads a file. The content is the one that was written, or it throws. */
export function decode(file: Buffer): Content {
  if (file.length < headerBytes || !sameBytes(file.subarray(0, magic.length), magic)) {
    throw new Error("it is no last good configuration");
  }
  const version = file.readUInt32BE(magic.length);
  if (version !== format) {
    throw new Error(`its format is ${version}, and should be ${format}`);
  }
  const body = file.subarray(headerBytes);
  const length = file.readBigUInt64BE(magic.length + 4);
  if (length !== BigInt(body.length)) {
    throw new Error(`its body has ${body.length} bytes, and should have ${length}`);
  }
  if (!sameBytes(createHash("sha256").update(body).digest(), file.subarray(headerBytes - 32, headerBytes))) {
    throw new Error("its body is not the one that was written");
  }
  return decodeBody(new Reader(gunzipSync(body, { maxOutputLength: maxBodyBytes })));
}

function decodeBody(read: Reader): Content {
  const upstream = read.text();
  const environment = read.text();
  const services = read.list(() => read.text());
  const position = { epoch: read.number(), revision: read.number() };
  const hash = read.bytes();
  const token = read.bytes();
  read.number();
  read.list(() => read.bytes());
  const puts = read.list(() => ({ kind: Number(read.number()), key: read.text(), payload: read.bytes() }));
  if (!read.atEnd) {
    throw new Error("its body goes on after the end");
  }
  const view = View.empty.apply(position, create(ChangesSchema, { puts }));
  if (view.size !== puts.length) {
    throw new Error("its body has an entity twice");
  }
  if (!sameBytes(view.hash, hash)) {
    throw new Error("its configuration has another hash");
  }
  return { upstream, environment, services, view, token };
}

/** Reads a body from left to right. It throws where that ends too early. */
class Reader {
  readonly #data: Buffer;
  #at = 0;

  constructor(data: Buffer) {
    this.#data = data;
  }

  get atEnd(): boolean {
    return this.#at === this.#data.length;
  }

  number(): bigint {
    let n = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#data[this.#at++];
      if (byte === undefined) {
        break;
      }
      n |= BigInt(byte & 127) << shift;
      if (byte < 128) {
        return BigInt.asIntN(64, (n >> 1n) ^ -(n & 1n));
      }
    }
    throw new Error("its body has a number without an end");
  }

  bytes(): Uint8Array {
    const length = this.#length();
    this.#at += length;
    // A copy, as what is kept of it must not keep all of it.
    return Uint8Array.from(this.#data.subarray(this.#at - length, this.#at));
  }

  text(): string {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.bytes());
  }

  list<T>(element: () => T): T[] {
    return Array.from({ length: this.#length() }, element);
  }

  /** The length of what follows, of which each element has at least one byte. */
  #length(): number {
    const length = this.number();
    if (length < 0n || length > BigInt(this.#data.length - this.#at)) {
      throw new Error("its body ends too early");
    }
    return Number(length);
  }
}
