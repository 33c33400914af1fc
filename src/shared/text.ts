/**
 * The form of a name under which it is compared without regard to case, in any script. By way of the capitals, which
 * is where ß and SS, or the two small sigmas, meet.
 */
export const foldCase = (text: string): string => text.normalize("NFKC").toUpperCase().toLowerCase();
