'use strict';

// Where our language reads a template otherwise than Handlebars.js does, and what it leaves out. Both on purpose.
// What a template's values do otherwise stands in values.js.

/** The text is a Handlebars template, but our language has no such thing. */
class LeftOut extends Error {}

const HELPERS = {
  json: [1, 1], default: [2, 100], lookup: [2, 2], length: [1, 1], join: [1, 2],
  eq: [2, 2], ne: [2, 2], lt: [2, 2], lte: [2, 2], gt: [2, 2], gte: [2, 2],
  and: [2, 100], or: [2, 100], not: [1, 1],
};
const BLOCK_PARAMETERS = { if: 0, unless: 0, each: 2, with: 1 };
const LOOP_VALUES = ['index', 'key', 'first', 'last'];
const CONSTANTS = ['true', 'false', 'null', 'undefined'];

// A mark in front of names that were written as [literal segments], which Handlebars' tree does not tell apart.
const LITERAL = '\ue000';
/** A mark in front of numbers that JavaScript would write otherwise than they are written, such as 1.0. */
const NUMBER = '\ue001';
/** The name `[]`. Handlebars takes it for no name where a path starts with it, and gives the whole context. */
const EMPTY = '\ue002';

/** Reads templates as our language does, with Handlebars' own lexer, grammar and white space rules. */
exports.reader = function (Handlebars) {
  hookLexer(Handlebars.Parser);
  // Handlebars takes any name with `this` in it, such as `do-this`, for one that starts with `this`.
  Handlebars.AST.helpers.scopedId = path => /^\.|^this(?![^./])/.test(path.original);
  return source => {
    const tree = Handlebars.parse(source);
    checkProgram(tree, { levels: 0, loops: 0 });
    return tree;
  };
};

exports.LeftOut = LeftOut;
Object.assign(exports, { NUMBER, EMPTY });

/** Mends Handlebars' white space rules: they take the first `{{else if}}` of several for the last. */
exports.mendWhitespace = function (code) {
  const mendings = [
    // The text before the end of the block is that of the last part, `{{else}}` included.
    [
      'lastInverse = lastInverse.body[lastInverse.body.length - 1].program;',
      'lastInverse = lastInverse.body[0].inverse || lastInverse.body[0].program;',
    ],
    ['isPrevWhitespace((firstInverse || program).body)', 'isPrevWhitespace((lastInverse || program).body)'],
    ['omitLeft((current.inverse || current.program).body);', 'omitLeft(strip.last.body);'],
    ['var strip = {\n    open:', 'var strip = {\n    last: lastInverse || program,\n    open:'],
    // Only the block as a whole has an end, no part of it.
    [
      'this.accept(block.inverse);',
      'block.inverse?.chained && (block.inverse.body[0].closeStrip = {}); this.accept(block.inverse);',
    ],
  ];
  for (const [was, is] of mendings) {
    if (code.split(was).length !== 2) throw new Error(`whitespace-control.js has changed: ${was}`);
    code = code.replace(was, is);
  }
  return code;
};

function hookLexer(parser) {
  const { lexer, symbols_: symbol } = parser;
  const { next, setInput } = lexer;
  const set = names => new Set(names.split(' ').map(name => symbol[name]));
  const constants = set('NUMBER BOOLEAN UNDEFINED NULL');
  const openers = set('OPEN OPEN_UNESCAPED OPEN_BLOCK OPEN_INVERSE OPEN_INVERSE_CHAIN OPEN_ENDBLOCK');
  const starts = set('ID STRING NUMBER BOOLEAN UNDEFINED NULL DATA OPEN_SEXPR OPEN_BLOCK_PARAMS');
  const ends = set('ID STRING NUMBER BOOLEAN UNDEFINED NULL CLOSE_SEXPR OPEN_INVERSE_CHAIN');
  // Puts back what follows `kept` in the text that was just read.
  const keep = (lexer, kept) => {
    lexer._input = lexer.match.slice(kept.length) + lexer._input;
    lexer.yytext = lexer.match = kept;
  };

  lexer.setInput = function (input) {
    Object.assign(this, { opener: undefined, before: undefined, blocks: [] });
    return setInput.call(this, input);
  };

  lexer.next = function () {
    let token = next.call(this);
    const { before, match } = this;
    if (token === symbol.OPEN_RAW_BLOCK) throw new LeftOut('A raw block.');
    if (token === symbol.CLOSE_RAW_BLOCK || token === symbol.CLOSE_UNESCAPED) {
      token = closeTag(this, token, match);
    } else if (token === symbol.SEP || before === symbol.SEP || before === symbol.DATA) {
      token = joinName(token, before);
    } else if (ends.has(before) && starts.has(token)) {
      throw new LeftOut('Values without white space between them.');
    }
    if (token === symbol.ID && match[0] === '[') this.yytext = LITERAL + this.yytext.slice(1, -1);
    if (token === symbol.STRING && match.at(-2) === '\\') {
      throw new LeftOut('A text whose last quote is escaped, which Handlebars takes as its end if no other comes.');
    }
    const isOdd = this.yytext.includes('.') ? Number.isInteger(+this.yytext) : !Number.isSafeInteger(+this.yytext);
    if (token === symbol.NUMBER && isOdd) {
      token = symbol.STRING;
      this.yytext = NUMBER + this.yytext;
    }
    noteBlocks(this, token);
    this.before = token;
    return token;
  };

  // JSON texts end in braces so often that `{{x}}}` is a tag and a brace. Handlebars refuses it.
  function closeTag(lexer, token, match) {
    if (!match.startsWith('}}}')) return token;
    if (token === symbol.CLOSE_RAW_BLOCK) lexer.popState();
    const isTriple = lexer.opener === symbol.OPEN_UNESCAPED;
    keep(lexer, isTriple ? '}}}' : '}}');
    return isTriple ? symbol.CLOSE_UNESCAPED : symbol.CLOSE;
  }

  function joinName(token, before) {
    if (before === symbol.SEP && constants.has(token)) {
      // An index after a dot is a name, and so are constants: `list.0`, `a.true`.
      const dot = lexer.match.indexOf('.');
      if (dot > 0) keep(lexer, lexer.match.slice(0, dot));
      return symbol.ID;
    }
    const glued = before !== undefined && token !== undefined;
    if (!glued) throw new LeftOut('White space inside a name.');
    return token;
  }

  function noteBlocks(lexer, token) {
    if (openers.has(token)) lexer.opener = token;
    if (token === symbol.OPEN_BLOCK || token === symbol.OPEN_INVERSE) lexer.blocks.push(token);
    if (token === symbol.OPEN_ENDBLOCK) lexer.blocks.pop();
    const isInverse = lexer.blocks.at(-1) === symbol.OPEN_INVERSE;
    if (token === symbol.INVERSE && isInverse) throw new LeftOut('`{{^if}}` with an `{{else}}`.');
    if (token === symbol.OPEN_BLOCK_PARAMS && lexer.opener === symbol.OPEN_INVERSE) {
      throw new LeftOut('Block parameters of `{{^each}}`.');
    }
  }
}

// -- the tree --

function refuse(what) {
  throw new LeftOut(what);
}

const isWord = name => Object.hasOwn(HELPERS, name) || Object.hasOwn(BLOCK_PARAMETERS, name);

function checkProgram(program, scope) {
  for (const parameter of (program && program.blockParams) || []) {
    const isTaken = CONSTANTS.includes(parameter) || isWord(parameter);
    if (isTaken || /[./[\]@\ue000]|^-?[0-9]+$/.test(parameter)) refuse('A block parameter of another name.');
  }
  for (const node of program ? program.body : []) {
    switch (node.type) {
      case 'ContentStatement':
      case 'CommentStatement':
        break;
      case 'MustacheStatement':
        checkMustache(node, scope);
        break;
      case 'BlockStatement':
        checkBlock(node, scope);
        break;
      default:
        refuse(node.type);
    }
  }
}

function checkMustache(node, scope) {
  if (node.hash) refuse('Options of a helper.');
  if (node.params.length) checkCall(node, scope);
  else if (node.path.type === 'PathExpression') checkPath(node.path, scope);
  else refuse('A tag with a fixed value.');
}

function checkCall(node, scope) {
  const count = Object.hasOwn(HELPERS, node.path.original) && HELPERS[node.path.original];
  if (node.path.type !== 'PathExpression' || !count) refuse('A helper of another name.');
  if (node.hash) refuse('Options of a helper.');
  if (node.params.length < count[0] || node.params.length > count[1]) refuse('Too few or too many values.');
  node.params.forEach(each => checkValue(each, scope));
}

function checkValue(node, scope) {
  if (node.type === 'SubExpression') checkCall(node, scope);
  if (node.type === 'PathExpression') checkPath(node, scope);
}

function checkBlock(node, scope) {
  const name = node.path.original;
  if (node.path.type !== 'PathExpression' || !Object.hasOwn(BLOCK_PARAMETERS, name)) refuse('A block of another name.');
  if (node.params.length !== 1) refuse('A block with more or fewer values than one.');
  checkValue(node.params[0], scope);
  for (const { key, value } of node.hash ? node.hash.pairs : []) {
    const isKnown = key === 'includeZero' && value.type === 'BooleanLiteral' && node.hash.pairs.length === 1;
    if (!isKnown || BLOCK_PARAMETERS[name]) refuse('Another option of a block.');
  }
  const parameters = (node.program && node.program.blockParams) || [];
  if (parameters.length > BLOCK_PARAMETERS[name]) refuse('Too many block parameters.');
  const isLevel = name === 'each' || name === 'with';
  const inside = { levels: scope.levels + isLevel, loops: scope.loops + (name === 'each') };
  checkProgram(node.program, inside);
  checkProgram(node.inverse, scope);
}

function checkPath(path, scope) {
  const isBare = path.original === path.parts[0] && !path.data;
  if (isBare && isWord(path.original)) refuse('A helper or a block without its values.');
  path.parts = path.parts.map(part => part.replace(LITERAL, ''));
  path.original = path.original.replaceAll(LITERAL, '');
  if (path.parts[0] === '') path.parts[0] = EMPTY;
  const [head] = path.parts;
  if (!path.data) {
    if (path.depth > scope.levels) refuse('A name further up than the template goes.');
  } else if (head !== 'root' || path.depth) {
    if (!LOOP_VALUES.includes(head)) refuse('Another name with @.');
    if (path.depth >= scope.loops) refuse('A name with @ outside any loop.');
  }
}
