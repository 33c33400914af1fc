/**
 * The access table: the rule of every operation. `operation()` and the OpenAPI document read it. `operation()` takes an
 * operation's name from it, so no route can exist without a rule.
 */
import { ROLES, type Role, STAFF_ROLES } from "../shared/enums.ts";

/** `public`: no token is read. `optional`: anybody may call, and staff may see more. Otherwise: the roles that may call. */
export type Rule = "public" | "optional" | readonly Role[];

const ADMIN = ["ADMIN"] as const;
const CUSTOMER = ["CUSTOMER"] as const;
const SIGNED_IN = ROLES;

/** The rule of every operation, by its operationId. */
const ACCESS = {
  register: "public",
  login: "public",
  refresh: "public",
  logout: "public",
  getMe: SIGNED_IN,
  updateMe: SIGNED_IN,
  changePassword: SIGNED_IN,
  forgotPassword: "public",
  resetPassword: "public",
  verifyEmail: "public",
  resendVerificationEmail: SIGNED_IN,
  exportMe: SIGNED_IN,
  eraseMe: CUSTOMER,

  getUser: ADMIN,
  updateUser: ADMIN,

  listCars: "optional",
  countCarFacets: "optional",
  getCar: "optional",
  createCar: STAFF_ROLES,
  replaceCar: STAFF_ROLES,
  updateCar: STAFF_ROLES,
  removeCar: STAFF_ROLES,
  addPhoto: STAFF_ROLES,
  orderPhotos: STAFF_ROLES,
  updatePhoto: STAFF_ROLES,
  removePhoto: STAFF_ROLES,
  getPhotoFile: "public",
  listAvailableSlots: "optional",

  listShowrooms: "optional",
  getShowroom: "optional",
  createShowroom: ADMIN,
  updateShowroom: ADMIN,
  listSpecialHours: "optional",
  createSpecialHours: ADMIN,
  removeSpecialHours: ADMIN,

  createBooking: SIGNED_IN,
  listBookings: STAFF_ROLES,
  listMyBookings: CUSTOMER,
  getBooking: SIGNED_IN,
  approveBooking: STAFF_ROLES,
  declineBooking: STAFF_ROLES,
  completeBooking: STAFF_ROLES,
  markBookingNoShow: STAFF_ROLES,
  cancelBooking: SIGNED_IN,
  rescheduleBooking: SIGNED_IN,
  assignBooking: STAFF_ROLES,

  createSale: STAFF_ROLES,
  listSales: STAFF_ROLES,
  getSale: STAFF_ROLES,
  voidSale: ADMIN,

  createStaff: ADMIN,
  listStaff: ADMIN,
  getStaff: STAFF_ROLES,
  getStaffMetrics: STAFF_ROLES,
  updateStaff: ADMIN,
  getShifts: STAFF_ROLES,
  putShifts: ADMIN,
  listAbsences: STAFF_ROLES,
  createAbsence: STAFF_ROLES,
  removeAbsence: STAFF_ROLES,
  createCalendarFeed: STAFF_ROLES,
  removeCalendarFeed: STAFF_ROLES,
  getCalendarFeed: "public",

  getFairness: ADMIN,

  listNotifications: ADMIN,
  replayNotification: ADMIN,

  getOpsStatus: ADMIN,
} as const satisfies Record<string, Rule>;

/** The name of an operation. */
export type OperationId = keyof typeof ACCESS;

/** The rule of an operation. */
export const ruleOf = (operationId: OperationId): Rule => ACCESS[operationId];
