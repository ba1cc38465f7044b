/**
 * A certified OpenID provider on loopback, for tests. A test controls it with lines of JSON on standard input, and gets a
 * line for each: `{"person": {…}}` sets who signs in, `{"decline": true}` lets the person decline, `{"page": true}` shows a
 * page to the person, `{"rotate": true}` replaces the signing key. It ends when standard input ends.
 *
 * Usage: node provider.mjs '{"host": "127.0.0.1", "client": {…}, "userinfo": false}'
 */
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { Provider } from "oidc-provider";

const { host, client, userinfo } = JSON.parse(process.argv[2]);
// Standard output is for the test. The provider prints hints for production there.
console.info = console.error;

const COOKIE_KEYS = ["only for tests"];
const people = new Map();
let behaviour = { page: false, decline: false, person: null };
let provider;

const server = createServer((request, response) => {
  handle(request, response).catch((error) => {
    response.writeHead(500, { "Content-Type": "text/plain" });
    response.end(String(error?.stack ?? error));
  });
});

async function handle(request, response) {
  const { pathname } = new URL(request.url, "http://here.invalid");
  const [, place, uid, answer] = pathname.split("/");
  if (place !== "interaction") return provider.callback()(request, response);
  if (behaviour.page && answer === undefined) return showPage(response, uid);
  const declines = answer === "decline" || (answer === undefined && behaviour.decline);
  const result = declines
    ? { error: "access_denied", error_description: "The person has declined." }
    : { login: { accountId: behaviour.person.sub } };
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

function showPage(response, uid) {
  response.writeHead(200, { "Content-Type": "text/html; charset=utf-8" });
  response.end(`<!doctype html><title>Provider</title><h1>Provider</h1>
    <p><a href="/interaction/${uid}/accept">Sign in as ${behaviour.person.email}</a></p>
    <p><a href="/interaction/${uid}/decline">Cancel</a></p>`);
}

function createProvider() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const key = { ...privateKey.export({ format: "jwk" }), kid: randomUUID(), use: "sig", alg: "RS256" };
  return new Provider(issuer(), {
    clients: [{ grant_types: ["authorization_code"], response_types: ["code"], ...client }],
    jwks: { keys: [key] },
    cookies: { keys: COOKIE_KEYS },
    claims: {
      openid: ["sub"],
      email: ["email", "email_verified"],
      profile: ["name"],
      groups: ["groups"],
    },
    // With `true`, the ID token has only the subject.
    conformIdTokenClaims: userinfo,
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_context, sub) =>
      people.has(sub) ? { accountId: sub, claims: () => people.get(sub) } : undefined,
    // Nobody is asked for consent.
    loadExistingGrant: async (context) => {
      const grant = new provider.Grant({
        clientId: context.oidc.client.clientId,
        accountId: context.oidc.session.accountId,
      });
      grant.addOIDCScope("openid email profile groups");
      await grant.save();
      return grant;
    },
  });
}

function issuer() {
  return `http://${host}:${server.address().port}`;
}

function say(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

server.listen(0, host, () => {
  provider = createProvider();
  say({ issuer: issuer() });
});

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const { rotate, ...changes } = JSON.parse(line);
    behaviour = { ...behaviour, ...changes };
    if (changes.person) people.set(changes.person.sub, changes.person);
    if (rotate) provider = createProvider();
    say({ ok: true });
  })
  .on("close", () => process.exit(0));
