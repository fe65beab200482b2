//! The page where a payer makes a purchase: opened by a signed link, or by the link that `purchase_link` answers. It does
//! not look like Pledg's own page. The payer's choice there decides the purchase's state.

use axum::http::{HeaderValue, Method, StatusCode, header};

use super::purchase::{self, CREATED, PAID};
use super::{Pledg, only};
use crate::domain::simulate::PayerAct;
use crate::domain::{WallTime, inert};
use crate::http_server::{Request, Response, text};
use crate::sandbox::Simulator;
use crate::sandbox::control::is_foreign;
use crate::sandbox::page::{self, Html};

/// The payer's choices on this page.
const ACTS: [(PayerAct, &str, &str, &str); 3] = [
    (PayerAct::Pay, "pay", "main", "Pay"),
    (PayerAct::Cancel, "cancel", "danger", "Give up"),
    (PayerAct::Fail, "fail", "danger", "Be rejected"),
];

/// Where a payer continues with a purchase that was made by an API call.
pub(super) fn link(request: &Request, uid: &str) -> String {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    format!("http://{host}/purchase?uid={uid}")
}

/// Answers `/purchase` and `/payment_solutions`.
pub(super) fn answer(pledg: &Pledg, request: &Request, simulator: &Simulator) -> Response {
    match *request.method() {
        Method::GET | Method::HEAD => open(pledg, request, simulator),
        Method::POST => act(pledg, request, simulator),
        _ => only("GET, HEAD, POST"),
    }
}

fn field(pairs: &[u8], name: &str) -> Option<String> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(pairs).unwrap_or_default();
    let mut all = pairs.into_iter();
    all.find(|(known, _)| known == name).map(|(_, value)| value)
}

fn open(pledg: &Pledg, request: &Request, simulator: &Simulator) -> Response {
    let now = simulator.now();
    let query = request.uri().query().unwrap_or_default();
    if let Some(uid) = field(query.as_bytes(), "uid") {
        return shown(pledg, &uid, now);
    }
    let data = match purchase::read(query, b"", now) {
        Ok(data) => data,
        Err(refusal) => {
            let words = String::from_utf8_lossy(refusal.body()).into_owned();
            return message(StatusCode::BAD_REQUEST, "Unusable link", &words);
        }
    };
    let memory = &mut *pledg.memory();
    memory.follow_scripts(now);
    let mut known = memory.purchases.iter();
    let uid = match known.find(|known| data.is_data_of(known)) {
        // The payer opened the link before: show the same purchase.
        Some(known) => known.uid.clone(),
        None => memory.made(data, simulator.seed(), now),
    };
    page_of(memory, &uid)
}

fn act(pledg: &Pledg, request: &Request, simulator: &Simulator) -> Response {
    // Another site's page could press these buttons through the payer's browser.
    if is_foreign(request) {
        let words = "A page of another site sent this form.";
        return message(StatusCode::FORBIDDEN, "Refused", words);
    }
    let uid = field(request.body(), "uid").unwrap_or_default();
    let name = field(request.body(), "act").unwrap_or_default();
    let chosen = ACTS.iter().find(|(_, known, ..)| *known == name);
    let memory = &mut *pledg.memory();
    memory.follow_scripts(simulator.now());
    let reference = memory.purchases.iter().find(|known| known.uid == uid);
    let reference = reference.map(|known| known.reference.clone());
    let (Some((act, ..)), Some(reference)) = (chosen, reference) else {
        let words = "This purchase or this action does not exist.";
        return message(StatusCode::NOT_FOUND, "Not done", words);
    };
    if let Err(words) = memory.act(&reference, *act, simulator.now()) {
        return message(StatusCode::CONFLICT, "Not done", &words);
    }
    // 303 (RFC 9110, 15.4.4): reloading the page that follows does not repeat the act.
    let mut response = text(StatusCode::SEE_OTHER, "");
    if let Ok(location) = HeaderValue::from_str(&format!("/purchase?uid={uid}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn shown(pledg: &Pledg, uid: &str, now: WallTime) -> Response {
    let memory = &mut *pledg.memory();
    memory.follow_scripts(now);
    page_of(memory, uid)
}

fn page_of(memory: &super::Memory, uid: &str) -> Response {
    let mut known = memory.purchases.iter();
    let Some(purchase) = known.find(|known| known.uid == uid) else {
        let words = format!("There is no purchase {}.", inert::quoted(uid, 60));
        return message(StatusCode::NOT_FOUND, "Unknown purchase", &words);
    };
    let open = purchase.state == CREATED;
    let tone = match purchase.state.as_str() {
        CREATED => "",
        PAID => "good",
        _ => "bad",
    };
    let form = |(_, act, class, words): &(PayerAct, &'static str, &'static str, &'static str)| {
        Html::fill(
            "<form method=\"post\" action=\"/purchase\"><input type=\"hidden\" name=\"uid\" \
            value=\"{{uid}}\"><button class=\"{{class}}\" name=\"act\" \
            value=\"{{act}}\">{{words}}</button></form>\n",
            &[
                ("uid", Html::text(&purchase.uid)),
                ("class", Html::text(class)),
                ("act", Html::text(act)),
                ("words", Html::text(words)),
            ],
        )
    };
    let forms = ACTS.iter().filter(|_| open).map(form);
    let words = format!(
        "{} for {}, {} cents",
        purchase.reference, purchase.merchant, purchase.amount
    );
    let html = filled(&purchase.state, tone, &words, Html::join(forms));
    page::page(StatusCode::OK, &html)
}

fn message(status: StatusCode, title: &str, words: &str) -> Response {
    page::page(status, &filled(title, "bad", words, Html::default()))
}

fn filled(title: &str, tone: &'static str, words: &str, forms: Html) -> Html {
    Html::fill(
        include_str!("../../../../assets/sandbox/purchase.html"),
        &[
            ("styles", page::styles()),
            ("title", Html::text(title)),
            ("tone", Html::text(tone)),
            ("words", Html::text(words)),
            ("forms", forms),
        ],
    )
}
