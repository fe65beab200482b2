//! `log --deliveries`: lists the callbacks in the ledger.

use reqwest::Url;

use super::{Entries, Export, Writer, look_again, none};
use crate::cli::deliveries::{listing, object, print};
use crate::cli::export;
use crate::cli::prelude::*;
use crate::cli::report::counted;
use crate::domain::{Delivery, DeliveryId, Received};
use crate::ledger::DeliveryQuery;

impl Entries {
    pub(super) async fn show_callbacks(&self, cx: &CommandContext<'_>) -> CommandResult {
        let (ledger, out) = (cx.deck.ledger(), cx.out);
        let [since, until] = self.selection.period(cx)?;
        let mut query = DeliveryQuery {
            since,
            until,
            profile: self.selection.profile(cx),
            search: self.selection.search(cx),
            limit: self.most(),
            ..DeliveryQuery::default()
        };
        // `--follow` starts here, even where --limit hides the newest.
        let newest = DeliveryQuery {
            limit: 1,
            ..DeliveryQuery::default()
        };
        let newest = ledger.deliveries(newest).await?;
        let newest = newest.first().map_or(DeliveryId(0), |row| row.id);
        let all = DeliveryQuery {
            limit: self.counted(),
            ..query.clone()
        };
        self.report_omitted(ledger.count_deliveries(all).await?, "callback", out);
        let mut rows = ledger.deliveries(query.clone()).await?;
        rows.reverse();
        if let Some(format) = self.export {
            return export(&rows, format, cx).await;
        }
        if rows.is_empty() && !self.follow {
            out.explain(&none("callbacks", cx.settings));
        }
        let zone = crate::clock::time_zone();
        let mut listing = listing(out);
        print(&rows, &zone, &mut listing)?;
        if !self.follow {
            return Ok(Exit::Done);
        }
        let mut last = rows.last().map_or(newest, |row| row.id.max(newest));
        // From here on `after` selects; a clock that is set back must not hide new entries.
        query.since = None;
        loop {
            query.after = Some(last);
            look_again(out).await?;
            let mut more = ledger.deliveries(query.clone()).await?;
            more.reverse();
            print(&more, &zone, &mut listing)?;
            last = more.last().map_or(last, |row| row.id);
        }
    }
}

async fn export(rows: &[Delivery], format: Export, cx: &CommandContext<'_>) -> CommandResult {
    let mut writer = Writer::new(format, cx.out);
    let mut unread_count = 0;
    for row in rows {
        let (received, unread) = match cx.deck.received(row.id).await {
            Ok(received) => (received, None),
            // One callback that cannot be opened does not end the export of the others.
            Err(problem) => (Received::default(), Some(problem)),
        };
        unread_count += u64::from(unread.is_some());
        let exchange = row.as_exchange(&received, &origin(&received));
        writer.exchange(&exchange, |exchange| {
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
        })?;
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
