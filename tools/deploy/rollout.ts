/**
 * A deployment in steps: migrations, an upload that no client sees, a smoke test, a share of the requests, all of them.
 * When a step fails, the version that ran before gets every request back.
 */

/** The result of a wrangler command. `uploaded`: the id of the version that it uploaded. */
export type Ran = { ok: boolean; output: string; uploaded?: string | undefined };

/** What a rollout works with. */
export type Tools = {
  wrangler: (...args: string[]) => Ran;
  /** Tests a version, or with none the deployment as clients see it. Settles with the faults that it found. */
  smoke: (version?: string) => Promise<string[]>;
  /** Lets clients use the new version for a while. */
  wait: () => Promise<void>;
  say: (step: string) => void;
};

/** What an operator chooses. */
export type Choices = {
  /** How many of 100 requests the new version gets first. */
  percent: number;
  /** Deploys for all requests at once: a changed Durable Object class cannot be deployed in steps. */
  isWhole: boolean;
  /** What of the configuration is not ready. */
  faults: readonly string[];
};

/** Ends a rollout. The message says what runs now. */
export class RolloutFailed extends Error {}

/**
 * Deploys what is in this folder.
 * @throws {RolloutFailed} when a step failed
 */
export async function rollOut({ wrangler, smoke, wait, say }: Tools, choices: Choices): Promise<void> {
  const must = (consequence: string, ...args: string[]): Ran => {
    const ran = wrangler(...args);
    if (!ran.ok) throw new RolloutFailed(`wrangler ${args.join(" ")} failed.\n${ran.output}\n${consequence}`);
    return ran;
  };

  const running = runningVersion(wrangler("deployments", "status", "--json"));
  // Nobody sees an uploaded version, so it may come before the migrations.
  const upload = running && !choices.isWhole ? wrangler("versions", "upload", "--minify") : undefined;
  const list = choices.faults.map((fault) => `  ${fault}`).join("\n");
  // A Worker without our classes is the empty one that "wrangler secret put" or the dashboard made.
  const isFirst = !running || (choices.faults.length > 0 && upload !== undefined && isClassChange(upload));
  if (list && !isFirst)
    throw new RolloutFailed(`wrangler.toml is not ready:\n${list}\nNothing was deployed.`);

  say("migrations");
  must("Nothing was deployed.", "d1", "migrations", "apply", "DB", "--remote");

  const whole = () => {
    say("deploying for all requests at once");
    must("See what runs: npx wrangler deployments status", "deploy", "--minify");
  };
  if (isFirst) {
    whole();
    if (list) say(`until wrangler.toml is ready, the Worker answers 503 or cannot be reached:\n${list}`);
    return say("the first version is deployed. Set the secrets, then test it: npm run smoke -- URL");
  }

  const giveBack = (why: string): never => {
    const back = wrangler("versions", "deploy", `${running}@100`, "--yes");
    throw new RolloutFailed(
      back.ok
        ? `${why}\nThe version ${running} gets all requests, as before.`
        : `${why}\nAnd it could not be taken back: run "npm run rollback".\n${back.output}`,
    );
  };
  const passes = async (version?: string) => {
    say(version ? `smoke test of version ${version}` : "smoke test");
    const faults = await smoke(version);
    if (faults.length > 0) giveBack(`The smoke test failed:\n${faults.map((f) => `  ${f}`).join("\n")}`);
  };

  if (!upload || isClassChange(upload)) {
    whole();
    return passes();
  }
  const next = upload.uploaded;
  if (!upload.ok || !next)
    throw new RolloutFailed(`The upload failed.\n${upload.output}\nNothing was deployed.`);

  const share = (percent: number) => {
    say(`${percent} % of the requests`);
    // Always in this order: then an object that runs the new version never goes back to the old one.
    const versions =
      percent === 100 ? [`${next}@100`] : [`${running}@${100 - percent}`, `${next}@${percent}`];
    const ran = wrangler("versions", "deploy", ...versions, "--yes");
    if (!ran.ok) giveBack(ran.output);
  };
  share(0);
  await passes(next);
  share(choices.percent);
  await wait();
  await passes(next);
  share(100);
  must("The new version runs, but its routes and cron may be the old ones.", "triggers", "deploy");
  await passes();
}

/** The only version that runs; none when there is no such Worker yet. */
function runningVersion({ ok, output }: Ran): string | undefined {
  if (!ok) {
    if (/code: 10007|does not exist/.test(output)) return undefined;
    throw new RolloutFailed(`What runs now is not known.\n${output}\nNothing was changed.`);
  }
  const { versions } = JSON.parse(output.slice(output.indexOf("{"))) as {
    versions: { version_id: string }[];
  };
  if (versions.length > 1)
    throw new RolloutFailed(
      'Two versions share the requests: a rollout is under way, or was left. Finish it with "npx wrangler versions deploy", or run "npm run rollback".',
    );
  return versions[0]?.version_id;
}

const isClassChange = ({ ok, output }: Ran): boolean =>
  !ok && /Durable Object (class|migration)/i.test(output);
