/** A compiled like pattern: the literal pieces between its stars. One without a star has one piece. */
export class Pattern {
  readonly #first: string;
  /** Between two stars. */
  readonly #inner: readonly string[];
  /** After the last star; undefined where there is none. */
  readonly #last: string | undefined;

  /**
   * A star is any run of characters, the empty one included; \* and \\ are a literal
   * star and backslash, and a backslash before anything else stands for itself.
   */
  constructor(text: string) {
    const pieces: string[] = [];
    let piece = "";
    for (let i = 0; i < text.length; i++) {
      const c = text.charAt(i);
      const next = text.charAt(i + 1);
      if (c === "*") {
        pieces.push(piece);
        piece = "";
      } else if (c === "\\" && (next === "*" || next === "\\")) {
        piece += next;
        i++;
      } else {
        piece += c;
      }
    }
    const [first, ...inner] = pieces;
    this.#first = first ?? piece;
    this.#inner = inner;
    this.#last = first === undefined ? undefined : piece;
  }

  /**
   * Reports whether the whole text matches. Each piece is taken at its first place
   * after the one before: if any choice of places fits, this one does, so nothing is
   * ever tried twice.
   */
  match(text: string): boolean {
    const first = this.#first;
    const last = this.#last;
    if (last === undefined) return text === first;
    const end = text.length - last.length;
    if (end < first.length || !text.startsWith(first) || !text.endsWith(last)) return false;
    let at = first.length;
    for (const piece of this.#inner) {
      at = text.indexOf(piece, at);
      if (at < 0) return false;
      at += piece.length;
    }
    return at <= end;
  }
}
