import { expect, test } from "vitest";
import { type Choices, type Ran, RolloutFailed, rollOut } from "../../tools/deploy/rollout.ts";

const DONE: Ran = { ok: true, output: "" };
const failed = (output: string): Ran => ({ ok: false, output });
const RUNNING = JSON.stringify({ versions: [{ version_id: "old", percentage: 100 }] });
const NO_WORKER = failed("This Worker does not exist on your account. [code: 10007]");
const CLASS_CHANGE = failed(
  "This Worker has a pending Durable Object migration, which cannot be applied by …",
);

/** A rollout against a wrangler whose answers begin with the given words; what it did, in order. */
async function roll(answers: Record<string, Ran>, smokes: string[][] = [], choices: Partial<Choices> = {}) {
  const done: string[] = [];
  const known: Record<string, Ran> = {
    "deployments status": { ok: true, output: RUNNING },
    "versions upload": { ok: true, output: "", uploaded: "new" },
    ...answers,
  };
  const wrangler = (...args: string[]) => {
    const command = args.join(" ");
    if (args[0] !== "deployments") done.push(command);
    return Object.entries(known).find(([start]) => command.startsWith(start))?.[1] ?? DONE;
  };
  const smoke = async (version?: string) => {
    done.push(`smoke ${version ?? "all"}`);
    return smokes.shift() ?? [];
  };
  const wait = async () => void done.push("wait");
  const tools = { wrangler, smoke, wait, say: () => {} };
  const error = await rollOut(tools, { percent: 10, isWhole: false, faults: [], ...choices }).catch((e) => e);
  if (error) expect(error).toBeInstanceOf(RolloutFailed);
  return { done, message: String(error?.message ?? "") };
}

const UPLOAD = "versions upload --minify";
const MIGRATE = "d1 migrations apply DB --remote";
const WHOLE = "deploy --minify";
const BACK = "versions deploy old@100 --yes";
const UNSEEN = "versions deploy old@100 new@0 --yes";
const SHARE = "versions deploy old@90 new@10 --yes";
const ALL = "versions deploy new@100 --yes";

test("a version is uploaded, tested without a share of the requests, given some of them, and then all", async () => {
  const { done, message } = await roll({});
  expect(message).toBe("");
  expect(done).toEqual([
    UPLOAD,
    MIGRATE,
    UNSEEN,
    "smoke new",
    SHARE,
    "wait",
    "smoke new",
    ALL,
    "triggers deploy",
    "smoke all",
  ]);
});

test.each([
  [1, [], [UPLOAD, MIGRATE, UNSEEN, "smoke new", BACK]],
  [2, [[]], [UPLOAD, MIGRATE, UNSEEN, "smoke new", SHARE, "wait", "smoke new", BACK]],
  [
    3,
    [[], []],
    [
      UPLOAD,
      MIGRATE,
      UNSEEN,
      "smoke new",
      SHARE,
      "wait",
      "smoke new",
      ALL,
      "triggers deploy",
      "smoke all",
      BACK,
    ],
  ],
])("when smoke test %d fails, the version before gets every request back", async (_, passed, steps) => {
  const { done, message } = await roll({}, [...passed, ["/readyz: 503"]]);
  expect(done).toEqual(steps);
  expect(message).toContain("/readyz: 503");
  expect(message).toContain("The version old gets all requests, as before.");
});

test("when a share cannot be given, or not be taken back, the message says what runs", async () => {
  const shared = await roll({ [SHARE]: failed("the API is away") });
  expect(shared.done.at(-1)).toBe(BACK);
  expect(shared.message).toContain("the API is away");
  const stuck = await roll({ [BACK]: failed("no") }, [["wrong"]]);
  expect(stuck.message).toContain("npm run rollback");
});

test("when a migration fails, nothing is deployed", async () => {
  const { done, message } = await roll({ d1: failed("near DROP") });
  expect(done).toEqual([UPLOAD, MIGRATE]);
  expect(message).toContain("Nothing was deployed.");
});

test("the first version is deployed whole, also one that is not configured yet: it serves nobody", async () => {
  const faults = ["PUBLIC_URL: not a public address"];
  for (const [command, answer] of [
    ["deployments status", NO_WORKER],
    ["versions upload", CLASS_CHANGE],
  ] as const) {
    const { done, message } = await roll({ [command]: answer }, [], { faults });
    expect(message).toBe("");
    expect(done.filter((step) => step !== UPLOAD)).toEqual([MIGRATE, WHOLE]);
  }
});

test("a later version that is not configured is not deployed, and the variable is named", async () => {
  const { done, message } = await roll({}, [], { faults: ["PUBLIC_URL: not a public address"] });
  expect(done).toEqual([UPLOAD]);
  expect(message).toContain("PUBLIC_URL: not a public address");
});

test("a changed Durable Object class is deployed whole and tested, as with --whole", async () => {
  const changed = await roll({ "versions upload": CLASS_CHANGE });
  expect(changed.done).toEqual([UPLOAD, MIGRATE, WHOLE, "smoke all"]);
  const whole = await roll({}, [], { isWhole: true });
  expect(whole.done).toEqual([MIGRATE, WHOLE, "smoke all"]);
});

test("nothing is changed while another rollout is under way, or while it is not known what runs", async () => {
  const versions = [
    { version_id: "old", percentage: 90 },
    { version_id: "new", percentage: 10 },
  ];
  const halfway = await roll({ "deployments status": { ok: true, output: JSON.stringify({ versions }) } });
  expect([halfway.done, halfway.message]).toEqual([[], expect.stringContaining("npm run rollback")]);
  const unknown = await roll({ "deployments status": failed("Authentication error [code: 10000]") });
  expect([unknown.done, unknown.message]).toEqual([[], expect.stringContaining("Authentication error")]);
});
