//! `log --deliveries`: lists the callbacks in the ledger.

use jiff::tz::TimeZone;
use reqwest::Url;
use serde_json::{Value, json};

use super::command::CommandContext;
use super::exit::{CommandResult, Exit};
use super::log::{Export, Log, Writer, look_again};
use super::output::{Out, OutputError, Table, Tone, plain, problem_json, toned, whole};
use super::report::counted;
use super::settings::Settings;
use super::{export, words};
use crate::domain::{
    Delivery, DeliveryId, Exchange, Job, JobKind, JobState, Received, Subject, Verdict, inert,
};
use crate::ledger::{DeliveryQuery, set_aside_in};
use crate::net::redact;

/// Prints the callbacks that `log` selects.
pub(super) async fn show(args: &Log, cx: &CommandContext<'_>) -> CommandResult {
    let (ledger, out) = (cx.deck.ledger(), cx.out);
    let mut query = DeliveryQuery {
        since: args.since_when(cx),
        account: cx.settings.account().map(str::to_owned),
        limit: args.most(),
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
        limit: usize::MAX,
        ..query.clone()
    };
    args.report_omitted(ledger.count_deliveries(all).await?, "callback", out);
    let mut rows = ledger.deliveries(query.clone()).await?;
    rows.reverse();
    if let Some(format) = args.export {
        return export(&rows, format, cx).await;
    }
    if rows.is_empty() && !args.follow {
        out.explain(&none("callbacks", cx.settings));
    }
    let zone = crate::clock::time_zone();
    print(&rows, &zone, out)?;
    if !args.follow {
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
        print(&more, &zone, out)?;
        last = more.last().map_or(last, |row| row.id);
    }
}

/// Exports each callback as a request.
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
        let exchange = Exchange::of_callback(row, &received, &origin(&received));
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

/// Says that nothing matches, and names an older ledger that was moved away: its entries are not read.
pub(super) fn none(what: &str, settings: &Settings) -> String {
    let options = settings.options();
    let aside = options.map_or_else(|_| Vec::new(), |options| set_aside_in(&options.state_dir));
    match aside.last() {
        None => format!("no matching {what} yet"),
        Some(path) => format!(
            "no matching {what}; an earlier, damaged ledger at {} may have some",
            path.display()
        ),
    }
}

/// Prints deliveries: rows for people, one object each for scripts.
pub(super) fn print(rows: &[Delivery], zone: &TimeZone, out: &Out) -> Result<(), OutputError> {
    if out.json {
        return rows.iter().try_for_each(|row| out.object(&object(row)));
    }
    let mut table = Table::default();
    for row in rows {
        let (glyph, tone) = glyph(row.verdict);
        let subject = row.subject.as_ref().map(ToString::to_string);
        table.row([
            toned(row.received_at.date_and_clock(zone), Tone::Dim),
            toned(format!("{:>5}", row.id.0), Tone::Dim),
            toned(glyph, tone),
            toned(words::verdict(row), tone),
            plain(safe(&row.account)),
            whole(&safe(&subject.unwrap_or_default()), Tone::Strong),
            plain(safe(&row.kind)),
            plain(safe(&row.reason())),
            plain(row.status.to_string()),
            plain(row.jobs.iter().map(in_words).collect::<Vec<_>>().join(", ")),
        ]);
    }
    out.table(&table)
}

fn safe(text: &str) -> String {
    redact::scrub(text).into_owned()
}

/// Glyph and tone of a verdict.
fn glyph(verdict: Verdict) -> (&'static str, Tone) {
    match verdict {
        Verdict::Accepted => ("✔", Tone::Good),
        Verdict::Repeat => ("↻", Tone::Dim),
        Verdict::Refused => ("✘", Tone::Bad),
        Verdict::UnknownAccount | Verdict::Unreadable => ("?", Tone::Warn),
    }
}

/// The state of a job in words.
pub(super) fn in_words(job: &Job) -> String {
    let what = match job.kind {
        JobKind::Ask => "check".to_owned(),
        JobKind::Forward | JobKind::Relay => format!("to {}", safe(&job.target)),
    };
    let report = safe(&job.summary);
    match job.state {
        JobState::Done => format!("{what}: {report}"),
        JobState::GivenUp => format!("{what}: failed after {}: {report}", tries(job)),
        JobState::Due { .. } if job.tries == 0 => format!("{what}: waiting"),
        JobState::Due { .. } => format!("{what}: failed {}, will retry: {report}", times(job)),
    }
}

fn times(job: &Job) -> String {
    match job.tries {
        1 => "once".into(),
        2 => "twice".into(),
        tries => format!("{tries} times"),
    }
}

fn tries(job: &Job) -> String {
    match job.tries {
        1 => "1 try".into(),
        tries => format!("{tries} tries"),
    }
}

/// A delivery as JSON. The names are a contract.
pub(super) fn object(delivery: &Delivery) -> Value {
    let mut object = json!({
        "id": delivery.id,
        "account": safe(&delivery.account),
        "provider": delivery.provider,
        "kind": safe(&delivery.kind),
        "verdict": delivery.verdict.as_str(),
        "why": safe(&inert::unescaped(&delivery.why)),
        "received_at": delivery.received_at.rfc3339(),
        "attempt": delivery.attempt,
        "status": delivery.status,
        "from": delivery.from,
        "method": delivery.method,
        "bytes": delivery.bytes,
        "errands": delivery.jobs.iter().map(job).collect::<Vec<_>>(),
    });
    match &delivery.subject {
        Some(Subject::Payment(id)) => object["payment"] = json!(safe(id.as_str())),
        Some(Subject::Player(id)) => object["player"] = json!(id),
        None => {}
    }
    object
}

fn job(job: &Job) -> Value {
    let (state, due_at) = match job.state {
        JobState::Due { at } => ("due", Some(at.rfc3339())),
        JobState::Done => ("done", None),
        JobState::GivenUp => ("given_up", None),
    };
    json!({
        "duty": job.kind.as_str(),
        "target": (!job.target.is_empty()).then(|| safe(&job.target)),
        "standing": state,
        "due_at": due_at,
        "tries": job.tries,
        "tried_at": job.tried_at.map(crate::domain::WallTime::rfc3339),
        "told": safe(&inert::unescaped(&job.summary)),
        "status": job.status,
        "took_ms": job.took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
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
