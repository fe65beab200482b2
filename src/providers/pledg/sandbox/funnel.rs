//! The page where a payer makes a purchase: opened by a signed link, or by the link that `purchase_link` answers. It does
//! not look like Pledg's own page. The payer's choice there decides the purchase's state.

use hyper::http::StatusCode;
use serde_json::json;

use super::Call;
use super::purchase::{self, CREATED, PAID, Purchase};
use crate::domain::inert;
use crate::domain::simulate::PayerAct;
use crate::http_server::Response;
use crate::sandbox::control::is_foreign;
use crate::sandbox::fields::Fields;
use crate::sandbox::page;
use crate::sandbox::reply;
use crate::sandbox::route::Answer;

const PAGE: &str = include_str!("../../../../assets/sandbox/purchase.html");

pub(super) fn open(call: &mut Call<'_>) -> Answer {
    if let Some(uid) = call.query().get("uid") {
        let Some(purchase) = call.state.of_uid(uid) else {
            let words = format!("There is no purchase {}.", inert::quoted(uid, 60));
            return Err(message(StatusCode::NOT_FOUND, "Unknown purchase", &words));
        };
        return Ok(page_of(purchase));
    }
    let new = purchase::read(call).map_err(|refusal| {
        let words = String::from_utf8_lossy(refusal.body()).into_owned();
        message(StatusCode::BAD_REQUEST, "Unusable link", &words)
    })?;
    // A reference can be used again after a refused or abandoned purchase.
    let mut all = call.state.purchases.iter();
    let is_open = |known: &&Purchase| known.is_of(&new) && known.state == CREATED;
    let completed = all.clone().find(|known| known.completes(&new));
    Ok(match completed.or_else(|| all.rfind(is_open)) {
        // The payer opened the link before: show the same purchase.
        Some(known) => page_of(known),
        None => page_of(call.state.make(new, call.simulator.seed())),
    })
}

pub(super) fn act(call: &mut Call<'_>) -> Answer {
    // Another site's page could press these buttons through the payer's browser.
    if is_foreign(call.request) {
        let words = "A page of another site sent this form.";
        return Err(message(StatusCode::FORBIDDEN, "Refused", words));
    }
    let form = Fields::of_form(call.request.body()).unwrap_or_default();
    let (uid, name) = (form.get("uid").unwrap_or_default(), form.get("act"));
    // The three that the page offers.
    let act = PayerAct::from_word(name.unwrap_or_default())
        .filter(|act| matches!(act, PayerAct::Pay | PayerAct::Cancel | PayerAct::Fail));
    // By its uid: others, also of other merchants, may have the same reference.
    let mut purchases = call.state.purchases.iter();
    let place = purchases.position(|purchase| purchase.uid == uid);
    let (Some(act), Some(at)) = (act, place) else {
        let words = "This purchase or this action does not exist.";
        return Err(message(StatusCode::NOT_FOUND, "Not done", words));
    };
    let done = call.state.payer_act(at, act, call.now);
    done.map_err(|words| message(StatusCode::CONFLICT, "Not done", &words))?;
    Ok(reply::see_other(&format!("/purchase?uid={uid}")))
}

fn page_of(purchase: &Purchase) -> Response {
    let tone = match purchase.state.as_str() {
        CREATED => "",
        PAID => "good",
        _ => "bad",
    };
    let words = format!(
        "{} for {}, {} cents",
        purchase.reference, purchase.merchant.uid, purchase.amount
    );
    let data = json!({
        "title": purchase.state,
        "tone": tone,
        "words": words,
        "open": purchase.state == CREATED,
        "uid": purchase.uid,
    });
    page::page(StatusCode::OK, PAGE, &data)
}

fn message(status: StatusCode, title: &str, words: &str) -> Box<Response> {
    let data = json!({ "title": title, "tone": "bad", "words": words, "open": false });
    Box::new(page::page(status, PAGE, &data))
}
