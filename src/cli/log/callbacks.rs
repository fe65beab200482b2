//! `log --deliveries`: lists the callbacks in the ledger.

use reqwest::Url;
use serde_json::Value;

use super::pages::Pages;
use super::{Entries, Export, Writer};
use crate::cli::deliveries::{listing, object, print};
use crate::cli::export;
use crate::cli::prelude::*;
use crate::cli::report::counted;
use crate::domain::{Delivery, Exchange, Received};
use crate::ledger::{Callbacks, DeliveryQuery};

impl Entries {
    pub(super) async fn show_callbacks(&self, cx: &CommandContext<'_>) -> CommandResult {
        let [since, until] = self.selection.period(cx)?;
        let query = DeliveryQuery {
            since,
            until,
            profile: self.selection.profile(cx),
            search: self.selection.search(cx),
            ..DeliveryQuery::default()
        };
        if let Some(format) = self.export {
            let (mut pages, _) = self.begin(query, cx).await?;
            return export(&mut pages, format, cx).await;
        }
        let zone = crate::clock::time_zone();
        let mut listing = listing(cx.out);
        self.print(query, cx, |rows| print(rows, &zone, &mut listing))
            .await
    }
}

async fn export(
    pages: &mut Pages<'_, Callbacks>,
    format: Export,
    cx: &CommandContext<'_>,
) -> CommandResult {
    let mut writer = Writer::new(format, cx.out);
    let mut unread_count = 0;
    loop {
        let rows = pages.next().await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            let (received, unread) = match cx.deck.received(row.id).await {
                Ok(received) => (received, None),
                // One callback that cannot be opened does not end the export of the others.
                Err(problem) => (Received::default(), Some(problem)),
            };
            unread_count += u64::from(unread.is_some());
            let exchange = row.as_exchange(&received, &origin(&received));
            writer.exchange(&exchange, |exchange| whole(row, exchange, received, unread))?;
        }
    }
    writer.end()?;
    if unread_count > 0 {
        let rows = counted(unread_count, "callback");
        cx.out.warn(&format!(
            "{rows} without path, headers and body: encrypted with another key"
        ));
    }
    Ok(Exit::Done)
}

/// A callback as JSON, with what was received, or why that cannot be read.
fn whole(
    row: &Delivery,
    exchange: &Exchange,
    received: Received,
    unread: Option<Problem>,
) -> Value {
    let mut object = object(row);
    match unread {
        None => {
            let side = export::side(&exchange.request_headers, &exchange.request_body);
            object["request"] = side;
            object["request"]["target"] = received.target.into();
        }
        Some(problem) => object["error"] = problem_json(&problem),
    }
    object
}

/// The URL a callback was sent to, by its `Host` header. A sender can write anything there, and one invalid URL makes
/// Firefox reject the whole archive: anything but host and port is left out. The exported headers show the original.
fn origin(received: &Received) -> String {
    let host = received.headers.iter();
    let host = host
        .filter(|(name, _)| name.eq_ignore_ascii_case("host"))
        .find_map(|(_, host)| Url::parse(&format!("http://{host}/")).ok());
    let origin = host
        .filter(|url| url.username().is_empty() && url.password().is_none())
        .filter(|url| url.path() == "/" && url.query().is_none() && url.fragment().is_none());
    origin.map_or("http://localhost".into(), |url| {
        url.origin().ascii_serialization()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_is_exported_with_a_url_whatever_its_host_says() {
        let local = "http://localhost";
        let cases = [
            ("hooks.example.com", "http://hooks.example.com"),
            ("h:8787", "http://h:8787"),
            ("[::1]:8787", "http://[::1]:8787"),
            ("a\tb", "http://ab"),
            ("", local),
            ("x:99999", local),
            ("x:abc", local),
            ("a b", local),
            ("[", local),
            ("<webhook_secret>.example.com", local),
            ("a/b?c#d", local),
            ("h?x=1", local),
            ("user@evil", local),
        ];
        for (host, written) in cases {
            let received = Received {
                headers: vec![("Host".into(), host.into())],
                ..Received::default()
            };
            assert_eq!(origin(&received), written, "{host:?}");
        }
        assert_eq!(origin(&Received::default()), local);
    }
}
