//! The page where a payer makes a purchase: opened by a signed link, or by the link that `purchase_link` answers. It does
//! not look like Pledg's own page. The payer's choice there decides the purchase's state.

use hyper::http::StatusCode;

use super::Call;
use super::purchase::{self, CREATED, PAID, Purchase};
use crate::domain::inert;
use crate::domain::simulate::PayerAct;
use crate::http_server::Response;
use crate::sandbox::control::is_foreign;
use crate::sandbox::fields::Fields;
use crate::sandbox::page::{self, Html};
use crate::sandbox::reply;
use crate::sandbox::route::Answer;

/// The payer's choices on this page.
const ACTS: [(PayerAct, &str, &str, &str); 3] = [
    (PayerAct::Pay, "pay", "main", "Pay"),
    (PayerAct::Cancel, "cancel", "danger", "Give up"),
    (PayerAct::Fail, "fail", "danger", "Be rejected"),
];

pub(super) fn open(call: &mut Call<'_>) -> Answer {
    if let Some(uid) = call.query().get("uid") {
        let mut known = call.state.purchases.iter();
        let Some(purchase) = known.find(|known| known.uid == uid) else {
            let words = format!("There is no purchase {}.", inert::quoted(uid, 60));
            return Err(message(StatusCode::NOT_FOUND, "Unknown purchase", &words));
        };
        return Ok(page_of(purchase));
    }
    let data = purchase::read(call).map_err(|refusal| {
        let words = String::from_utf8_lossy(refusal.body()).into_owned();
        message(StatusCode::BAD_REQUEST, "Unusable link", &words)
    })?;
    let mut known = call.state.purchases.iter();
    Ok(match known.find(|known| data.is_data_of(known)) {
        // The payer opened the link before: show the same purchase.
        Some(known) => page_of(known),
        None => page_of(call.state.make(data, call.simulator.seed(), call.now)),
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
    let chosen = ACTS.iter().find(|(_, known, ..)| Some(*known) == name);
    let mut known = call.state.purchases.iter();
    let purchase = known.find(|known| known.uid == uid);
    let (Some((act, ..)), Some(purchase)) = (chosen, purchase) else {
        let words = "This purchase or this action does not exist.";
        return Err(message(StatusCode::NOT_FOUND, "Not done", words));
    };
    let reference = purchase.reference.clone();
    let done = call.state.payer_act(&reference, *act, call.now);
    done.map_err(|words| message(StatusCode::CONFLICT, "Not done", &words))?;
    Ok(reply::see_other(&format!("/purchase?uid={uid}")))
}

fn page_of(purchase: &Purchase) -> Response {
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
        purchase.reference, purchase.merchant.uid, purchase.amount
    );
    let html = filled(&purchase.state, tone, &words, Html::join(forms));
    page::page(StatusCode::OK, &html)
}

fn message(status: StatusCode, title: &str, words: &str) -> Box<Response> {
    let html = filled(title, "bad", words, Html::default());
    Box::new(page::page(status, &html))
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
