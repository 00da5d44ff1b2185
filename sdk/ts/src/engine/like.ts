/**
 * How long a piece may be, in UTF-16 units, that is looked for by indexOf. In the worst
 * case that takes time in the length of the piece times that of the text.
 */
const shortPiece = 32;

/** A compiled like pattern: the literal pieces between its stars. One without a star has one piece. */
export class Pattern {
  readonly #first: string;
  /** Between two stars. */
  readonly #inner: readonly Piece[];
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
    this.#inner = inner.map((each) => new Piece(each));
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
      at = piece.endIn(text, at);
      if (at < 0) return false;
    }
    return at <= end;
  }
}

/** Text that is looked for in other text, in time linear in that. */
class Piece {
  readonly #text: string;
  /**
   * Of a long one, by the length of each of its beginnings: the length of the longest
   * shorter beginning that it ends with, as Knuth, Morris and Pratt have it.
   */
  readonly #borders: Uint16Array | undefined;

  constructor(text: string) {
    this.#text = text;
    this.#borders = text.length > shortPiece ? bordersOf(text) : undefined;
  }

  /** Returns where its first place in a text from a place on ends, -1 if there is none. */
  endIn(text: string, from: number): number {
    const piece = this.#text;
    const borders = this.#borders;
    if (!borders) {
      const at = text.indexOf(piece, from);
      return at < 0 ? at : at + piece.length;
    }
    let same = 0;
    for (let at = from; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      while (same > 0 && unit !== piece.charCodeAt(same)) same = borders[same] ?? 0;
      if (unit === piece.charCodeAt(same)) same++;
      if (same === piece.length) return at + 1;
    }
    return -1;
  }
}

function bordersOf(text: string): Uint16Array {
  const borders = new Uint16Array(text.length + 1);
  let border = 0;
  for (let length = 2; length <= text.length; length++) {
    const unit = text.charCodeAt(length - 1);
    while (border > 0 && unit !== text.charCodeAt(border)) border = borders[border] ?? 0;
    if (unit === text.charCodeAt(border)) border++;
    borders[length] = border;
  }
  return borders;
}
