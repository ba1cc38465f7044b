const ID = /^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/i;

/** Whether a text is an id. Everything else can be the slug of a pipeline, which never looks like an id. */
export function isId(text: string): boolean {
  return ID.test(text);
}
