import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isOneScript, isPlainLine, isPlainProse } from "../../src/shared/text.ts";

/** A text with its characters outside of ASCII by number, so that a title shows them. */
const spelled = (text: string): string =>
  text.replace(/[^ -~]/gu, (sign) => `<${sign.codePointAt(0)?.toString(16)}>`);
const titled = (...texts: string[]) => texts.map((text) => [spelled(text), text] as const);

/** Texts that people write, with characters that cannot be seen where their writing needs them. */
const WRITTEN = titled(
  "",
  "Anneliese Müller-Lüdenscheidt",
  "O'Neil",
  "Nguyễn Thị",
  "علی‌رضا", // ZWNJ
  "ශ්‍රී", // ZWJ after a virama
  "क्‍ष",
  "葛\u{e0100}城", // an ideographic variation
  "👩🏽‍🔧 👨‍👩‍👧 ❤️ 👁️‍🗨️ 1️⃣ 🏳️‍🌈", // ZWJ sequences and variation selectors
  "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}", // the flag of England
);

/** Texts that deceive a reader or a program. */
const DECEIVING = titled(
  "admin\u3164", // HANGUL FILLER
  "\u3164",
  "\u115f\u1160",
  "\uffa0",
  "a\u0000b",
  "a\u0085b",
  "a\u009bb",
  "a\u202eb",
  "a\u202ab",
  "a\u034fb",
  "sam\u200c", // no joiner is needed in Latin
  "s\u200dam",
  "a\ufe0f",
  "علی‌‌رضا", // twice
  "\u200d👩",
  "a\u{e0061}\u{e007f}",
  "\ufff9x\ufffb",
  "\ufeffa",
  "\ud800",
);

/** Allowed in prose alone: breaks, and the hints of a writer for breaks and directions. */
const LAID_OUT = titled(
  "a\tb",
  "a\r\nb",
  "a\u2028b",
  "a\u2029b",
  "hy\u00adphen",
  "a\u200bb",
  "\u2067שלום\u2069!",
  "ש\u200f!",
);

describe("a text of one line", () => {
  test.each(WRITTEN)("may be %s", (_, text) => expect(isPlainLine(text)).toBe(true));
  test.each([...DECEIVING, ...LAID_OUT])("must not be %s", (_, text) =>
    expect(isPlainLine(text)).toBe(false),
  );

  test("never has a control character, a break, or one that changes the direction, wherever it is put", () => {
    const harmful = fc.constantFrom(
      ..."\u0000\t\n\r\u001b\u007f\u0085\u009f\u200e\u200f\u061c\u2028\u2029\u202a\u202e\u2066\u2069",
    );
    const around = fc.string({ unit: "grapheme" });
    fc.assert(fc.property(around, harmful, around, (a, sign, b) => !isPlainLine(a + sign + b)));
  });

  test("of characters that can be seen is accepted", () => {
    const visible = fc.string({ unit: "binary" }).map((text) => text.replace(/[\p{C}\p{Z}\p{DI}]/gu, "x"));
    fc.assert(fc.property(visible, isPlainLine));
  });
});

describe("a text of several lines", () => {
  test.each([...WRITTEN, ...LAID_OUT])("may be %s", (_, text) => expect(isPlainProse(text)).toBe(true));
  test.each(DECEIVING)("must not be %s", (_, text) => expect(isPlainProse(text)).toBe(false));
});

describe("a name in one script", () => {
  test.each(
    titled(
      "sam.sommer-2026",
      "@sam_+",
      "jürgen",
      "иван",
      "γιάννης",
      "محمد٢",
      "דוד",
      "山田たろうタロー",
      "김철수kim",
      "ㄅㄆ汉字",
      "สมชาย",
      "2026",
    ),
  )("is %s", (_, text) => expect(isOneScript(text)).toBe(true));

  test.each(titled("аdmin", "admіn", "αdmin", "pаypal", "иванα", "ภadmin", "ひら김", "sam٢", "ᎪdᎷin", "ᎪᎷ"))(
    "is not %s",
    (_, text) => expect(isOneScript(text)).toBe(false),
  );

  test("is never one of Latin and Cyrillic or Greek letters, in any order", () => {
    const latin = fc.constantFrom(..."abcxyzABCäé");
    const other = fc.constantFrom(..."абвАВЕαβΑΒ");
    const rest = fc.array(fc.constantFrom(..."abа1-_.α"), { maxLength: 8 });
    fc.assert(
      fc.property(
        latin,
        other,
        rest,
        (a, b, more) => !isOneScript([...more.slice(1), a, ...more.slice(0, 1), b].join("")),
      ),
    );
  });
});
