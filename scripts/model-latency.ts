/** `npm run model:latency`: models latency by place, and costs, from what the metered Worker counts. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { unstable_readConfig } from "wrangler";
import { readOptions } from "../tools/command-line/arguments.ts";
import { costPage } from "../tools/model/cost.ts";
import { countOperations } from "../tools/model/count.ts";
import { latencyModel } from "../tools/model/latency.ts";

const LATENCY_PAGE = "docs/performance/latency-model.md";
const COST_PAGE = "docs/operations/cost.md";
/** Before this line the page is written by hand. */
const COUNTED = '<!-- Below: written by "npm run model:latency". -->';

const { port } = readOptions(
  `npm run model:latency

Sends each operation to the built Worker, which counts its calls of D1, the coordinator, R2 and Images, and computes
from them the milliseconds for callers in five places, and the costs. Prints the table and writes ${LATENCY_PAGE}
and the tables of ${COST_PAGE}. Fails when an operation takes longer in Sydney than it may. Takes a minute.`,
  { port: 8881 },
);

const counts = await countOperations(port);
const { cache } = unstable_readConfig({ config: "wrangler.toml" }, { hideWarnings: true });
const { page, slow } = latencyModel(counts.operations, cache?.enabled === true);
console.log(page);
write(
  LATENCY_PAGE,
  `<!-- Written by "npm run model:latency": do not edit. -->
# A model of latency

No measurement from five continents is at hand, so this is a model: calls that were counted, times assumptions that are
stated below. The calls are those that the answer waits for; calls that run at once count once. Milliseconds are from
the lowest to the highest assumption. Measure your own deployment before you quote one of them.

${page}`,
);
const [before] = readFileSync(COST_PAGE, "utf8").split(COUNTED);
write(COST_PAGE, `${before}${COUNTED}\n\n${costPage(counts)}`);
for (const fault of slow) console.error(`too slow in Sydney: ${fault}`);
if (slow.length > 0) process.exitCode = 1;

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
