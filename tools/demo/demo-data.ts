/** Cars that could be real, their photos, and people. The same at every run. */
import { faker } from "@faker-js/faker";
import { uuidv7 } from "uuidv7";
import { newUserRow, vouchedFor } from "../../src/auth/users.ts";
import type { carPhotos, cars, staffProfiles, users } from "../../src/db/schema.ts";
import type { BODY_TYPES, FUEL_TYPES, Role } from "../../src/shared/enums.ts";
import { foldCase } from "../../src/shared/text.ts";
import { PHOTO_HEIGHT, PHOTO_WIDTH } from "./demo-photos.ts";

type Insert<Table extends { $inferInsert: unknown }> = Table["$inferInsert"];

/** Every demo user's password. */
export const DEMO_PASSWORD = "drive-safely-2026";

type Model = {
  make: string;
  model: string;
  body: (typeof BODY_TYPES)[number];
  fuels: ReadonlyArray<(typeof FUEL_TYPES)[number]>;
  /** Price when new, in whole units of money. */
  price: number;
  doors: number;
  seats: number;
};

const model = (
  make: string,
  name: string,
  body: Model["body"],
  fuels: Model["fuels"],
  price: number,
  doors = 5,
  seats = 5,
): Model => ({ make, model: name, body, fuels, price, doors, seats });

const MODELS: readonly Model[] = [
  model("Volkswagen", "Golf", "HATCHBACK", ["PETROL", "DIESEL", "HYBRID"], 31500),
  model("Volkswagen", "Passat", "WAGON", ["DIESEL", "HYBRID"], 42900),
  model("Volkswagen", "ID.4", "SUV", ["ELECTRIC"], 46900),
  model("Volkswagen", "Multivan", "VAN", ["DIESEL", "HYBRID"], 58000, 5, 7),
  model("Toyota", "Corolla", "SEDAN", ["PETROL", "HYBRID"], 29900, 4),
  model("Toyota", "RAV4", "SUV", ["HYBRID"], 43500),
  model("Toyota", "Hilux", "PICKUP", ["DIESEL"], 47200, 4),
  model("Toyota", "Yaris", "HATCHBACK", ["HYBRID", "PETROL"], 23900),
  model("BMW", "320d", "SEDAN", ["DIESEL"], 51900, 4),
  model("BMW", "X3", "SUV", ["DIESEL", "HYBRID"], 63900),
  model("BMW", "i4", "SEDAN", ["ELECTRIC"], 59900, 4),
  model("BMW", "430i Convertible", "CONVERTIBLE", ["PETROL"], 67500, 2, 4),
  model("Mercedes-Benz", "C 200", "SEDAN", ["PETROL", "DIESEL"], 52400, 4),
  model("Mercedes-Benz", "E 220 d", "WAGON", ["DIESEL"], 66900),
  model("Mercedes-Benz", "EQA", "SUV", ["ELECTRIC"], 50900),
  model("Škoda", "Octavia", "WAGON", ["PETROL", "DIESEL"], 34900),
  model("Škoda", "Enyaq", "SUV", ["ELECTRIC"], 44900),
  model("Citroën", "C3", "HATCHBACK", ["PETROL"], 19900),
  model("Citroën", "Berlingo", "VAN", ["DIESEL", "ELECTRIC"], 29800, 5, 7),
  model("Renault", "Clio", "HATCHBACK", ["PETROL", "HYBRID", "LPG"], 20900),
  model("Renault", "Mégane E-Tech", "HATCHBACK", ["ELECTRIC"], 39900),
  model("Ford", "Focus", "WAGON", ["PETROL", "DIESEL"], 30900),
  model("Ford", "Ranger", "PICKUP", ["DIESEL"], 45900, 4),
  model("Ford", "Mustang", "COUPE", ["PETROL"], 57900, 2, 4),
  model("Audi", "A4 Avant", "WAGON", ["DIESEL", "PETROL"], 49900),
  model("Audi", "Q5", "SUV", ["DIESEL", "HYBRID"], 61900),
  model("Audi", "TT", "COUPE", ["PETROL"], 48900, 2, 4),
  model("Fiat", "500", "HATCHBACK", ["HYBRID", "ELECTRIC"], 22900, 3, 4),
  model("Fiat", "Panda", "HATCHBACK", ["CNG", "PETROL"], 16900),
  model("Mazda", "MX-5", "CONVERTIBLE", ["PETROL"], 33900, 2, 2),
  model("Mazda", "CX-5", "SUV", ["PETROL", "DIESEL"], 37900),
  model("Volvo", "V60", "WAGON", ["DIESEL", "HYBRID"], 49900),
  model("Volvo", "EX30", "SUV", ["ELECTRIC"], 38900),
  model("Hyundai", "i30", "HATCHBACK", ["PETROL"], 26900),
  model("Hyundai", "Ioniq 5", "SUV", ["ELECTRIC"], 45900),
  model("Kia", "Ceed", "WAGON", ["PETROL", "HYBRID"], 28900),
  model("Kia", "EV6", "SUV", ["ELECTRIC"], 46900),
  model("Tesla", "Model 3", "SEDAN", ["ELECTRIC"], 42900, 4),
  model("Tesla", "Model Y", "SUV", ["ELECTRIC"], 46900),
  model("Porsche", "911 Carrera", "COUPE", ["PETROL"], 128700, 2, 4),
];

const COLORS = ["Black", "White", "Silver", "Grey", "Blue", "Red", "Green", "Orange", "Beige"];
const TRIMS = ["Comfort", "Style", "Business", "Sport", "Edition", "Premium"];
const EXTRAS = [
  "heated seats",
  "a panoramic roof",
  "adaptive cruise control",
  "parking sensors all round",
  "a tow bar",
  "matrix headlights",
  "wireless phone charging",
  "a head-up display",
];

/** A VIN: 17 characters without I, O and Q, different for every car. */
function vin(index: number): string {
  const head = faker.string.fromCharacters("ABCDEFGHJKLMNPRSTUVWXYZ0123456789", 11);
  return head + String(index + 1).padStart(6, "0");
}

const wholeHundreds = (amount: number) => Math.round(amount / 100) * 100;

/** `count` cars as they could stand in a showroom. The same cars at every call. `now` in milliseconds. */
export function demoCars(count: number, now: number): Insert<typeof cars>[] {
  faker.seed(2026);
  const thisYear = new Date(now).getUTCFullYear();
  return Array.from({ length: count }, (_, index) => {
    const kind = faker.helpers.arrayElement(MODELS);
    const fuel = faker.helpers.arrayElement(kind.fuels);
    const age = faker.number.int({ min: 0, max: 9 });
    const mileage =
      age === 0 ? faker.number.int({ min: 5, max: 3000 }) : age * faker.number.int({ min: 6000, max: 18000 });
    const worth = wholeHundreds(kind.price * 0.89 ** age * faker.number.float({ min: 0.93, max: 1.12 }));
    const isReduced = faker.datatype.boolean(0.25);
    const extras = faker.helpers.arrayElements(EXTRAS, { min: 1, max: 3 });
    const createdAt = now - faker.number.int({ min: 0, max: 120 * 24 * 60 }) * 60_000;
    return {
      id: uuidv7(),
      vin: vin(index),
      make: kind.make,
      makeKey: foldCase(kind.make),
      model: kind.model,
      modelKey: foldCase(kind.model),
      year: thisYear - age,
      mileage,
      fuelType: fuel,
      transmission: faker.helpers.arrayElement(
        fuel === "ELECTRIC" ? (["AUTOMATIC"] as const) : (["MANUAL", "AUTOMATIC", "DUAL_CLUTCH"] as const),
      ),
      color: faker.helpers.arrayElement(COLORS),
      bodyType: kind.body,
      engineCc:
        fuel === "ELECTRIC" ? null : faker.helpers.arrayElement([999, 1197, 1498, 1598, 1968, 1995, 2998]),
      doors: kind.doors,
      seats: kind.seats,
      driveType:
        kind.body === "SUV" || kind.body === "PICKUP"
          ? faker.helpers.arrayElement(["AWD", "4WD", "FWD"] as const)
          : faker.helpers.arrayElement(["FWD", "RWD"] as const),
      basePriceCents: worth * 100,
      discountPriceCents: isReduced ? wholeHundreds(worth * 0.94) * 100 : null,
      currency: "EUR",
      status: faker.datatype.boolean(0.05) ? ("RESERVED" as const) : ("AVAILABLE" as const),
      location: faker.helpers.arrayElement(["SHOWROOM", "SHOWROOM", "WAREHOUSE"] as const),
      description: `${kind.make} ${kind.model} ${faker.helpers.arrayElement(TRIMS)} with ${extras.join(", ")}.`,
      createdAt,
      updatedAt: createdAt,
    };
  });
}

/** The photos of the demo cars: each in the showroom, every eighth outside too; and what there is to be drawn. */
export function demoPhotos(stock: readonly Insert<typeof cars>[]) {
  return stock.flatMap((car, index) =>
    (index % 8 === 0 ? [false, true] : [false]).map((outside, place) => {
      const id = uuidv7();
      const row = {
        id,
        carId: car.id,
        key: `${id}.png`,
        thumbnailKey: `${id}-small.png`,
        contentType: "image/png",
        width: PHOTO_WIDTH,
        height: PHOTO_HEIGHT,
        altText: `${car.color} ${car.make} ${car.model}, ${outside ? "left side, outside" : "right side, in the showroom"}`,
        sortOrder: place,
        isPrimary: place === 0,
        createdAt: car.createdAt,
      } satisfies Insert<typeof carPhotos>;
      return { row, shows: [car.bodyType, car.color, outside] as const };
    }),
  );
}

type Person = {
  username: string;
  first_name: string;
  last_name: string;
  role: Role;
  commissionRate?: number;
};

const PEOPLE: readonly Person[] = [
  { username: "admin", first_name: "Ada", last_name: "Adler", role: "ADMIN", commissionRate: 0 },
  { username: "sam", first_name: "Sam", last_name: "Sommer", role: "SALES", commissionRate: 250 },
  { username: "sue", first_name: "Sue", last_name: "Summers", role: "SALES", commissionRate: 300 },
  { username: "carol", first_name: "Carol", last_name: "Carver", role: "CUSTOMER" },
  { username: "carl", first_name: "Carl", last_name: "Carlsen", role: "CUSTOMER" },
];

/** More customers, so that a showroom has as many as it could have. They sign in with the same password. */
const MORE_CUSTOMERS = 24;

/** The demo users and the profiles of those who work here. */
export async function demoPeople(now: number) {
  const people: Insert<typeof users>[] = [];
  const profiles: Insert<typeof staffProfiles>[] = [];
  for (const { role, commissionRate, ...person } of PEOPLE) {
    const email = `${person.username}@dealership.example`;
    const user = await newUserRow({ ...person, email, password: DEMO_PASSWORD }, now);
    // Nobody could open a link that is mailed to them.
    people.push({ ...user, ...vouchedFor(user), role });
    if (commissionRate !== undefined)
      profiles.push({
        id: uuidv7(),
        userId: user.id,
        salaryCents: 4_200_000,
        commissionRate,
        hireDate: "2021-04-01",
        createdAt: now,
        updatedAt: now,
      });
  }
  const [hashed] = people;
  faker.seed(2029);
  for (let n = 0; hashed && n < MORE_CUSTOMERS; n += 1) {
    const [firstName, lastName] = [faker.person.firstName(), faker.person.lastName()];
    const username = foldCase(`${firstName}.${lastName}.${n + 1}`.replace(/[^\w.]/g, ""));
    const email = `${username}@dealership.example`;
    const named = { username, usernameKey: username, email, emailKey: email, firstName, lastName };
    const phone = `+49 30 5550${String(200 + n)}`;
    // One hash for all: hashing is slow on purpose.
    people.push({ ...hashed, id: uuidv7(), ...named, phone, role: "CUSTOMER" });
  }
  return { people, profiles };
}
