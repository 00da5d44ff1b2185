/** One evaluation's view of a context. */
import { Key, keyText } from "./bucket.js";
import { parseVersion, type Version } from "./semver.js";
import type { Context } from "./types.js";
import { type Plain, plain } from "./value.js";

/**
 * An attribute that rules or layers look at, with what the evaluation that looked at
 * it last has found. So an evaluation makes nothing for it.
 */
export class Attribute {
  readonly name: string;
  /** Set by Look. */
  value: Plain | undefined = undefined;
  valueOf: Look | undefined = undefined;
  key: Key | undefined = undefined;
  hasKey = false;
  keyOf: Look | undefined = undefined;
  private versionText = "";
  private version: Version | undefined = undefined;

  constructor(name: string) {
    this.name = name;
  }

  /** Returns the version that a text is, if it is one. The last one is remembered. */
  versionOf(text: string): Version | undefined {
    if (text !== this.versionText) {
      this.version = parseVersion(text);
      this.versionText = text;
    }
    return this.version;
  }
}

/** The attributes of a configuration and all made from it. */
export class Attributes {
  private readonly known = new Map<string, Attribute>();

  /** Returns the attribute of a name. */
  of(name: string): Attribute {
    let attribute = this.known.get(name);
    if (!attribute) {
      // Names come and go. After this some have two attributes, which only means that
      // they are looked at twice.
      const most = 10_000;
      if (this.known.size >= most) this.known.clear();
      this.known.set(name, (attribute = new Attribute(name)));
    }
    return attribute;
  }
}

/**
 * One evaluation's look at a context, which sees one value of each attribute. It is
 * taken at what is asked for alone, and never throws: a context is the caller's, with
 * code of its own, and what it does not tell is absent.
 */
export class Look {
  private context: Context | undefined;

  constructor(context: Context) {
    this.context = context;
  }

  /** Returns what an attribute counts as. */
  value(attribute: Attribute): Plain | undefined {
    if (attribute.valueOf !== this) {
      // The context may evaluate something itself, so nothing is set before it is asked.
      const value = plain(this.raw(attribute.name));
      attribute.value = value;
      attribute.valueOf = this;
    }
    return attribute.value;
  }

  /** Returns the key made of an attribute, undefined if none can be made. */
  key(attribute: Attribute): Key | undefined {
    if (attribute.keyOf !== this) {
      const text = keyText(this.value(attribute));
      attribute.hasKey = text !== undefined;
      attribute.keyOf = this;
      if (text !== undefined) {
        attribute.key ??= new Key();
        attribute.key.set(text);
      }
    }
    return attribute.hasKey ? attribute.key : undefined;
  }

  /** Returns what the context has under a name, undefined if nothing. */
  raw(name: string): unknown {
    try {
      const { context } = this;
      return context !== undefined && Object.hasOwn(context, name) ? context[name] : undefined;
    } catch {
      return undefined;
    }
  }

  /** Lets go of the context, as attributes remember who looked. */
  end(): void {
    this.context = undefined;
  }
}
