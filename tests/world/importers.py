"""Archives in haralyzer and in Firefox's own importer, run within Firefox. Usage: importers.py ARCHIVE…"""

import json
import pathlib
import socket
import subprocess
import sys
import tempfile

from haralyzer import HarParser
from marionette_driver.marionette import Marionette

# What the importer makes of an archive, without the window around it.
IMPORT = """
const { require } = ChromeUtils.importESModule("resource://devtools/shared/loader/Loader.sys.mjs");
const { HarImporter } = require("devtools/client/netmonitor/src/har/har-importer");
const rows = new Map();
new HarImporter({
  clearRequests() {},
  addTimingMarker() {},
  addRequest: (id, row) => rows.set(id, row),
  updateRequest: (id, more) => Object.assign(rows.get(id), more),
}).import(arguments[0]);
return [...rows.values()].map((row) => [row.method, row.url, row.status, row.contentSize, row.totalTime]);
"""


def haralyzer(archive):
    page = HarParser(archive).pages[0]
    entries = archive["log"]["entries"]
    assert len(page.entries) == len(entries)
    assert page.page_size_trans == sum(max(entry["response"]["bodySize"], 0) for entry in entries)


def firefox(texts):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as profile:
        pathlib.Path(profile, "user.js").write_text(f'user_pref("marionette.port", {port});\n')
        command = ["firefox-esr", "--headless", "--no-remote", "--marionette", "--remote-allow-system-access"]
        browser = subprocess.Popen(command + ["--profile", profile], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            marionette = Marionette(host="127.0.0.1", port=port)
            marionette.start_session()
            marionette.set_context("chrome")
            return [marionette.execute_script(IMPORT, script_args=[text]) for text in texts]
        finally:
            browser.terminate()
            browser.wait(30)


texts = [pathlib.Path(name).read_text(encoding="utf-8") for name in sys.argv[1:]]
archives = [json.loads(text) for text in texts]
for archive in archives:
    haralyzer(archive)
print("haralyzer: ok")
for name, archive, rows in zip(sys.argv[1:], archives, firefox(texts)):
    expected = [
        [
            entry["request"]["method"],
            entry["request"]["url"],
            entry["response"]["status"],
            entry["response"]["content"]["size"],
            entry["time"],
        ]
        for entry in archive["log"]["entries"]
    ]
    assert rows == expected, (name, rows, expected)
    print(f"Firefox, {name}: ok, {len(rows)} entries")
