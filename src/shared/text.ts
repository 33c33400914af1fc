/**
 * Folds a name for comparison without regard to case, in any script. The detour over capitals makes ß equal to SS, and
 * the two small sigmas equal.
 */
export const foldCase = (text: string): string => text.normalize("NFKC").toUpperCase().toLowerCase();
