//! The claims of an access token that is a JWT (RFC 7519). tilldeck has no key to verify the signature and says so.

use jiff::tz::TimeZone;

use crate::domain::{AccountId, WallTime, inert};
use crate::tui::keys::NoAction;
use crate::tui::prelude::*;
use crate::tui::widgets::json;
use crate::tui::widgets::reader::Reader;
use crate::tui::widgets::sheet::Kind;

/// Fields that are instants, in seconds since the Unix epoch (RFC 7519, 4.1).
const INSTANTS: [&str; 3] = ["\"exp\": ", "\"iat\": ", "\"nbf\": "];
const NOTE: &str =
    "Read from the token itself. The signature is not verified: only the provider can verify it.";

/// The account and its claims, which come from the store after each message, so that a renewal shows.
#[derive(Debug, Clone)]
pub struct State {
    account: AccountId,
    reader: Reader,
}

impl State {
    pub fn new(account: AccountId) -> Self {
        let reader = Reader::text("");
        Self { account, reader }
    }

    fn lines(&self, store: &Store) -> Vec<(Kind, String)> {
        let known = store.known(&self.account);
        let claims = known
            .and_then(|known| known.token.as_ref())
            .and_then(|status| status.claims.as_deref());
        let Some(claims) = claims else {
            return vec![(Kind::Text, "This token is opaque (not a JWT).".into())];
        };
        let text = json::indented(claims);
        let text = inert::block(text.as_deref().unwrap_or(claims));
        let lines = text.lines().map(|line| match dated(line, &store.zone) {
            Some(date) => (Kind::Text, format!("{line}  ({date})")),
            None => (Kind::Text, line.to_owned()),
        });
        lines.collect()
    }
}

static CLAIMS: Scope = Scope {
    id: "CLAIMS",
    title: "Claims",
    takes_text: false,
    around: &[&NAV, &READER, &OVERLAY],
    why_not: "",
};

impl Component for State {
    type Action = NoAction;

    fn scope(&self) -> &'static Scope {
        &CLAIMS
    }

    fn act(&mut self, action: NoAction, _ctx: &mut UpdateContext<'_>) {
        match action {}
    }

    fn step(&mut self, step: Step, ctx: &mut UpdateContext<'_>) {
        let [_, text] = areas(ctx.area, self.reader.len());
        self.reader.step(step, text.height);
    }

    fn fit(&mut self, ctx: &mut UpdateContext<'_>) {
        self.reader.replace(self.lines(ctx.store));
        let rows = self.reader.lay_out(columns_inside(ctx.area, WIDEST));
        let [_, text] = areas(ctx.area, rows);
        self.reader.fit(text);
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let theme = ctx.theme;
        let window = Window {
            title: &format!("Claims of the token of {}", self.account),
            size: size(screen, self.reader.len()),
            live: ctx.store.is_live_account(self.account.as_str()),
        };
        window.draw(theme, screen, buf);
        let [note, text] = areas(screen, self.reader.len());
        paragraph(buf, note, NOTE, theme.style(Tone::Warn));
        self.reader.draw(text, theme, buf);
        self.reader.draw_place(text, theme, buf);
        None
    }
}

const WIDEST: u16 = 90;

fn size(screen: Rect, rows: usize) -> Size {
    let rows = cells(rows) + note_rows(columns_inside(screen, WIDEST));
    Size::new(WIDEST, (rows + 2).min(screen.height.saturating_sub(1)))
}

/// The note with a blank row, and the claims.
fn areas(screen: Rect, rows: usize) -> [Rect; 2] {
    let inner = inside(screen, size(screen, rows));
    split_rows(inner, note_rows(inner.width))
}

fn note_rows(columns: u16) -> u16 {
    cells(wrap(NOTE, columns).len()) + 1
}

/// The date of a line that holds an instant.
fn dated(line: &str, zone: &TimeZone) -> Option<String> {
    let line = line.trim_start();
    let value = INSTANTS.iter().find_map(|name| line.strip_prefix(name))?;
    let seconds: i64 = value.trim_end_matches(',').parse().ok()?;
    Some(WallTime(seconds.checked_mul(1000)?).date_and_clock(zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_shown_with_their_dates_and_nothing_else_is() {
        let date = |line| dated(line, &TimeZone::UTC);
        assert_eq!(
            date("  \"exp\": 1795316066,").unwrap(),
            "2026-11-22 02:54:26"
        );
        assert_eq!(date("  \"exp\": \"1795316066\","), None);
        assert_eq!(date("  \"expires\": 1795316066"), None);
        assert_eq!(date("  \"iat\": 1e9"), None);
        assert_eq!(date("  \"iat\": 9223372036854775807"), None);
    }
}
