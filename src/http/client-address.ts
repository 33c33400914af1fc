/** The client address that a rate limit counts. */
import type { Context } from "hono";
import { Misconfigured } from "../config.ts";
import type { AppEnv } from "./context.ts";

/**
 * The address that a request counts against: an IPv4 address, or the /64 network of an IPv6 address, because a client
 * with one address of such a network has all of them. Cloudflare sets the header; a client cannot.
 * @throws {Misconfigured} when production does not know the address: all clients would share every limit
 */
export function clientAddress(c: Context<AppEnv>): string {
  const address = c.req.header("CF-Connecting-IP");
  if (address) return address.includes(":") ? networkOf(address) : address;
  if (c.get("config").environment === "production")
    throw new Misconfigured("CF-Connecting-IP is missing: the request did not come through Cloudflare");
  return "local";
}

/** The first four groups of an IPv6 address. An IPv4 address in IPv6 form is that IPv4 address. */
function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+(?:\.\d+){3})$/i.exec(address)?.[1];
  if (mapped) return mapped;
  const [head = "", tail] = address.toLowerCase().split("::");
  const first = head === "" ? [] : head.split(":");
  const last = tail ? tail.split(":") : [];
  const groups =
    tail === undefined ? first : [...first, ...Array(8 - first.length - last.length).fill("0"), ...last];
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ""))
    .join(":")}::/64`;
}
