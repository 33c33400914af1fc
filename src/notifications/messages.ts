/** What the e-mails say. Pure: facts in, text and HTML out. Everything that people typed is escaped. */
import { formatDay, formatHour } from "../bookings/slots.ts";
import type { NotificationKind } from "../vocabulary.ts";

/** What a message about a test drive needs to know. */
export type BookingMessage = {
  kind: NotificationKind;
  showroom: { name: string; timeZone: string };
  /** First name or username. */
  customer: string;
  /** Year, make and model. */
  car: string;
  carUrl: string;
  startAt: number;
  endAt: number;
};

/** An e-mail, ready to be sent. */
export type Mail = { subject: string; text: string; html: string };

type Wording = { subject: string; paragraphs: string[] };

function wording(message: BookingMessage): Wording {
  const { kind, car, customer, showroom, startAt, endAt } = message;
  const day = formatDay(startAt, showroom.timeZone);
  const from = formatHour(startAt, showroom.timeZone);
  const when = `${day}, ${from} to ${formatHour(endAt, showroom.timeZone)}`;
  switch (kind) {
    case "booking_received":
      return {
        subject: `We have your request: ${car} on ${day}`,
        paragraphs: [
          `Hello ${customer},`,
          `Thank you for asking to drive the ${car} on ${when}.`,
          "The time is held for you. We will confirm it shortly.",
        ],
      };
    case "booking_approved":
      return {
        subject: `Confirmed: your test drive of the ${car} on ${day}`,
        paragraphs: [
          `Hello ${customer},`,
          `Your test drive of the ${car} is confirmed for ${when}.`,
          "Please bring your driving licence. We look forward to seeing you.",
        ],
      };
    case "booking_declined":
      return {
        subject: `We cannot offer your test drive on ${day}`,
        paragraphs: [
          `Hello ${customer},`,
          `We are sorry: the test drive of the ${car} on ${when} cannot take place.`,
          "You are welcome to choose another time.",
        ],
      };
    case "booking_cancelled":
      return {
        subject: `Cancelled: your test drive on ${day}`,
        paragraphs: [
          `Hello ${customer},`,
          `Your test drive of the ${car} on ${when} is cancelled.`,
          "You are welcome to choose another time.",
        ],
      };
    case "staff_booking":
      return {
        subject: `New test drive to confirm: ${car} on ${day}`,
        paragraphs: [
          `${customer} asks to drive the ${car} on ${when}.`,
          "Please approve or decline the request.",
        ],
      };
    default:
      throw new Error(`no wording for ${kind}`);
  }
}

/** Writes the e-mail of a notification about a test drive. */
export function bookingMail(message: BookingMessage): Mail {
  const { subject, paragraphs } = wording(message);
  const { showroom, carUrl, car } = message;
  const zone = `Times are ${showroom.timeZone.replaceAll("_", " ")} time.`;
  return {
    subject: oneLine(subject),
    text: [...paragraphs.map(oneLine), `${oneLine(car)}: ${carUrl}`, zone, oneLine(showroom.name)].join(
      "\n\n",
    ),
    html: page(subject, [
      ...paragraphs.map((paragraph) => `<p>${escapeHtml(paragraph)}</p>`),
      `<p><a href="${escapeHtml(carUrl)}">${escapeHtml(car)}</a></p>`,
      `<p class="small">${escapeHtml(zone)}<br>${escapeHtml(showroom.name)}</p>`,
    ]),
  };
}

const page = (title: string, body: string[]): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>
body { margin: 0; background: #f4f4f2; font: 16px/1.5 system-ui, sans-serif; color: #1d1d1b; }
main { max-width: 34em; margin: 0 auto; padding: 24px 20px; background: #fff; }
a { color: #0b5394; }
.small { color: #666; font-size: 14px; }
</style></head><body><main>
${body.join("\n")}
</main></body></html>
`;

const ENTITIES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (sign) => ENTITIES[sign] ?? sign);

/** Text that cannot start a header or a paragraph of its own. */
const oneLine = (text: string): string => text.replace(/\s+/g, " ").trim();
