//! `stock`: uploads keys to an offer. A key is goods: no output, log or error has one.

use secrecy::zeroize::Zeroizing;
use serde_json::Value;

use super::prelude::*;
use super::prompt::interrupted;
use super::request::{self, SIZE_MAX, from};
use crate::domain::stock::{NewKey, Uploaded};
use crate::domain::{Account, Secret};

commands! {
    /// Add keys to the stock of an offer (Kinguin).
    pub enum Stock {
        Add(AddStock),
    }
}

const FILE: &str = "pass a UTF-8 text file with one key on each line, or - for stdin";

/// After this many failures in a row the cause is not a single key.
const FAILURES_MAX: usize = 5;

/// Upload keys to an offer, one request for each key. Prints the result for each line of the file.
///
/// It can be repeated with the same file: a key that was added before counts as known. After a time-out, compare the
/// offer's stock with the file first: Kinguin does not promise that it adds no key twice. Keys are never printed or logged.
#[derive(Debug, Args)]
pub struct AddStock {
    /// The offer's id.
    #[arg(value_name = "OFFER")]
    offer: String,
    /// A text file with one key on each line, or - for stdin. Empty lines are skipped.
    #[arg(value_name = "KEYS.txt")]
    file: String,
    /// Do not ask for confirmation.
    #[arg(long)]
    yes: bool,
    /// Exit with 6 instead of waiting when the rate limit is reached.
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    format: AsCsv,
}

const FIELDS: &str = "account,offer,line,result,key_id,error.message";

#[derive(Debug, Default)]
struct Counts {
    added: usize,
    known: usize,
    failed: usize,
    /// Since the last key that did not fail.
    failed_in_a_row: usize,
}

impl DeckCommand for AddStock {
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        let account = cx.account(Ability::Stock)?;
        if self.offer.is_empty() {
            return Err(usage("OFFER is empty", "pass the offer's id").into());
        }
        let place = self.file.clone();
        let read = tokio::task::spawn_blocking(move || keys(&place));
        let keys = read.await.unwrap_or_else(|_| Err(interrupted()))?;
        if !self.yes {
            let offer = inert::cut(&self.offer, 60);
            let what = match keys.len() {
                1 => format!("adding 1 key to offer {offer}"),
                count => format!("adding {count} keys to offer {offer}"),
            };
            request::confirm(&what, &account).await?;
        }
        let out = &self.format.on(cx.out);
        let cx = &CommandContext { out, ..*cx };
        out.begin_progress(u64::try_from(keys.len()).unwrap_or(u64::MAX));
        let done = self.upload(keys, &account, cx).await;
        out.end_progress();
        done
    }
}

impl AddStock {
    async fn upload(
        &self,
        keys: Vec<(usize, Secret)>,
        account: &Account,
        cx: &CommandContext<'_>,
    ) -> CommandResult {
        let (mut counts, mut exit) = (Counts::default(), Exit::Done);
        let mut report = Report {
            account,
            offer: &self.offer,
            out: cx.out,
            records: Records::new(cx.out, FIELDS.split(',')),
        };
        report.records.begin()?;
        let mut keys = keys.into_iter();
        for (line, key) in keys.by_ref() {
            let new = NewKey {
                offer: self.offer.clone(),
                key,
            };
            let options = request_options(self.no_wait);
            let added = cx
                .deck
                .send(&account.id, options, |client| client.add_key(&new));
            let added = added.await;
            exit = exit.and(report.result(line, &added)?);
            counts.add(&added);
            cx.out.advance_progress();
            if added.is_err_and(|problem| counts.must_stop(&problem)) {
                break;
            }
        }
        let unsent: Vec<usize> = keys.map(|(line, _)| line).collect();
        for line in &unsent {
            report.print(*line, json!({ "result": "not_sent" }), "not sent")?;
        }
        let tone = match exit {
            Exit::Done => Tone::Good,
            _ => Tone::Bad,
        };
        let words = counts.describe(unsent.len());
        cx.out
            .message(tone, &format!("account {}:", account.id), &words);
        Ok(exit)
    }
}

struct Report<'a> {
    account: &'a Account,
    offer: &'a str,
    out: &'a Out,
    records: Records,
}

impl Report<'_> {
    fn result(&mut self, line: usize, added: &Result<Uploaded, Problem>) -> CommandResult {
        match added {
            Ok(Uploaded::Added(id)) => {
                let fields = json!({ "result": "added", "key_id": id });
                self.print(line, fields, &format!("added as {id}"))
            }
            Ok(Uploaded::Known) => {
                let fields = json!({ "result": "known" });
                self.print(line, fields, "was added before")
            }
            Err(problem) => {
                let fields = json!({ "result": "failed", "error": problem_json(problem) });
                self.print(line, fields, &format!("failed: {}", problem.describe()))?;
                Ok(problem.kind.into())
            }
        }
    }

    fn print(&mut self, line: usize, mut fields: Value, words: &str) -> CommandResult {
        fields["account"] = self.account.id.as_str().into();
        fields["offer"] = self.offer.into();
        fields["line"] = line.into();
        self.records.object(&fields)?;
        if self.out.format == Format::Text {
            self.out.line(&format!("line {line}: {words}"))?;
        }
        Ok(Exit::Done)
    }
}

impl Counts {
    fn add(&mut self, added: &Result<Uploaded, Problem>) {
        let count = match added {
            Ok(Uploaded::Added(_)) => &mut self.added,
            Ok(Uploaded::Known) => &mut self.known,
            Err(_) => &mut self.failed,
        };
        *count += 1;
        self.failed_in_a_row = match added {
            Ok(_) => 0,
            Err(_) => self.failed_in_a_row + 1,
        };
    }

    /// Whether the next keys would fail as well.
    fn must_stop(&self, problem: &Problem) -> bool {
        problem.kind != ProblemKind::Failing || self.failed_in_a_row >= FAILURES_MAX
    }

    fn describe(&self, unsent: usize) -> String {
        let mut words = format!("{} added", self.added);
        for (count, what) in [
            (self.known, "there before"),
            (self.failed, "failed"),
            (unsent, "not sent"),
        ] {
            if count > 0 {
                words = format!("{words}, {count} {what}");
            }
        }
        words
    }
}

/// The keys of a file with the numbers of their lines.
fn keys(place: &str) -> Result<Vec<(usize, Secret)>, Problem> {
    let bytes = from(place, FILE)?;
    if bytes.len() > SIZE_MAX {
        let what = format!("the file is larger than {} KiB", SIZE_MAX / 1024);
        return Err(usage(what, "split it into several files"));
    }
    let text = String::from_utf8(bytes).map(Zeroizing::new);
    let text = text.map_err(|_| usage("the file of keys is not UTF-8 text", FILE))?;
    // Some editors put a byte order mark first.
    let lines = text.trim_start_matches('\u{feff}').lines();
    let keys = lines.enumerate().map(|(at, key)| (at + 1, key.trim()));
    let keys = keys.filter(|(_, key)| !key.is_empty());
    let keys: Vec<_> = keys.map(|(line, key)| (line, Secret::new(key))).collect();
    if keys.is_empty() {
        return Err(usage("the file has no keys", FILE));
    }
    // Line ends of another kind, or another encoding, would make one key of several.
    let broken = |(_, key): &&(usize, Secret)| key.expose().contains(inert::is_hostile);
    if let Some((line, _)) = keys.iter().find(broken) {
        let what =
            format!("line {line} of the keys has a tab or another character that cannot be seen");
        return Err(usage(what, FILE));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_key_stops_no_others_and_a_failure_of_all_does() {
        let failed = |kind| Err(Problem::new(kind, "no", ""));
        let mut counts = Counts::default();
        let mut stops = |added: Result<Uploaded, Problem>| {
            counts.add(&added);
            added.is_err_and(|problem| counts.must_stop(&problem))
        };
        for kind in [
            ProblemKind::NotFound,
            ProblemKind::Refused,
            ProblemKind::Unreachable,
        ] {
            assert!(stops(failed(kind)), "{kind:?}");
        }
        assert!(!stops(Ok(Uploaded::Known)));
        for _ in 1..FAILURES_MAX {
            assert!(!stops(failed(ProblemKind::Failing)));
        }
        assert!(stops(failed(ProblemKind::Failing)));
        assert!(!stops(Ok(Uploaded::Added("1".into()))));
        assert!(!stops(failed(ProblemKind::Failing)));
        assert_eq!(
            counts.describe(2),
            "1 added, 1 there before, 9 failed, 2 not sent"
        );
    }
}
