/** What of wrangler.toml is not ready for a deployment, found before anything is uploaded. */
import { unstable_readConfig } from "wrangler";
import { Misconfigured, readConfig } from "../../src/config.ts";
import { PLACES } from "./regions.ts";

/** The parts of an environment that must fit each other. */
export type Environment = {
  name: string;
  vars: Record<string, unknown>;
  routes?: ReadonlyArray<string | { pattern: string }> | undefined;
  placement?: { region?: string } | undefined;
  send_email?: ReadonlyArray<{ allowed_sender_addresses?: readonly string[] }> | undefined;
};

/** Reads an environment of wrangler.toml; without a name the top level, which is production. */
export const readEnvironment = (env: string): Environment =>
  unstable_readConfig({ config: "wrangler.toml", ...(env ? { env } : {}) }, { hideWarnings: true });

/** The faults, each with the name of the variable or member. */
export function faultsOf({ vars, routes, placement, send_email }: Environment): string[] {
  try {
    // The secret is on Cloudflare.
    const config = readConfig({ ...vars, JWT_SECRET: "-".repeat(32) } as unknown as Env);
    const { placement: region } = PLACES[config.region];
    const host = new URL(config.publicUrl).host;
    const patterns = (routes ?? []).map((route) => (typeof route === "string" ? route : route.pattern));
    const senders = (send_email ?? []).flatMap((binding) => binding.allowed_sender_addresses ?? []);
    return [
      ...(patterns.some((pattern) => pattern.split("/")[0] === host)
        ? []
        : [`routes: no client reaches ${host}, the host of PUBLIC_URL`]),
      ...(patterns.every((pattern) => pattern.split("/")[0] === host)
        ? []
        : [`routes: another host than ${host}, the host of PUBLIC_URL`]),
      ...(placement?.region === region
        ? []
        : [`placement: with REGION = ${config.region} it is region = "${region}"`]),
      ...(senders.includes(config.email.from) ? [] : ["send_email: does not allow EMAIL_FROM as a sender"]),
    ];
  } catch (error) {
    if (error instanceof Misconfigured) return error.message.split("; ");
    throw error;
  }
}
