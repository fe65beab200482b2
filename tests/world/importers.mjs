// Archives in har-validator and in Chromium's DevTools, and the simulator's pages in Chromium.
// Usage: importers.mjs URL ARCHIVE…, in a folder where playwright-core, axe-core and har-validator are installed.
import assert from "node:assert";
import fs from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const { chromium } = require("playwright-core");
const validator = require("har-validator");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const [base, ...archives] = process.argv.slice(2);

// In DevTools' own page: what its Network panel has of an archive that it imported.
async function imported(text) {
  const { NetworkPanel } = (await import("./panels/network/network.js")).NetworkPanel;
  const { NetworkLog } = (await import("./models/logs/logs.js")).NetworkLog;
  const { ViewManager } = (await import("./ui/legacy/legacy.js")).ViewManager;
  await ViewManager.instance().showView("network");
  NetworkLog.instance().reset(true);
  await NetworkPanel.instance().networkLogView.onLoadFromFile(new File([text], "log.har"));
  return Promise.all(
    NetworkLog.instance().requests().map(async (request) => {
      const content = await request.requestContentData();
      return {
        method: request.requestMethod,
        url: request.url(),
        isUrl: request.parsedURL.isValid,
        status: request.statusCode,
        type: request.resourceType().name(),
        wire: request.transferSize,
        sent: (await request.requestFormData()) ?? "",
        got: content.isTextContent ? content.text : content.base64,
      };
    }),
  );
}

async function devtools(browser) {
  const page = await browser.newPage();
  await page.goto("devtools://devtools/bundled/devtools_app.html");
  for (const name of archives) {
    const text = fs.readFileSync(name, "utf8");
    const archive = JSON.parse(text);
    await validator.har(archive);
    const expected = archive.log.entries.map(({ request, response }) => ({
      method: request.method,
      url: request.url,
      isUrl: true,
      status: response.status,
      type: "fetch",
      wire: Math.max(response.bodySize, 0),
      sent: request.postData?.text ?? "",
      got: response.content.text,
    }));
    const key = (row) => JSON.stringify(row);
    const rows = await page.evaluate(imported, text);
    assert.deepEqual(rows.map(key).sort(), expected.map(key).sort());
    console.log(`har-validator and DevTools, ${name}: ok, ${rows.length} entries`);
  }
  await page.close();
}

async function pages(browser) {
  for (const colorScheme of ["light", "dark"]) {
    const context = await browser.newContext({ viewport: { width: 360, height: 800 }, colorScheme, bypassCSP: true });
    const page = await context.newPage();
    const look = async (what) => {
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= 360, `${what} is ${wide} px wide`);
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => window.axe.run(document));
      const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target)}`);
      assert.deepEqual(found, [], what);
    };
    const press = (button) => Promise.all([page.waitForNavigation(), page.click(button)]);
    const link = (id) => `${base}/tpg/payment/SANDBOX-KANGA-KEY?currency=EMT&amount=25.00&transactionKey=${id}`;
    await page.goto(base);
    await look("the overview");
    await page.goto(link(`W-${colorScheme}`));
    await look("a new payment");
    await page.fill("#email", "no address");
    await page.$eval("#email", (field) => (field.form.noValidate = true));
    await press("button.main");
    assert.equal(await page.inputValue("#email"), "no address");
    await look("an address that is refused");
    await page.fill("#email", "payer@example.com");
    await press("button.main");
    await look("a payment that waits");
    await press("form[action$='/pay'] button");
    await look("a payment under way");
    await press("a");
    await page.goto(link(`W-${colorScheme}`).replace("25.00", "26.00"));
    await look("another sum");
    await page.goto(`${base}/purchase?uid=none`);
    await look("no purchase");
    await context.close();
  }
  console.log("the simulator's pages at 360 px, axe-core: ok");
}

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
});
try {
  await devtools(browser);
  await pages(browser);
} finally {
  await browser.close();
}
