/** The texts of the e-mails. Pure: `layout.ts` renders and escapes them. */
import { isActive } from "../bookings/booking.ts";
import type { BookingFacts, ClosingFacts, SaleFacts } from "../outbox/notices.ts";
import type { NotificationKind } from "../shared/enums.ts";
import { formatDay, formatHour } from "../shared/showroom-time.ts";
import { type Content, type Email, renderEmail } from "./layout.ts";

/** A car in a message: year, make and model, and the URL of its page. */
type CarMention = { name: string; url: string };

/** The mention of a car. `publicUrl` begins its link. */
export const mentionOf = (
  car: { carId: string; make: string | null; model: string | null; year: number | null },
  publicUrl: string,
): CarMention => ({
  name: `${car.year} ${car.make} ${car.model}`,
  url: `${publicUrl}/api/cars/${car.carId}/`,
});

type BookingKind = Extract<NotificationKind, `booking_${string}`>;

/** The showroom that a message is about. `address` and `phone` may be empty. */
type ShowroomMention = { name: string; timeZone: string; address: string; phone: string };

/** How staff reach a customer. `name` is the full name or the username; the others may be empty. */
export type Contact = { name: string; phone: string; email: string; isVerified: boolean };

/** A message to staff about a test drive. */
type StaffMessage = {
  kind: "staff_booking";
  car: CarMention;
  booking: BookingFacts;
  notes: string;
  reason: string;
  contact: Contact;
  /** The full name of who drives along now, which may be empty; null when nobody does. */
  salesperson: string | null;
  /** Whether the reader drives along. */
  isReader: boolean;
};

/**
 * The input of one message. `customer` is the customer's first name or username. `reason`: the words of the person who
 * declined or cancelled the booking. `salesperson`: the full name of who awaits the customer now; may be empty.
 */
export type Message = { showroom: ShowroomMention; customer: string } & (
  | { kind: BookingKind; car: CarMention; booking: BookingFacts; reason: string; salesperson: string }
  | StaffMessage
  | { kind: "sale_confirmed"; car: CarMention; sale: SaleFacts }
  | { kind: "staff_user_deactivated"; user: string; closing: ClosingFacts }
  | { kind: "password_reset"; url: string; token: string; validMinutes: number }
  // Without a link: the address belongs to another account.
  | { kind: "email_verification"; link: { url: string; token: string } | undefined; validHours: number }
  | { kind: "email_changed"; isRemoval: boolean; contact: string }
);

/** Writes the e-mail of a message. */
export const writeMail = (message: Message): Email => renderEmail(contentOf(message), message.showroom.name);

function contentOf(message: Message): Content {
  switch (message.kind) {
    case "sale_confirmed":
      return saleContent(message);
    case "password_reset":
      return passwordContent(message);
    case "email_verification":
      return verificationContent(message);
    case "email_changed":
      return addressContent(message);
    case "staff_booking":
      return staffContent(message);
    case "staff_user_deactivated":
      return closingContent(message);
    default:
      return bookingContent(message);
  }
}

type About<Kind extends NotificationKind> = Message & { kind: Kind };

/** A test drive's day and hours in showroom time. */
const formatTimeRange = (startAt: number, endAt: number, timeZone: string): string =>
  `${formatDay(startAt, timeZone)}, ${formatHour(startAt, timeZone)} to ${formatHour(endAt, timeZone)}`;

function bookingContent(message: About<BookingKind>): Content {
  const { kind, booking, car, customer, reason, salesperson, showroom } = message;
  const { timeZone } = showroom;
  const { startAt, previousStartAt } = booking;
  const moved = previousStartAt !== undefined;
  const day = formatDay(startAt, timeZone);
  const content = {
    details: [
      ...timesOf(booking, car, timeZone),
      ...(isActive(booking.status) ? [...awaitedBy(salesperson), ...placeOf(showroom)] : []),
    ],
    link: { label: "See the car", url: car.url },
    footnotes: [zoneNote(timeZone)],
  };
  const hello = greeting(customer);
  // Only words of the showroom. The address may belong to somebody else, whom a customer must not reach through us.
  const quote = booking.by === "staff" ? quoted("The showroom writes", reason) : undefined;
  switch (kind) {
    case "booking_received":
      return {
        ...content,
        subject: `We have your request: ${car.name} on ${day}`,
        heading: "We have your request",
        paragraphs: [
          hello,
          "Thank you for asking for a test drive. This time is held for you, and we will write again as soon as it is confirmed.",
        ],
      };
    case "booking_approved":
      return {
        ...content,
        subject: `${moved ? "Confirmed at a new time" : "Confirmed"}: your test drive of the ${car.name} on ${day}`,
        heading: moved ? "Your test drive is confirmed at a new time" : "Your test drive is confirmed",
        paragraphs: [hello, "We look forward to seeing you. Please bring your driving licence."],
      };
    case "booking_declined":
      return {
        ...content,
        subject: `We cannot offer your test drive on ${day}`,
        heading: "We cannot offer this test drive",
        paragraphs: [
          hello,
          "We are sorry: the test drive you asked for cannot take place at this time. You are welcome to choose another one.",
        ],
        quote,
      };
    case "booking_cancelled":
      return {
        ...content,
        // A car that was removed from the stock has no page.
        link: booking.reason === "car_removed" ? undefined : content.link,
        subject: `Cancelled: your test drive on ${day}`,
        heading: "Your test drive is cancelled",
        paragraphs: [hello, whyCancelled(booking.reason)],
        quote,
      };
    case "booking_rescheduled":
      return {
        ...content,
        subject: `New time for your test drive: ${day}, ${formatHour(startAt, timeZone)}`,
        heading: "Your test drive has a new time",
        paragraphs: [
          hello,
          booking.status === "APPROVED"
            ? "The new time is confirmed. We look forward to seeing you."
            : "The new time is held for you, and we will write again as soon as it is confirmed.",
        ],
      };
    case "booking_reminder":
      return {
        ...content,
        subject: `Reminder: your test drive on ${day}, ${formatHour(startAt, timeZone)}`,
        heading: "Your test drive is coming up",
        paragraphs: [
          hello,
          "We look forward to seeing you. Please bring your driving licence. If you cannot come, please let us know.",
        ],
      };
  }
}

/**
 * Greets by name only if the text is a name. An attacker can register with the reader's address and any text as the
 * name, so that the showroom would send that text to the reader.
 */
const greeting = (name: string): string =>
  /^[\p{L}\p{M}][\p{L}\p{M}' -]{0,39}$/u.test(name) ? `Hello ${name},` : "Hello,";

/** The words of a person, if there are any. */
const quoted = (label: string, words: string): Content["quote"] =>
  words.trim() === "" ? undefined : { label, words };

function staffContent(message: StaffMessage & { showroom: ShowroomMention }): Content {
  const { booking, car, contact, notes, reason, salesperson, isReader, showroom } = message;
  const { timeZone } = showroom;
  const { startAt, status, handover } = booking;
  const when = `${formatDay(startAt, timeZone)}, ${formatHour(startAt, timeZone)}`;
  const { event, heading, paragraph } = staffNews(message);
  const content = {
    subject: `${event} test drive: ${car.name} on ${when}`,
    heading,
    paragraphs: [paragraph],
    details: [...timesOf(booking, car, timeZone), ["Showroom", showroom.name] as [string, string]],
    link: { label: "See the car", url: car.url },
    footnotes: [zoneNote(timeZone)],
  };
  // How to reach the customer is for the one who will meet them.
  if (handover === "taken") return content;
  return {
    ...content,
    details: [
      ...reach(contact),
      ...content.details,
      ...(isReader || salesperson === null
        ? []
        : [["Salesperson", salesperson || "A colleague"] as [string, string]]),
    ],
    quote:
      status === "CANCELLED" || status === "DECLINED"
        ? quoted(booking.by === "customer" ? "The customer's reason" : "The reason", reason)
        : quoted("The customer's notes", notes),
    ...(contact.email === "" ? {} : { footnotes: ["A reply goes to the customer.", ...content.footnotes] }),
  };
}

/** The rows that name a customer and say how to reach them. */
const reach = ({ name, phone, email, isVerified }: Contact): Content["details"] => [
  ["Customer", name],
  ...(phone === "" ? [] : [["Phone", phone] as [string, string]]),
  ...(email === "" ? [] : [["E-mail", isVerified ? email : `${email} (not confirmed)`] as [string, string]]),
];

function staffNews({ booking, salesperson, isReader }: StaffMessage) {
  const { status, previousStartAt, handover, by, reason } = booking;
  if (status === "CANCELLED")
    return {
      event: "Cancelled",
      heading: "A test drive was cancelled",
      paragraph: whyCancelledForStaff(by, reason),
    };
  if (status === "DECLINED")
    return {
      event: "Declined",
      heading: "A test drive was declined",
      paragraph: "A colleague declined it. The slot is free again.",
    };
  if (handover === "taken")
    return {
      event: "Reassigned",
      heading: "A test drive is no longer yours",
      paragraph: `${salesperson || "Somebody else"} will drive along. There is nothing to do.`,
    };
  const paragraph =
    status === "APPROVED" ? "It is confirmed; there is nothing to do." : "Please approve or decline it.";
  if (handover === "given" && salesperson === null)
    return {
      event: "Unassigned",
      heading: "A test drive has no salesperson",
      paragraph: `Nobody drives along yet: please assign somebody.${status === "APPROVED" ? "" : ` ${paragraph}`}`,
    };
  if (handover === "given")
    return {
      event: "Reassigned",
      heading: isReader ? "A test drive is yours now" : "A test drive has another salesperson",
      paragraph,
    };
  return previousStartAt === undefined
    ? { event: "New", heading: "New test drive request", paragraph }
    : { event: "Moved", heading: "A test drive was moved", paragraph };
}

function whyCancelledForStaff(by: BookingFacts["by"], reason: BookingFacts["reason"]): string {
  switch (reason) {
    case "car_sold":
      return "The car has been sold.";
    case "car_removed":
      return "The car is no longer for sale.";
    case "account_closed":
      return "The account of the customer was closed. The slot is free again.";
    default:
      return `${by === "customer" ? "The customer" : "A colleague"} cancelled it. The slot is free again.`;
  }
}

function closingContent({ user, closing, showroom }: About<"staff_user_deactivated">): Content {
  const { by, erased, drives } = closing;
  const what = erased ? "erased" : "deactivated";
  return {
    subject: `Account ${what}${drives.length > 0 ? ", coming test drives cancelled" : ""}`,
    heading: `An account was ${what}`,
    paragraphs: [
      drives.length === 0
        ? "It had no coming test drives. There is nothing to do."
        : "Its coming test drives are cancelled, and their times are free again. The customer gets no mail about it.",
    ],
    details: [
      ["Account", user],
      ["By", by ?? "the customer"],
      ...drives.map(({ car, startAt, endAt, timeZone }): [string, string] => [
        "Cancelled",
        `${car}, ${formatTimeRange(startAt, endAt, timeZone ?? showroom.timeZone)}`,
      ]),
    ],
    footnotes: ["The times are local times of each car's showroom."],
  };
}

function saleContent({ car, customer, sale }: About<"sale_confirmed">): Content {
  return {
    subject: `Your purchase of the ${car.name}`,
    heading: "Congratulations on your car",
    paragraphs: [greeting(customer), "Thank you for buying from us. This is what we have on record."],
    details: [
      ["Car", car.name],
      ["Price", formatPrice(sale.price, sale.currency)],
      ...(sale.contractNumber === "" ? [] : [["Contract", sale.contractNumber] as [string, string]]),
    ],
    link: { label: "See the car", url: car.url },
    footnotes: ["If anything here is not right, please tell us."],
  };
}

function passwordContent({ customer, token, url, validMinutes }: About<"password_reset">): Content {
  return {
    subject: "Choose a new password",
    heading: "Choose a new password",
    paragraphs: [
      greeting(customer),
      `Somebody, we hope you, asked for a new password. The link works once, within ${validMinutes} minutes.`,
    ],
    details: [["Or with this code", token]],
    link: { label: "Choose a new password", url },
    footnotes: [
      "If you did not ask for this, do nothing: your password does not change. Do not forward this message.",
    ],
  };
}

function verificationContent({ customer, link, validHours }: About<"email_verification">): Content {
  const hello = greeting(customer);
  if (!link)
    return {
      subject: "You have an account already",
      heading: "You have an account already",
      paragraphs: [
        hello,
        "Somebody, we hope you, entered this e-mail address for an account. It belongs to another account already, and stays there.",
        "Please sign in to that account with this address. If you have forgotten its password, ask for a new one.",
      ],
      details: [],
      footnotes: ["If this was not you, do nothing: your account has not changed."],
    };
  return {
    subject: "Please confirm your e-mail address",
    heading: "Is this your e-mail address?",
    paragraphs: [
      hello,
      `Somebody, we hope you, entered this e-mail address for an account with us. Please confirm that it is yours. The link works once, within ${validHours} hours.`,
    ],
    details: [["Or with this code", link.token]],
    link: { label: "Confirm the address", url: link.url },
    footnotes: [
      "If this was not you, do nothing, and the address stays unconfirmed. Do not forward this message.",
    ],
  };
}

function addressContent({ customer, isRemoval, contact }: About<"email_changed">): Content {
  return {
    subject: isRemoval ? "Your e-mail address was removed" : "Your e-mail address is about to change",
    heading: isRemoval ? "Your e-mail address was removed" : "Your e-mail address is about to change",
    paragraphs: [
      greeting(customer),
      isRemoval
        ? "Somebody who knows your password, we hope you, removed this e-mail address from your account. We will not write to it any more."
        : "Somebody who knows your password, we hope you, asked to replace this e-mail address of your account. The new address is used as soon as it is confirmed. Until then nothing changes.",
      `If this was not you, please tell us at once: answer this message, or write to ${contact}.${
        isRemoval ? "" : " Choosing a new password stops the change."
      }`,
    ],
    details: [],
    footnotes: [],
  };
}

function whyCancelled(reason: BookingFacts["reason"]): string {
  switch (reason) {
    case "car_sold":
      return "We are sorry: the car has been sold, so this test drive cannot take place. We will gladly show you another one.";
    case "car_removed":
      return "We are sorry: the car is no longer for sale, so this test drive cannot take place. We will gladly show you another one.";
    default:
      return "This test drive will not take place. You are welcome to choose another time.";
  }
}

/** The car and its times. A mail may be the first about a move, also when it is about something later. */
function timesOf(booking: BookingFacts, car: CarMention, timeZone: string): Content["details"] {
  const { startAt, endAt, previousStartAt, status } = booking;
  const when = formatTimeRange(startAt, endAt, timeZone);
  if (previousStartAt === undefined)
    return [
      ["Car", car.name],
      ["When", when],
    ];
  return [
    ["Car", car.name],
    [isActive(status) ? "New time" : "When", when],
    ["Before", formatTimeRange(previousStartAt, previousStartAt + (endAt - startAt), timeZone)],
  ];
}

/** Who drives along, by name. */
const awaitedBy = (salesperson: string): Content["details"] =>
  salesperson === "" ? [] : [["Your contact", salesperson]];

/** Where a drive begins, and whom to call. */
const placeOf = ({ name, address, phone }: ShowroomMention): Content["details"] => [
  ["Where", address === "" ? name : `${name}, ${address}`],
  ...(phone === "" ? [] : [["Phone", phone] as [string, string]]),
];

const zoneNote = (timeZone: string): string =>
  `All times are local times of the showroom (${timeZone.replaceAll("_", " ")}).`;

/** Writes two decimals for every currency, as amounts are stored. */
const formatPrice = (cents: number, currency: string): string =>
  new Intl.NumberFormat("en-GB", {
    style: "currency",
    currency,
    currencyDisplay: "code",
    minimumFractionDigits: 2,
    maximumFractionDigits: 2,
  }).format(cents / 100);
