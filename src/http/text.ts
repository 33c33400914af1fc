/** The form of a name under which it is compared without regard to case, in any script. */
export const foldCase = (text: string): string => text.normalize("NFKC").toLowerCase();
