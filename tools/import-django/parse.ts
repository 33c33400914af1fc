/** Reads a plain-SQL `pg_dump`: COPY blocks or INSERTs, the columns of each table, and what its foreign keys refer to. */

/** A row by column name, every value as PostgreSQL writes it; booleans are `t` and `f`. */
export type DumpRow = Readonly<Record<string, string | null>>;

/** A table of a dump. `references` gives the table that a foreign-key column points at. */
export type DumpTable = {
  name: string;
  columns: string[];
  rows: DumpRow[];
  references: Map<string, string>;
};

/** A dump by table name; the schema is part of the name unless it is `public`. */
export type Dump = ReadonlyMap<string, DumpTable>;

/** Raised when a text is no dump that can be read. The message is for the operator. */
export class UnreadableDump extends Error {}

/** Reads a whole dump. @throws {UnreadableDump} when it is none, or of another kind */
export function parseDump(text: string): Dump {
  if (text.startsWith("PGDMP"))
    throw new UnreadableDump("This is a custom-format dump: make it plain with pg_restore -f dump.sql FILE");
  const tables = new Map<string, DumpTable>();
  const table = (identifier: string): DumpTable => {
    const name = tableName(identifier);
    const known = tables.get(name);
    if (known) return known;
    const made = { name, columns: [], rows: [], references: new Map<string, string>() };
    tables.set(name, made);
    return made;
  };

  let at = 0;
  for (;;) {
    at = skipToStatement(text, at);
    if (at >= text.length) break;
    const end = statementEnd(text, at);
    const statement = text.slice(at, end);
    at = end + 1;

    const copy = match(statement, /^COPY (\S+) \((.*)\) FROM stdin$/s);
    if (copy) {
      const into = table(copy[0]);
      const columns = identifiers(copy[1]);
      if (into.columns.length === 0) into.columns = columns;
      at = text.indexOf("\n", at) + 1;
      for (;;) {
        const lineEnd = text.indexOf("\n", at);
        if (lineEnd < 0) throw new UnreadableDump(`The dump ends within the rows of ${into.name}`);
        const row = text.slice(at, lineEnd).replace(/\r$/, "");
        at = lineEnd + 1;
        if (row === "\\.") break;
        into.rows.push(rowOf(into.name, columns, row.split("\t").map(copiedValue)));
      }
      continue;
    }

    const insert = match(
      statement,
      /^INSERT INTO (\S+) (?:\(([^)]*)\) )?(?:OVERRIDING SYSTEM VALUE )?VALUES\s/,
    );
    if (insert) {
      const into = table(insert[0]);
      if (insert[1] && into.columns.length === 0) into.columns = identifiers(insert[1]);
      const columns = insert[1] ? identifiers(insert[1]) : into.columns;
      for (const values of insertedRows(statement)) into.rows.push(rowOf(into.name, columns, values));
      continue;
    }

    const create = match(statement, /^CREATE (?:UNLOGGED )?TABLE (\S+) \(\r?\n(.*)\n\)/s);
    if (create)
      table(create[0]).columns = create[1]
        .split(/,\r?\n/)
        .map((line) => line.trim())
        .filter((line) => !/^(CONSTRAINT|PRIMARY|UNIQUE|CHECK|EXCLUDE) /.test(line))
        .map((line) => unquoted(/^("(?:[^"]|"")+"|\S+)/.exec(line)?.[0] ?? ""));

    const key = match(
      statement,
      /^ALTER TABLE (?:ONLY )?(\S+)\s+ADD CONSTRAINT \S+ FOREIGN KEY \(([^,)]+)\) REFERENCES ([^\s(]+)/,
    );
    if (key) table(key[0]).references.set(unquoted(key[1]), tableName(key[2]));

    const encoding = match(statement, /^SET client_encoding = '(.*)'$/);
    if (encoding && encoding[0] !== "UTF8")
      throw new UnreadableDump(`The dump is in ${encoding[0]}: make it with pg_dump --encoding=UTF8`);
    if (statement === "SET standard_conforming_strings = off")
      throw new UnreadableDump("The dump was made with standard_conforming_strings off: make it with it on");
  }
  if (tables.size === 0) throw new UnreadableDump("There is no table in it: is it a plain-SQL pg_dump?");
  return tables;
}

/** The groups of a match; those that took part in none are empty. */
function match(text: string, pattern: RegExp): readonly [string, string, string] | undefined {
  const found = pattern.exec(text);
  return found ? [found[1] ?? "", found[2] ?? "", found[3] ?? ""] : undefined;
}

const unquoted = (identifier: string): string =>
  identifier.startsWith('"') ? identifier.slice(1, -1).replaceAll('""', '"') : identifier;

const identifiers = (list: string): string[] => list.split(",").map((name) => unquoted(name.trim()));

function tableName(identifier: string): string {
  const parts = (identifier.match(/"(?:[^"]|"")+"|[^."]+/g) ?? []).map(unquoted);
  return (parts[0] === "public" ? parts.slice(1) : parts).join(".");
}

function rowOf(table: string, columns: readonly string[], values: ReadonlyArray<string | null>): DumpRow {
  if (columns.length === 0)
    throw new UnreadableDump(
      `The rows of ${table} do not name their columns: dump with the schema, or with --column-inserts`,
    );
  if (columns.length !== values.length)
    throw new UnreadableDump(`A row of ${table} has ${values.length} values for ${columns.length} columns`);
  return Object.fromEntries(columns.map((column, index) => [column, values[index] ?? null]));
}

const ESCAPES: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" };

const copiedValue = (field: string): string | null =>
  field === "\\N" ? null : field.replace(/\\(.)/gs, (_, sign: string) => ESCAPES[sign] ?? sign);

/** Past white space, comments and the lines that only psql understands. */
function skipToStatement(text: string, from: number): number {
  let at = from;
  for (;;) {
    while (at < text.length && /[\s;]/.test(text.charAt(at))) at += 1;
    if (!text.startsWith("--", at) && text.charAt(at) !== "\\") return at;
    at = lineAfter(text, at);
  }
}

function lineAfter(text: string, at: number): number {
  const end = text.indexOf("\n", at);
  return end < 0 ? text.length : end + 1;
}

/** Where the statement that begins at `from` ends: at its semicolon, not at one within quotes or a comment. */
function statementEnd(text: string, from: number): number {
  const special = /[;'"$]|--/g;
  special.lastIndex = from;
  for (let found = special.exec(text); found; found = special.exec(text)) {
    const { index } = found;
    if (found[0] === ";") return index;
    if (found[0] === "--") special.lastIndex = lineAfter(text, index);
    else if (found[0] !== "$") special.lastIndex = quoteEnd(text, index) + 1;
    else {
      // The body of a function.
      const tag = /^\$\w*\$/.exec(text.slice(index, index + 80))?.[0];
      const close = tag ? text.indexOf(tag, index + tag.length) : -1;
      if (tag && close >= 0) special.lastIndex = close + tag.length;
    }
  }
  throw new UnreadableDump("The dump ends within a statement: is it a whole, plain-SQL pg_dump?");
}

/** Where the quote that opens at `from` closes; a doubled one does not close it. */
function quoteEnd(text: string, from: number): number {
  const quote = text.charAt(from);
  let at = text.indexOf(quote, from + 1);
  while (at >= 0 && text.charAt(at + 1) === quote) at = text.indexOf(quote, at + 2);
  if (at < 0) throw new UnreadableDump("The dump ends within a quote");
  return at;
}

/** The rows of an INSERT's VALUES. */
function insertedRows(statement: string): Array<Array<string | null>> {
  const rows: Array<Array<string | null>> = [];
  let at = /VALUES\s+/.exec(statement)?.[0].length ?? 0;
  at += statement.search(/VALUES\s/);
  while (statement.charAt(at) === "(") {
    const row: Array<string | null> = [];
    do {
      at += 1;
      while (/\s/.test(statement.charAt(at))) at += 1;
      if (statement.charAt(at) === "'") {
        const end = quoteEnd(statement, at);
        row.push(statement.slice(at + 1, end).replaceAll("''", "'"));
        at = end + 1;
      } else {
        const word = /[^,)]*/y;
        word.lastIndex = at;
        const value = word.exec(statement)?.[0] ?? "";
        row.push(bareValue(value.trim()));
        at += value.length;
      }
    } while (statement.charAt(at) === ",");
    if (statement.charAt(at) !== ")") throw new UnreadableDump("An INSERT holds more than plain values");
    rows.push(row);
    at += 1;
    while (/[\s,]/.test(statement.charAt(at))) at += 1;
  }
  return rows;
}

function bareValue(word: string): string | null {
  if (word === "NULL") return null;
  if (word === "true") return "t";
  if (word === "false") return "f";
  if (/^[-+\d.eE]+$/.test(word)) return word;
  throw new UnreadableDump(`An INSERT holds more than plain values: ${word.slice(0, 40)}`);
}
