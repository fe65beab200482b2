"""Public clients against a served sandbox: pykongregate, authlib, requests-oauthlib, PyJWT. Usage: clients.py URL"""

import http.server
import json
import os
import queue
import sys
import threading

# Plain http to this machine is all there is here.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"

import jwt
import requests
from authlib.integrations.requests_client import OAuth2Session
from oauthlib.oauth2 import BackendApplicationClient
from pykongregate import api as kongregate_urls
from pykongregate import KongUser
from pykongregate.exceptions import ApiException
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session as RequestsOAuth2Session

BASE = sys.argv[1].rstrip("/")
MERCHANT = "mer_00000000-0000-4000-8000-000000000001"
SECRET = "SANDBOX-PLEDG-MERCHANT-SECRET-THAT-PROTECTS-NOTHING"


def kongregate():
    for name in ("GET_USER_ITEMS_URL", "GET_ITEMS_URL", "USER_INFO_URL"):
        url = getattr(kongregate_urls, name)
        setattr(kongregate_urls, name, url.replace("http://www.kongregate.com", BASE))
    items = kongregate_urls.get_user_items_api(1001, "SANDBOX-KONGREGATE-KEY")
    assert items["success"] and len(items["items"]) == 3, items
    try:
        list(KongUser("another key", user_id=1001).api.get_items())
    except ApiException as refused:
        assert "game_id" in str(refused), refused
    else:
        raise AssertionError("a wrong key is accepted")
    info = requests.get(f"{BASE}/api/user_info.json", {"username": "PaperLantern"}).json()
    assert info["success"] is False, "every call needs the key, as the guide says"


def kinguin():
    client = OAuth2Session(
        "SANDBOX-KINGUIN-CLIENT", "SANDBOX-KINGUIN-SECRET-1", token_endpoint_auth_method="client_secret_post"
    )
    client.fetch_token(f"{BASE}/auth/token", grant_type="client_credentials")
    offers = client.get(f"{BASE}/sales-manager-api/api/v1/offers", params={"size": 2}).json()
    assert len(offers["_embedded"]["offerList"]) == 2
    rules = [offer["commissionRule"] for offer in offers["_embedded"]["offerList"]]
    assert all(isinstance(offer["unitPrice"], int) for offer in offers["_embedded"]["offerList"])
    assert all(rule["percentValue"] for rule in rules)
    # As public search clients read it.
    found = requests.get(
        f"{BASE}/kpc/api/v1/products/search/findByTypeAndExternalId", {"type": "kinguin", "externalId": 1001}
    ).json()
    assert found["_embedded"]["products"][0]["id"] == "5c9b71292539a4e8f1809707"


def pledg():
    client = RequestsOAuth2Session(client=BackendApplicationClient("SANDBOX-PLEDG-KEY"))
    token = client.fetch_token(
        f"{BASE}/api/token", auth=HTTPBasicAuth("SANDBOX-PLEDG-KEY", "SANDBOX-PLEDG-API-SECRET"), include_client_id=False
    )
    claims = jwt.decode(token["access_token"], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 600, claims
    schedule = client.post(
        f"{BASE}/api/merchants/{MERCHANT}/simulate_payment_schedule", json={"amount_cents": 200, "created": "2026-12-17"}
    ).json()
    assert [part["amount_cents"] for part in schedule["INSTALLMENT"]] == [68, 66, 66]

    notices = queue.Queue()

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            notices.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    receiver = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    data = {
        "merchantUid": MERCHANT,
        "amountCents": 2000,
        "email": "payer@shop.example",
        "firstName": "Jo",
        "lastName": "Payer",
        "reference": "WORLD-1",
        "title": "Two nights",
        "paymentNotificationUrl": f"http://127.0.0.1:{receiver.server_port}/",
    }
    signature = jwt.encode({"data": data}, SECRET, algorithm="HS256")
    bought = requests.post(f"{BASE}/api/purchase_link/", params={"signature": signature}).json()
    assert requests.get(bought["purchase_link"]).status_code == 200
    requests.post(f"{BASE}/_control/event", data={"provider": "pledg", "event": "pay", "subject": "WORLD-1"})
    notice = jwt.decode(notices.get(timeout=20)["signature"], SECRET, algorithms=["HS256"])
    assert (notice["reference"], notice["amount_cents"]) == ("WORLD-1", 2000), notice


for client in (kongregate, kinguin, pledg):
    client()
    print(f"{client.__name__}: ok")
