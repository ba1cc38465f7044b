// Makes a context out of the bare language: a console, a clock that stands still, and what calls `main`.
// Everything it needs is kept before the user's code can change it. Its value is `drive(order, …)`.
(() => {
  "use strict";
  const [MAX_DEPTH, MAX_LENGTH, MAX_DIGITS, MAX_TEXT] = [100, 1048576, 400, 65536];
  const { parse, stringify } = JSON;
  const { isArray } = Array;
  const { apply, construct, defineProperty, getOwnPropertyDescriptor, ownKeys } = Reflect;
  const { keys } = Object;
  const { isFinite, isInteger, isSafeInteger } = Number;
  const [RealDate, RealMap, RealSet, RealError, RealPromise] = [Date, Map, Set, Error, Promise];
  const [RealNumber, RealString, RealBoolean, RealBigInt] = [Number, String, Boolean, BigInt];
  const bound = (method) => (self, first, second) => apply(method, self, [first, second]);
  const classOf = bound(Object.prototype.toString);
  const then = bound(Promise.prototype.then);
  const exponential = bound(Number.prototype.toExponential);
  const isWellFormed = bound(String.prototype.isWellFormed);
  const wellFormed = bound(String.prototype.toWellFormed);
  const slice = bound(String.prototype.slice);
  const includes = bound(String.prototype.includes);
  const join = bound(Array.prototype.join);
  // A text that was added up is a rope inside, which the host cannot read.
  const flat = (text) => join([text], "");
  const matches = bound(RegExp.prototype.test);
  const INTEGER = /^-?[0-9]+$/;
  const print = globalThis.__stepiq_print;

  delete globalThis.__stepiq_print;
  delete globalThis.performance;
  delete globalThis.Atomics;
  delete globalThis.SharedArrayBuffer;

  // --- the clock ---

  const stopClock = (now) => {
    const StoppedDate = function Date(...parts) {
      if (new.target === undefined) return apply(RealDate.prototype.toString, new RealDate(now), []);
      return construct(RealDate, parts.length === 0 ? [now] : parts, new.target);
    };
    for (const name of ownKeys(RealDate)) {
      defineProperty(StoppedDate, name, getOwnPropertyDescriptor(RealDate, name));
    }
    defineProperty(StoppedDate, "now", { value: () => now, writable: true, configurable: true });
    defineProperty(RealDate.prototype, "constructor", { value: StoppedDate, writable: true, configurable: true });
    globalThis.Date = StoppedDate;
  };

  // --- the console ---

  let left = MAX_TEXT;
  const shown = (value) => {
    if (typeof value === "string") return value;
    try {
      if (value instanceof RealError) return `${value.name}: ${value.message}`;
      if (typeof value === "object" && value !== null) return stringify(value, showable) ?? classOf(value);
      return typeof value === "bigint" ? `${value}n` : RealString(value);
    } catch {
      return "[cannot be shown]";
    }
  };
  const showable = (_, value) => {
    if (typeof value === "bigint") return `${value}n`;
    if (typeof value === "function") return `[function ${value.name}]`;
    return value instanceof RealMap || value instanceof RealSet ? [...value] : value;
  };
  const log = (...values) => {
    if (left < 0) return;
    let line = "";
    for (let index = 0; index < values.length && line.length < MAX_TEXT; index++) {
      line += (index ? " " : "") + shown(values[index]);
    }
    // A line's end counts. One that goes over the limit is passed on to be cut there, as a sign that there was more.
    left -= line.length + 1;
    print(flat(wellFormed(slice(line, 0, MAX_TEXT))));
  };
  globalThis.console = { log, debug: log, info: log, warn: log, error: log };

  // --- the input ---

  // A double cannot hold a longer integer: it comes as a BigInt, not as another number.
  const exactly = (_, value, { source }) =>
    typeof value === "number" && !isSafeInteger(value) && matches(INTEGER, source) ? RealBigInt(source) : value;

  // --- the result ---

  class Refusal {
    constructor(kind, text) {
      this.kind = kind;
      this.text = text;
    }
  }
  const refuse = (value, where, what) => {
    let path = "";
    for (let at = where; at !== null; at = at.parent) {
      path = (typeof at.key === "number" ? `[${at.key}]` : `.${slice(at.key, 0, 60)}`) + path;
    }
    throw new Refusal("E", wellFormed(`\`result${path}\` ${what}.`));
  };
  const number = (value, where) => {
    if (!isFinite(value)) refuse(value, where, `is ${value}`);
    if (value === 0) return 1 / value < 0 ? "-0.0" : "0";
    // Written out, it would read as an integer that is a little off.
    return isInteger(value) && !isSafeInteger(value) ? exponential(value) : `${value}`;
  };
  const text = (value, where) => {
    if (!isWellFormed(value)) refuse(value, where, "has half of a surrogate pair");
    if (includes(value, "\0")) refuse(value, where, "has the character U+0000, which cannot be stored");
    return stringify(value);
  };
  const integer = (value, where) => {
    const digits = `${value}`;
    if (digits.length > MAX_DIGITS) refuse(value, where, `is an integer of more than ${MAX_DIGITS} characters`);
    return digits;
  };
  const plain = (value, key) => {
    if (typeof value !== "object" || value === null) return value;
    if (typeof value.toJSON === "function") value = value.toJSON(key);
    const boxed = value instanceof RealNumber || value instanceof RealString || value instanceof RealBoolean;
    return boxed ? value.valueOf() : value;
  };
  const container = (value, where, depth, parts) => {
    if (depth === MAX_DEPTH) refuse(value, null, `nests deeper than ${MAX_DEPTH} levels, or contains itself`);
    if (isArray(value)) {
      append(parts, "[");
      for (let index = 0; index < value.length; index++) {
        if (index > 0) append(parts, ",");
        const item = plain(value[index], `${index}`);
        put(item === undefined ? null : item, { parent: where, key: index }, depth + 1, parts);
      }
      append(parts, "]");
      return;
    }
    const kind = classOf(value);
    if (kind !== "[object Object]") refuse(value, where, `is of type ${slice(kind, 8, -1)}`);
    append(parts, "{");
    let first = true;
    const names = keys(value);
    for (let index = 0; index < names.length; index++) {
      const key = names[index];
      const item = plain(value[key], key);
      if (item === undefined) continue;
      const inside = { parent: where, key };
      append(parts, (first ? "" : ",") + text(key, inside) + ":");
      first = false;
      put(item, inside, depth + 1, parts);
    }
    append(parts, "}");
  };
  const put = (value, where, depth, parts) => {
    if (value === null) return append(parts, "null");
    switch (typeof value) {
      case "boolean":
        return append(parts, `${value}`);
      case "number":
        return append(parts, number(value, where));
      case "bigint":
        return append(parts, integer(value, where));
      case "string":
        if (value.length > MAX_LENGTH) throw new Refusal("L", "");
        return append(parts, text(value, where));
      case "object":
        return container(value, where, depth, parts);
      default:
        return refuse(value, where, `is of type ${typeof value}`);
    }
  };
  const append = (parts, part) => {
    parts.length += part.length;
    if (parts.length > MAX_LENGTH) throw new Refusal("L", "");
    parts.text += part;
  };
  const written = (value) => {
    const parts = { text: "", length: 0 };
    try {
      const result = plain(value, "");
      put(result === undefined ? null : result, null, 0, parts);
    } catch (error) {
      if (error instanceof Refusal) return flat(error.kind + error.text);
      throw error;
    }
    return flat("R" + parts.text);
  };

  // --- the call ---

  let settled = false;
  let failed = false;
  let outcome;
  const settle = (failure) => (value) => {
    settled = true;
    failed = failure;
    outcome = value;
  };
  const call = (main, input, exact) => {
    outcome = main(exact ? parse(input, exactly) : parse(input));
    if (!(outcome instanceof RealPromise)) settled = true;
    else then(outcome, settle(false), settle(true));
    return "";
  };
  const result = () => {
    if (!settled) return "P";
    if (failed) throw outcome;
    return written(outcome);
  };
  const guarded = (action) => {
    try {
      return action();
    } catch (thrown) {
      // A missing line is told by what was thrown, if it is no error; `null` is how a full memory may look.
      if (thrown instanceof RealError || thrown === null) throw thrown;
      return flat("T" + wellFormed(slice(shown(thrown), 0, MAX_TEXT)));
    }
  };
  return (order, first, input, exact) => {
    if (order === "call") return guarded(() => call(first, input, exact));
    if (order === "result") return guarded(result);
    return stopClock(first);
  };
})()
