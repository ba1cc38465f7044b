'use strict';

// Renders templates with Handlebars.js, one JSON line `{template, context}` each, and answers in lines as well:
// {"text": …}, or {"refused": why}, or {"unresolved": why}. Anything else that goes wrong is a fault of these files.
//
// Usage: node main.js FOLDER_OF_HANDLEBARS

const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');

const { LeftOut, mendWhitespace, reader } = require('./reading.js');
const { Unresolved, parse, renderer } = require('./values.js');

const compiled = require.extensions['.js'];
require.extensions['.js'] = (module, file) => {
  if (path.basename(file) !== 'whitespace-control.js') return compiled(module, file);
  return module._compile(mendWhitespace(fs.readFileSync(file, 'utf8')), file);
};
const { default: Handlebars } = require(path.join(path.resolve(process.argv[2]), 'dist/cjs/handlebars.js'));
const read = reader(Handlebars);
const render = renderer(Handlebars);

function answer({ template, context }) {
  let tree;
  try {
    tree = read(template);
  } catch (error) {
    return isRefusal(error) ? { refused: error.message } : { fault: error.stack };
  }
  try {
    return { text: render(tree, context) };
  } catch (error) {
    if (error instanceof Unresolved) return { unresolved: error.message };
    return { fault: error.stack };
  }
}

function isRefusal(error) {
  if (error instanceof LeftOut || error instanceof Handlebars.Exception) return true;
  // Block parameters in brackets are more than Handlebars' own code can bear.
  return /^(Parse|Lexical) error|^token\.substring is not a function/.test(error.message);
}

readline.createInterface({ input: process.stdin }).on('line', line => {
  process.stdout.write(JSON.stringify(answer(parse(line))) + '\n');
});
