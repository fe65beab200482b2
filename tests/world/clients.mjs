// Public clients from npm against a served sandbox: simple-oauth2, client-oauth2, openid-client, jsonwebtoken, jose.
// Usage: clients.mjs URL, in a folder where they are installed.
import assert from "node:assert";
import http from "node:http";
import { createRequire } from "node:module";
import { once } from "node:events";

const require = createRequire(`${process.cwd()}/`);
const { ClientCredentials } = require("simple-oauth2");
const ClientOAuth2 = require("client-oauth2");
const jsonwebtoken = require("jsonwebtoken");
const jose = require("jose");
const openid = await import(require.resolve("openid-client"));

const BASE = process.argv[2].replace(/\/$/, "");
const MERCHANT = "mer_00000000-0000-4000-8000-000000000001";
const SECRET = "SANDBOX-PLEDG-MERCHANT-SECRET-THAT-PROTECTS-NOTHING";
const KINGUIN = { id: "SANDBOX-KINGUIN-CLIENT", secret: "SANDBOX-KINGUIN-SECRET-1" };
const PLEDG = { id: "SANDBOX-PLEDG-KEY", secret: "SANDBOX-PLEDG-API-SECRET" };

function simple(client, path, authorizationMethod) {
  const auth = { tokenHost: BASE, tokenPath: path };
  return new ClientCredentials({ client, auth, options: { authorizationMethod } });
}

async function kinguin() {
  const token = await simple(KINGUIN, "/auth/token", "body").getToken({});
  assert.equal(token.expired(), false);
  const authorization = `Bearer ${token.token.access_token}`;
  const offers = await fetch(`${BASE}/sales-manager-api/api/v1/offers?size=2`, { headers: { authorization } });
  assert.equal((await offers.json())._embedded.offerList.length, 2);
  await assert.rejects(simple({ ...KINGUIN, secret: "wrong" }, "/auth/token", "body").getToken({}), /401/);

  const config = (secret) => {
    const server = { issuer: BASE, token_endpoint: `${BASE}/auth/token` };
    const config = new openid.Configuration(server, KINGUIN.id, undefined, openid.ClientSecretPost(secret));
    openid.allowInsecureRequests(config);
    return config;
  };
  const refused = (error) => error.error === "invalid_client" && error.status === 401;
  await assert.rejects(openid.clientCredentialsGrant(config("wrong")), refused);
  // Kinguin answers `"scope": null`, as its documents show; RFC 6749 has no such value, and openid-client refuses it.
  const strict = (error) => /"scope" property must be a string/.test(error.cause.message);
  await assert.rejects(openid.clientCredentialsGrant(config(KINGUIN.secret)), strict);
}

async function pledg() {
  const token = await simple(PLEDG, "/api/token", "header").getToken({});
  assert.equal(token.token.expires_in, 600);
  const other = new ClientOAuth2({ clientId: PLEDG.id, clientSecret: PLEDG.secret, accessTokenUri: `${BASE}/api/token` });
  assert.equal((await other.credentials.getToken()).tokenType, "bearer");

  const notices = [];
  const receiver = http.createServer(async (request, response) => {
    let body = "";
    for await (const piece of request) body += piece;
    response.end();
    notices.push(JSON.parse(body));
    receiver.emit("notice");
  });
  await once(receiver.listen(0, "127.0.0.1"), "listening");
  const data = (reference) => ({
    merchantUid: MERCHANT,
    amountCents: 2000,
    email: "payer@shop.example",
    firstName: "Jo",
    lastName: "Payer",
    reference,
    title: "Two nights",
    paymentNotificationUrl: `http://127.0.0.1:${receiver.address().port}/`,
  });
  const key = new TextEncoder().encode(SECRET);
  const signatures = {
    "NPM-1": jsonwebtoken.sign({ data: data("NPM-1") }, SECRET),
    "NPM-2": await new jose.SignJWT({ data: data("NPM-2") }).setProtectedHeader({ alg: "HS256" }).sign(key),
  };
  for (const [reference, signature] of Object.entries(signatures)) {
    const bought = await fetch(`${BASE}/api/purchase_link/?signature=${signature}`, { method: "POST" });
    assert.equal((await fetch((await bought.json()).purchase_link)).status, 200);
    const arrived = once(receiver, "notice", { signal: AbortSignal.timeout(20_000) });
    const body = new URLSearchParams({ provider: "pledg", event: "pay", subject: reference });
    await fetch(`${BASE}/_control/event`, { method: "POST", body });
    await arrived;
    const { signature: notice } = notices.pop();
    assert.equal(jsonwebtoken.verify(notice, SECRET, { algorithms: ["HS256"] }).reference, reference);
    assert.equal((await jose.jwtVerify(notice, key, { algorithms: ["HS256"] })).payload.amount_cents, 2000);
    assert.throws(() => jsonwebtoken.verify(notice, "another secret"), /invalid signature/);
  }
  receiver.close();
  receiver.closeAllConnections();
}

for (const client of [kinguin, pledg]) {
  await client();
  console.log(`${client.name}: ok, from npm`);
}
