'use strict';

// What values do otherwise in our language than in Handlebars.js, on purpose: helpers of its own, null and missing
// values told apart, JSON for what is no text, and levels that do not depend on data.

const { EMPTY, NUMBER } = require('./reading.js');

/** A template names a value that is not there, or is of the wrong kind. */
class Unresolved extends Error {}

/** What a block reads its names from. Handlebars leaves a level out where its value equals the one around it. */
class Level {
  constructor(value) {
    this.value = value;
  }
}

/** A number that JavaScript would write otherwise, such as an integer that it rounds. */
class Written {
  constructor(source) {
    this.source = source;
    this.number = Number(source);
  }

  toJSON() {
    return JSON.rawJSON(this.source);
  }
}

/** A number as JavaScript has it, if it writes it as we do: without a fraction up to 2^53, else as it came. */
function number(source) {
  const value = Number(source);
  const isWhole = source.includes('.') && Number.isInteger(value) && Math.abs(value) <= 2 ** 53;
  return isWhole || String(value) === source ? value : new Written(source);
}

const plain = value => (value instanceof Written ? value.number : value);
const hasMembers = value => typeof value === 'object' && value !== null && !(value instanceof Written);
const isObject = value => hasMembers(value) && !Array.isArray(value);

/** What a helper or a block is given, without the marks and wrappings of these files. */
function bare(value) {
  if (value instanceof Level) return value.value;
  if (typeof value !== 'string' || value[0] !== NUMBER) return value;
  const digits = value.slice(1);
  return number(digits.includes('.') ? `${Number(digits)}.0` : String(BigInt(digits)));
}

/** A field or an item; `undefined` where there is none. Only objects and lists have any, and null has none. */
function member(container, written) {
  const value = bare(container);
  const name = written === EMPTY ? '' : written;
  return hasMembers(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

/** Refuses what is missing; every place does that is not listed below as one that lets it pass. */
function present(value) {
  if (value === undefined) throw new Unresolved('A value is missing.');
  return value;
}

function text(value) {
  if (value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function isTrue(value) {
  return Array.isArray(value) ? value.length > 0 : Boolean(plain(value));
}

function same(a, b) {
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => same(item, b[index]));
  }
  if (isObject(a) && isObject(b)) {
    const keys = Object.keys(a);
    return keys.length === Object.keys(b).length && keys.every(key => Object.hasOwn(b, key) && same(a[key], b[key]));
  }
  return plain(a) === plain(b);
}

/** By code points, where JavaScript compares halves of them. */
function order(left, right) {
  const [a, b] = [plain(left), plain(right)];
  if (typeof a === 'number' && typeof b === 'number') return Math.sign(a - b);
  if (typeof a !== 'string' || typeof b !== 'string') throw new Unresolved('Values of two kinds.');
  const [ours, theirs] = [[...a], [...b]];
  const at = ours.findIndex((character, index) => character !== theirs[index]);
  if (at < 0) return ours.length === theirs.length ? 0 : -1;
  return theirs[at] === undefined ? 1 : Math.sign(ours[at].codePointAt(0) - theirs[at].codePointAt(0));
}

const helpers = {
  json: value => JSON.stringify(present(value)),
  default: (...values) => {
    present(values.at(-1));
    return values.find((value, index) => index === values.length - 1 || (value !== undefined && value !== null));
  },
  lookup: (container, key) => {
    if (container === undefined || key === undefined) return undefined;
    if (typeof key === 'string') return member(container, key);
    const index = JSON.stringify(key);
    if (!/^-?[0-9]+$/.test(index)) throw new Unresolved('A key of another kind.');
    return member(container, index);
  },
  length: value => {
    if (present(value) === null) return 0;
    if (typeof value === 'string') return [...value].length;
    if (!hasMembers(value)) throw new Unresolved('This has no length.');
    return Object.keys(value).length;
  },
  join: (items, separator = ', ') => {
    if (present(items) === null) return '';
    if (!Array.isArray(items) || typeof separator !== 'string') throw new Unresolved('Nothing to join.');
    return items.map(text).join(separator);
  },
  eq: (a, b) => same(present(a), present(b)),
  ne: (a, b) => !same(present(a), present(b)),
  lt: (a, b) => order(present(a), present(b)) < 0,
  lte: (a, b) => order(present(a), present(b)) <= 0,
  gt: (a, b) => order(present(a), present(b)) > 0,
  gte: (a, b) => order(present(a), present(b)) >= 0,
  and: (...values) => values.find((value, index) => index === values.length - 1 || !isTrue(value)),
  or: (...values) => values.find((value, index) => index === values.length - 1 || isTrue(value)),
  not: value => !isTrue(value),
};

/** Renders trees over plain data with Handlebars' compiler, runtime and blocks, and with our values. */
exports.renderer = function (Handlebars) {
  for (const [name, helper] of Object.entries(helpers)) {
    Handlebars.registerHelper(name, (...values) => {
      if (name === 'join' && values.length === 3) present(bare(values[1]));
      return helper(...values.slice(0, -1).map(bare));
    });
  }
  Handlebars.registerHelper('written', value => text(present(bare(value))));
  for (const name of ['if', 'unless', 'each', 'with']) {
    const block = Handlebars.helpers[name];
    Handlebars.registerHelper(name, function (head, options) {
      const value = bare(head);
      if (name === 'each' && value !== undefined && value !== null && !hasMembers(value)) {
        throw new Unresolved('This has no items.');
      }
      const isLevel = name === 'each' || name === 'with';
      const fn = isLevel ? (item, more) => options.fn(new Level(item), more) : options.fn;
      return block.call(this, isLevel ? value : plain(value), { ...options, fn });
    });
  }
  const compiler = Handlebars.JavaScriptCompiler.prototype;
  const { nameLookup } = compiler;
  compiler.nameLookup = function (parent, name, type) {
    if (type !== 'context' && type !== 'data') return nameLookup.call(this, parent, name, type);
    return ['member(', parent, ',', JSON.stringify(name), ')'];
  };
  globalThis.member = member;
  return (tree, context) => {
    writeValues(tree);
    // So that a step through null or nothing is ours to judge, too.
    const template = Handlebars.compile(tree, { noEscape: true, assumeObjects: true });
    return template(new Level(context));
  };
};

exports.Unresolved = Unresolved;

/** Reads JSON, numbers as they are written. */
exports.parse = text => {
  // V8 has a number's source at hand, too, but not always: not in some objects with a field `__proto__`.
  const marked = text.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g, part => {
    return part[0] === '"' ? part : `"${NUMBER}${part}"`;
  });
  return JSON.parse(marked, (name, value) => {
    return typeof value === 'string' && value[0] === NUMBER ? number(value.slice(1)) : value;
  });
};

/** Has every tag write its value by our rules: `{{x}}` becomes `{{written x}}`, `{{json x}}` `{{written (json x)}}`. */
function writeValues(program) {
  for (const node of program ? program.body : []) {
    node.params?.forEach(nullify);
    if (node.type === 'MustacheStatement') {
      const value = node.params.length ? { ...node, type: 'SubExpression' } : node.path;
      const name = 'written';
      node.path = { type: 'PathExpression', data: false, depth: 0, parts: [name], original: name, loc: node.loc };
      node.params = [value];
    }
    writeValues(node.program);
    writeValues(node.inverse);
  }
}

/** `undefined` is another way to write null. */
function nullify(node) {
  if (node.type === 'UndefinedLiteral') node.type = 'NullLiteral';
  node.params?.forEach(nullify);
}
