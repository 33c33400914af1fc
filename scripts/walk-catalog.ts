/** `npm run walk:catalog`: reads all pages of a large stock in every ordering, and compares them with a plain sort. */
import { readOptions } from "../tools/command-line/arguments.ts";
import { run } from "../tools/command-line/programs.ts";

const { cars } = readOptions(
  `npm run walk:catalog -- [--cars N]

Walks all pages of a stock in every ordering, as staff and as the public: each car must come once, and in order.`,
  { cars: 10_000 },
);

const { status } = run(
  "vitest",
  ["run", "--project", "workerd", "test/cars/search.test.ts", "-t", "on exactly one page"],
  { stdio: "inherit", env: { ...process.env, TEST_STOCK: String(cars) } },
);
process.exitCode = status;
