/** `npm run import-django -- dump.sql`: loads the data of the Django service into an empty, migrated database. */
import { fail, readArguments } from "../tools/command-line/arguments.ts";
import { importDump, NothingLoaded } from "../tools/import-django/command.ts";

const USAGE = `Usage: npm run import-django -- dump.sql [--skip-invalid] [--ask-reset] [--dry-run] [--remote [--env NAME]]

Loads a plain-SQL pg_dump of the Django service into an empty, migrated database: all of it or nothing. Rows that break
a rule are listed.

Options:
  --skip-invalid             load the rest without the rows that break a rule
  --ask-reset                send a password reset to users whose password cannot be checked here
  --dry-run                  only say what would happen
  --table AREA=NAME          where a table has another name (see tools/import-django/tables.ts)
  --column AREA.FIELD=NAME   where a column has another name
  --remote                   the database on Cloudflare instead of the local one
  --env NAME                 the environment of wrangler.toml
  --persist-to FOLDER        where the local database is`;

const { values, positionals } = readArguments(USAGE, {
  options: {
    remote: { type: "boolean", default: false },
    "skip-invalid": { type: "boolean", default: false },
    "ask-reset": { type: "boolean", default: false },
    "dry-run": { type: "boolean", default: false },
    table: { type: "string", multiple: true, default: [] },
    column: { type: "string", multiple: true, default: [] },
    env: { type: "string" },
    "persist-to": { type: "string" },
  },
  allowPositionals: true,
});
const [file, ...others] = positionals;
if (!file || others.length > 0) fail(USAGE);

const passedOn = (["env", "persist-to"] as const).flatMap((name) => {
  const value = values[name];
  return value === undefined ? [] : [`--${name}`, value];
});
try {
  importDump(
    {
      file,
      names: [...values.table, ...values.column],
      skipInvalid: values["skip-invalid"],
      askReset: values["ask-reset"],
      dryRun: values["dry-run"],
      environment: values.env,
    },
    { remote: values.remote, passedOn },
    console.log,
  );
} catch (error) {
  if (error instanceof NothingLoaded) fail(error.message);
  throw error;
}
