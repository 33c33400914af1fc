/** Reading the command line of a script. */
import { type ParseArgsConfig, parseArgs } from "node:util";

type Value = string | number | boolean;
/** A number or text stays one of its kind, whatever its default is. */
type Widened<T> = {
  [Name in keyof T]: T[Name] extends boolean ? boolean : T[Name] extends number ? number : string;
};

/**
 * The arguments of this process. `--help` prints the usage and ends the process; so does an argument that the script
 * does not know, with status 1.
 */
export function readArguments<Config extends ParseArgsConfig>(
  usage: string,
  config: Config,
): ReturnType<typeof parseArgs<Config>> {
  if (process.argv.slice(2).some((argument) => argument === "--help" || argument === "-h")) {
    console.log(usage);
    process.exit(0);
  }
  try {
    return parseArgs(config);
  } catch (error) {
    return refuse(usage, error instanceof Error ? error.message : String(error));
  }
}

/**
 * The options of this process, each with a default that says of what kind it is: a number, a text, or a flag.
 * @param usage what `--help` prints above the list of options
 */
export function readOptions<Defaults extends Record<string, Value>>(
  usage: string,
  defaults: Defaults,
): Widened<Defaults> {
  const names = Object.keys(defaults);
  const lines = names.map((name) => `  --${name}${hint(defaults[name] ?? false)}`);
  const help = [usage, ...(lines.length > 0 ? ["", "Options:", ...lines] : [])].join("\n");
  const options = Object.fromEntries(
    names.map((name) => [
      name,
      { type: typeof defaults[name] === "boolean" ? ("boolean" as const) : ("string" as const) },
    ]),
  );
  const { values } = readArguments(help, { options });
  const read = names.map((name): [string, Value] => {
    const [value, byDefault] = [values[name], defaults[name]];
    if (value === undefined) return [name, byDefault ?? false];
    if (typeof byDefault !== "number") return [name, value as Value];
    if (!/^\d+(\.\d+)?$/.test(String(value))) refuse(help, `Option --${name} is not a number: ${value}`);
    return [name, Number(value)];
  });
  return Object.fromEntries(read) as Widened<Defaults>;
}

function hint(byDefault: Value): string {
  if (typeof byDefault === "boolean") return "";
  const kind = typeof byDefault === "number" ? " N" : " TEXT";
  return byDefault === "" || byDefault === 0 ? kind : `${kind} (default ${byDefault})`;
}

const refuse = (usage: string, message: string): never => fail(`${message}\n\n${usage}`);

/** Ends the process with a message instead of a stack trace, for faults that the user can correct. */
export function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
