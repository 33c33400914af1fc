/** Conditional requests: entity tags, 304 when the reader's copy is current, 412 when the writer's version is stale. */
import type { Context } from "hono";
import { sha256 } from "../shared/digest.ts";

const listed = (header: string) => header.split(",").map((tag) => tag.trim());

/** Whether the reader's `If-None-Match` names the tag. The comparison is weak, as RFC 9110 requires for reads. */
export const isKnown = (c: Context, tag: string): boolean => {
  const header = c.req.header("If-None-Match");
  if (header === undefined) return false;
  return listed(header).some((known) => known === "*" || known.replace(/^W\//, "") === tag);
};

/**
 * The versions in the writer's `If-Match`; the resource must have one of them. `undefined` without the header, and for
 * `*`, which only requires that the resource exists. The comparison is strong, as RFC 9110 requires for writes.
 */
export function expectedVersions(c: Context): readonly number[] | undefined {
  const header = c.req.header("If-Match");
  if (header === undefined || listed(header).includes("*")) return undefined;
  return listed(header).flatMap((tag) => (/^"\d{1,15}"$/.test(tag) ? [Number(tag.slice(1, -1))] : []));
}

/** The tag of a resource with a version. */
export const versionTag = (version: number): string => `"${version}"`;

/** The tag of a body. */
export const bodyTag = async (bytes: Uint8Array<ArrayBuffer>): Promise<string> =>
  `"${(await sha256(bytes)).slice(0, 32)}"`;

/** The OpenAPI response 304. */
export const notModifiedAnswer = { description: "The caller's copy is current" } as const;
