/** The language of the interface. Dates and numbers are in it too, whatever language the browser prefers. */
export const LOCALE = "en";
