// Reads JSON without losing sight of its text: where each value begins and ends.
//
// `JSON.parse` would do to read a registry, but not to write it back: numbers lose digits,
// equal keys collapse, escapes change. Here a value that nobody needs is passed over as text,
// however long or deep it is.

const WHITE = /[ \t\n\r]*/y;
const STRING = /"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*"/y;
const PLAIN = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null/y;
const HALF = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

/** The text makes no sense at a place: an index, and what is wrong there. */
export class Malformed extends Error {
  constructor(at, detail) {
    super(detail);
    this.at = at;
  }
}

/** A place in a text, moved forward by each method over what it reads. */
export class Reader {
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  /** The next character that is no white space; undefined at the end. */
  peek() {
    WHITE.lastIndex = this.at;
    WHITE.test(this.text);
    this.at = WHITE.lastIndex;
    return this.text[this.at];
  }

  /** Passes over this character. */
  take(character) {
    if (this.peek() !== character) throw new Malformed(this.at, `expected \`${character}\``);
    this.at += 1;
  }

  /** The keys of an object. Its user reads or skips the value after each. */
  *members() {
    this.take("{");
    if (this.peek() !== "}") {
      yield this.#key();
      while (this.peek() !== "}") {
        this.take(",");
        yield this.#key();
      }
    }
    this.at += 1;
  }

  /** Where each element of an array begins. Its user reads or skips it. */
  *elements() {
    this.take("[");
    if (this.peek() !== "]") {
      yield this.at;
      while (this.peek() !== "]") {
        this.take(",");
        this.peek();
        yield this.at;
      }
    }
    this.at += 1;
  }

  /** The string that stands here. */
  string() {
    const raw = this.#match(STRING, "expected a string");
    const text = raw.includes("\\") ? JSON.parse(raw) : raw.slice(1, -1);
    if (HALF.test(text)) {
      throw new Malformed(this.at - raw.length, "a string has half of a character");
    }
    return text;
  }

  /** The number, `true`, `false` or `null` that stands here, as text. */
  plain() {
    return this.#match(PLAIN, "expected a value");
  }

  /** Passes over one value of any kind and depth. */
  skip() {
    const closing = [];
    for (;;) {
      const opening = this.peek();
      if (opening === '"') {
        this.#match(STRING, "expected a string");
      } else if (opening !== "{" && opening !== "[") {
        this.plain();
      } else {
        this.at += 1;
        closing.push(opening === "{" ? "}" : "]");
        if (this.peek() !== closing.at(-1)) {
          this.#enter(closing.at(-1));
          continue;
        }
      }
      // A value is over, and with it all that it was the last part of.
      while (closing.length > 0 && this.peek() === closing.at(-1)) {
        this.at += 1;
        closing.pop();
      }
      if (closing.length === 0) return;
      this.take(",");
      this.#enter(closing.at(-1));
    }
  }

  /** Goes to the value of the next element or member. */
  #enter(closing) {
    if (closing === "}") {
      this.#match(STRING, "expected a key");
      this.take(":");
    }
  }

  #key() {
    const key = this.string();
    this.take(":");
    return key;
  }

  #match(pattern, otherwise) {
    this.peek();
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.text);
    if (match === null) throw new Malformed(this.at, otherwise);
    this.at = pattern.lastIndex;
    return match[0];
  }
}
