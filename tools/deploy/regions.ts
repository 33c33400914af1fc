/** What goes with each region: a cloud region near it for the Worker's placement, and where its database can be. */
import type { REGIONS } from "../../src/config.ts";

type Region = (typeof REGIONS)[number];

/** The places that D1 and R2 can be created in; a region without one of its own takes the nearest. */
type Location = "wnam" | "enam" | "weur" | "eeur" | "apac" | "oc";

/** The Worker is placed by the region of a cloud provider, because its placement knows no other names. */
export const PLACES: Record<Region, { placement: string; location: Location }> = {
  wnam: { placement: "aws:us-west-1", location: "wnam" },
  enam: { placement: "aws:us-east-1", location: "enam" },
  sam: { placement: "aws:us-east-1", location: "enam" },
  weur: { placement: "aws:eu-central-1", location: "weur" },
  eeur: { placement: "gcp:europe-central2", location: "eeur" },
  apac: { placement: "aws:ap-southeast-1", location: "apac" },
  "apac-ne": { placement: "aws:ap-northeast-1", location: "apac" },
  "apac-se": { placement: "aws:ap-southeast-1", location: "apac" },
  oc: { placement: "aws:ap-southeast-2", location: "oc" },
  afr: { placement: "aws:eu-central-1", location: "weur" },
  me: { placement: "gcp:europe-central2", location: "eeur" },
};
