/**
 * Folds a name for comparison without regard to case, in any script. The detour over capitals makes ß equal to SS, and
 * the two small sigmas equal.
 */
export const foldCase = (text: string): string => text.normalize("NFKC").toUpperCase().toLowerCase();

const scripts = (...names: string[]): string => names.map((name) => `\\p{scx=${name}}`).join("");

/** The scripts in which a joiner changes how a word is written. */
const JOINING = scripts(
  ...["Arab", "Syrc", "Mong", "Deva", "Beng", "Guru", "Gujr", "Orya"],
  ...["Taml", "Telu", "Knda", "Mlym", "Sinh", "Khmr", "Mymr"],
);

/**
 * Characters without a form of their own, where writing needs them: a joiner inside a word of these scripts or of a
 * composed emoji, a variation selector behind what it varies, and the tags of a flag.
 */
const NEEDED = new RegExp(
  [
    `(?<=[${JOINING}])[\\u200c\\u200d\\u180e](?=[${JOINING}])`,
    "(?<=\\p{ExtPict}[\\ufe0f\\p{EMod}]?)\\u200d(?=\\p{ExtPict})",
    "(?<=\\p{Emoji})[\\ufe0e\\ufe0f]",
    `(?<=[\\p{Script=Han}${scripts("Mong", "Mymr", "Phag")}])\\p{VS}`,
    "(?<=\\u{1f3f4})[\\u{e0020}-\\u{e007e}]{1,6}\\u{e007f}",
  ].join("|"),
  "gu",
);

/** Control characters, and characters that cannot be seen. These include all that change the direction of text. */
const UNSEEN = /[\p{Cc}\p{DI}\u2028\u2029\ufff9-\ufffb]/u;

/** Breaks, and what a writer may use for the breaks and directions of a longer text. None of them reorders letters. */
const LAYOUT = /[\t\n\r\u2028\u2029\u00ad\u200b\u2060\u200e\u200f\u061c\u2066-\u2069]/gu;

/** Whether a text is well-formed, on one line, and shows every character that it has. */
export const isPlainLine = (text: string): boolean =>
  text.isWellFormed() && !UNSEEN.test(text.replace(NEEDED, ""));

/** Whether a text of any number of lines is well-formed, and hides nothing but layout. */
export const isPlainProse = (text: string): boolean => isPlainLine(text.replace(LAYOUT, ""));

/**
 * The scripts in general use (Unicode's UAX 31), and the ones that a language writes together. The combinations are
 * those of "highly restrictive" in Unicode's UTS 39.
 */
const ONE_SCRIPT = new RegExp(
  [
    ...[
      "Arab",
      "Armn",
      "Beng",
      "Cyrl",
      "Deva",
      "Ethi",
      "Geor",
      "Grek",
      "Gujr",
      "Guru",
      "Hebr",
      "Khmr",
      "Knda",
    ],
    ...["Laoo", "Mlym", "Mymr", "Orya", "Sinh", "Taml", "Telu", "Thaa", "Thai", "Tibt"],
    "Latn Hani Hira Kana",
    "Latn Hani Bopo",
    "Latn Hani Hang",
  ]
    .map((names) => `^[${scripts(...names.split(" "), "Zyyy", "Zinh")}]*$`)
    .join("|"),
  "u",
);

/** Whether a name is written in one script. A letter of another script may look the same as one of this script. */
export const isOneScript = (name: string): boolean => ONE_SCRIPT.test(name);
