//! Access tokens: the state of each, how long it is valid, when it is renewed. Never its value.

use std::time::Duration;

use ratatui::text::{Line, Span};

use crate::domain::{Answer, Now, Op, RequestId, StoredIn, TokenLifetime, TokenState, TokenStatus};
use crate::tui::overlays::{claims, questions};
use crate::tui::panes::parts::{draw_lines, line_rows};
use crate::tui::prelude::*;
use crate::tui::widgets::bar::eighths;
use crate::tui::widgets::text::without_account;
use crate::tui::widgets::widths::Widths;

keys! {
    Action:
    TOKENS "Tokens" keys [NAV, COLUMNS, GLOBAL] else "no account is selected" {
        RefreshToken "refresh-token" ["r"] "renew" "renew the access token now";
        CopyToken "copy-token" ["y"] "copy" "copy the token, after confirmation";
        Claims "claims" ["i" "enter"] "claims" "show the token's claims (JWT)" else "no readable token is selected";
    }
}

/// From here on a token "ends soon"; for a token that lives shortly, a quarter of its life.
const LAST: Duration = Duration::from_mins(1);
/// Steps of a gauge with reduced motion.
const PARTS: u32 = 10;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    pub list: List,
    widths: Widths,
}

impl State {
    pub fn selected<'a>(&self, store: &'a Store) -> Option<&'a AccountState> {
        store.token_users().nth(self.list.selected)
    }

    /// The operator's request for the selected token, if it is in progress.
    fn request(&self, store: &Store) -> Option<RequestId> {
        store.token_request(self.selected(store)?.id())
    }

    /// The details of the selected token, the most important first; last, the accounts without tokens.
    fn details(&self, ctx: ViewContext<'_>, columns: u16) -> Vec<(String, Tone)> {
        let known = self.selected(ctx.store);
        let mut lines = known.map_or_else(Vec::new, |known| describe(known, ctx, columns));
        lines.extend(without_tokens(ctx).map(|text| (text, Tone::Dim)));
        lines
    }
}

impl Component for State {
    type Action = Action;

    fn can(&self, action: Action, ctx: ViewContext<'_>) -> bool {
        let selected = self.selected(ctx.store);
        match action {
            Action::RefreshToken | Action::CopyToken => {
                let is_idle = selected.is_some() && self.request(ctx.store).is_none();
                ctx.store.is_ready() && is_idle
            }
            Action::Claims => selected.is_some_and(has_claims),
        }
    }

    fn why_not(&self, action: Action, ctx: ViewContext<'_>) -> Option<&'static str> {
        match action {
            Action::Claims => {
                let token = self.selected(ctx.store)?.token.as_ref();
                token.map(|_| "this token is opaque (not a JWT)")
            }
            Action::RefreshToken | Action::CopyToken => {
                let request = self.request(ctx.store);
                request.map(|_| "a request for this token is in progress")
            }
        }
    }

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        let Some(known) = self.selected(ctx.store) else {
            return;
        };
        let account = known.id().clone();
        match action {
            Action::Claims => {
                if has_claims(known) {
                    ctx.open(claims::State::new(account));
                }
            }
            Action::RefreshToken | Action::CopyToken if self.request(ctx.store).is_some() => {}
            Action::RefreshToken => {
                if ctx.is_ready() {
                    ctx.store.request_token(&account, Op::RenewToken, ctx.out);
                }
            }
            Action::CopyToken => {
                let question = questions::copy_token(known, ctx.view());
                if ctx.is_ready() {
                    ctx.open(question);
                }
            }
        }
    }

    fn command(&self, ctx: ViewContext<'_>) -> Option<String> {
        let account = self.selected(ctx.store)?.id();
        Some(ctx.own_command(["token", "show", account.as_str()]))
    }

    fn selected_name(&self, store: &Store) -> Option<String> {
        // The first is selected at every start.
        let known = self.selected(store).filter(|_| self.list.selected > 0)?;
        Some(known.id().to_string())
    }

    fn select_name(&mut self, name: &str, store: &mut Store) -> bool {
        let at = store
            .token_users()
            .position(|known| known.id().as_str() == name);
        self.list.selected = at.unwrap_or(self.list.selected);
        at.is_some()
    }

    fn widths(&mut self) -> Option<&mut Widths> {
        Some(&mut self.widths)
    }

    fn list(&mut self) -> Option<&mut List> {
        Some(&mut self.list)
    }

    fn fit(&mut self, ctx: &mut UpdateContext<'_>) {
        let len = ctx.store.token_users().count();
        self.list.fit(len, list_area(ctx.area, len).height);
    }

    fn on_event(&mut self, event: Event<'_>, ctx: &mut UpdateContext<'_>) {
        let Event::Message(Msg::Answered(_, answer), Some(asked)) = event else {
            return;
        };
        match answer {
            Answer::Renewed(Ok(())) => {
                let text = format!("{} has a new access token", asked.account);
                ctx.flash(Level::Info, text);
            }
            Answer::Token(Ok(text)) => {
                ctx.copy(text.clone(), "the access token");
            }
            Answer::Renewed(Err(problem)) | Answer::Token(Err(problem)) => {
                ctx.flash(Level::Error, problem.describe());
            }
            _ => {}
        }
    }

    fn cancel(&mut self, ctx: &mut UpdateContext<'_>) -> bool {
        let request = self.request(ctx.store);
        ctx.console.extend(request.map(Command::Cancel));
        request.is_some()
    }

    fn detail_rows(&self, ctx: ViewContext<'_>, columns: u16) -> u16 {
        line_rows(&self.details(ctx, columns), columns)
    }

    fn view(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) -> Option<Position> {
        let users: Vec<&AccountState> = ctx.store.token_users().collect();
        if users.is_empty() {
            draw_none(ctx, area, buf);
            return None;
        }
        let list = list_area(area, users.len());
        let marks = users.len() > 1;
        let columns = self.widths.apply(columns(ctx));
        let grid = Grid::new(columns, &users, self.list, list);
        grid.draw(ctx, marks, buf);
        let left = below(area, list.height);
        draw_lines(&self.details(ctx, area.width), ctx, left, buf);
        None
    }
}

fn has_claims(known: &AccountState) -> bool {
    let status = known.token.as_ref();
    status.is_some_and(|status| status.claims.is_some())
}

/// The rows of the list: every account that uses tokens, with room left for the selected one's detail.
pub fn list_area(area: Rect, users: usize) -> Rect {
    let detail = match area.height {
        0..4 => 0,
        4..8 => 1,
        _ => 3,
    };
    let rows = cells(users).min(area.height.saturating_sub(detail).max(1));
    split_rows(area, rows)[0]
}

/// With reduced motion, time until the gauge loses a step or the word changes.
fn reduced_changes_in(status: &TokenStatus, now: Now) -> Option<Duration> {
    let life = status.life?;
    let left = life.left(now)?;
    let tenth = life.life / PARTS;
    let mut steps = vec![left];
    steps.extend(
        (1..PARTS)
            .map(|part| tenth * part)
            .chain([life.life / 4, last_of(life)])
            .filter_map(|rest| left.checked_sub(rest)),
    );
    steps.push(life.renews_in(now));
    steps.into_iter().filter(|step| !step.is_zero()).min()
}

fn last_of(life: TokenLifetime) -> Duration {
    LAST.min(life.life / 4)
}

/// Time until a failed renewal is retried.
fn retry_in(status: &TokenStatus, now: Now) -> Option<Duration> {
    let again = status.failure.as_ref()?.again?;
    again
        .checked_sub(now.mono)
        .filter(|left| !left.is_zero() && !status.fetching)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Badge {
    glyph: &'static str,
    word: &'static str,
    tone: Tone,
    /// The tone of its countdown and gauge.
    left: Tone,
}

fn badge(status: &TokenStatus, now: Now) -> Badge {
    let state = status.state(now);
    let remains = status.life.and_then(|life| Some((life, life.left(now)?)));
    let due = remains.is_some_and(|(life, _)| life.renews_in(now).is_zero());
    let last = remains.is_some_and(|(life, left)| left <= last_of(life));
    let left = match remains {
        // A token that lives shortly and is renewed in time is no alarm.
        Some((life, left)) if due && !status.fetching && (last || left <= life.life / PARTS) => {
            Tone::Bad
        }
        Some((life, left)) if due || left <= life.life / 4 => Tone::Warn,
        Some(_) => Tone::Good,
        None => Tone::Dim,
    };
    let failed = status.failure.is_some();
    // `TokenState::word` is what `--json` prints; the screen has words of its own.
    let (glyph, word, tone) = match state {
        TokenState::Missing if failed => ("!", "missing", Tone::Warn),
        // Not an error: it is fetched when a request needs it.
        TokenState::Missing => ("○", "none yet", Tone::Dim),
        TokenState::Refreshing => ("◌", "renewing", Tone::Busy),
        TokenState::Refused => ("✘", "rejected", Tone::Bad),
        TokenState::Expired if status.idle && !failed => ("○", "expired", Tone::Dim),
        TokenState::Expired => ("✘", "expired", Tone::Bad),
        TokenState::Fresh | TokenState::Due if status.idle => ("✔", "valid", left),
        TokenState::Fresh | TokenState::Due if last => ("!", "ends soon", left),
        TokenState::Due => ("!", "due", left),
        TokenState::Fresh => ("✔", "valid", left),
    };
    Badge {
        glyph,
        word,
        tone,
        left,
    }
}

fn columns(ctx: ViewContext<'_>) -> Vec<Column<'_, AccountState>> {
    let theme = ctx.theme;
    vec![
        Column::new("", Width::Exact(1), move |it, _| {
            let badge = shown_badge(it, ctx);
            Line::styled(badge.glyph, theme.bold(badge.tone))
        }),
        Column::new("account", Width::Fit(0, 24), |it: &AccountState, _| {
            it.id().as_str().into()
        })
        .shrinks(0),
        Column::new("state", Width::Exact(10), move |it, _| {
            let badge = shown_badge(it, ctx);
            Line::styled(badge.word, theme.style(badge.tone))
        }),
        Column::new("", Width::Rest(4, 32), move |it, room| gauge(it, room, ctx)),
        Column::new("ends in", Width::Exact(8), move |it, _| {
            let (words, tone) = match life(it, ctx) {
                Some((_, left)) => (ctx.countdown(left), shown_badge(it, ctx).left),
                None => ("—".into(), Tone::Dim),
            };
            Line::styled(words, theme.style(tone))
        })
        .right(),
    ]
}

/// The life of the token and what is left of it.
fn life(known: &AccountState, ctx: ViewContext<'_>) -> Option<(TokenLifetime, Duration)> {
    let life = known.token.as_ref()?.life?;
    Some((life, life.left(ctx.now)?))
}

fn shown_badge(known: &AccountState, ctx: ViewContext<'_>) -> Badge {
    let unknown = TokenStatus::default();
    let status = known.token.as_ref().unwrap_or(&unknown);
    if ctx.reduced_motion
        && let Some(left) = reduced_changes_in(status, ctx.now)
    {
        ctx.changes_in(left);
    }
    let badge = badge(status, ctx.now);
    let request = ctx.store.token_request(known.id());
    match ctx.store.waiting_for(request) {
        None => badge,
        Some(_) => Badge {
            glyph: "◌",
            word: "waiting",
            tone: Tone::Busy,
            ..badge
        },
    }
}

fn gauge<'r>(known: &AccountState, room: u16, ctx: ViewContext<'_>) -> Line<'r> {
    let (full, rest) = match life(known, ctx) {
        Some((life, left)) if ctx.reduced_motion => {
            let tenth = (life.life / PARTS).as_millis().max(1);
            let left = left.as_millis().div_ceil(tenth);
            eighths(left, u128::from(PARTS), room)
        }
        Some((life, left)) => eighths(left.as_millis(), life.life.as_millis(), room),
        None => eighths(0, 1, room),
    };
    let tone = shown_badge(known, ctx).left;
    Line::from(vec![
        Span::styled(full, ctx.theme.style(tone)),
        Span::styled(rest, ctx.theme.style(Tone::Dim)),
    ])
}

fn describe(known: &AccountState, ctx: ViewContext<'_>, columns: u16) -> Vec<(String, Tone)> {
    let mut out = Vec::new();
    let unknown = TokenStatus::default();
    let status = known.token.as_ref().unwrap_or(&unknown);
    let (now, zone) = (ctx.now, &ctx.store.zone);
    let request = ctx.store.token_request(known.id());
    if let Some(wait) = ctx.waiting(request) {
        let key = ctx.key(ConsoleAction::Escape);
        out.push((format!("waiting: {wait}; {key} cancels"), Tone::Busy));
    }
    if let Some(failure) = &status.failure {
        let tone = if status.left(now).is_some() {
            Tone::Warn
        } else {
            Tone::Bad
        };
        let next = match retry_in(status, now) {
            _ if status.fetching => "retrying now".into(),
            Some(left) if ctx.reduced_motion => format!("retry at {}", ctx.countdown(left)),
            Some(left) => format!("retry in {}", ctx.countdown(left)),
            None if failure.refused => "no automatic retry".into(),
            None => "tilldeck retries when a request needs a token".into(),
        };
        // An account whose first token never came has nothing to renew.
        let what = if status.life.is_some() {
            "Renewal"
        } else {
            "Request"
        };
        let why = failure.why.trim_end_matches('.');
        let why = without_account(why, known.id().as_str());
        // The reason first: a low pane shows one row.
        let text = match status.left(now) {
            Some(left) => format!(
                "renewal failed: {}; the current token is valid {} {}; {next}",
                why.trim_start_matches("no access token: "),
                if ctx.reduced_motion { "until" } else { "for" },
                ctx.countdown(left)
            ),
            None => format!(
                "{why}. {what} failed at {}; {next}.",
                failure.at.clock(zone)
            ),
        };
        out.push((text, tone));
    }
    match status.life {
        Some(life) => {
            let issued = format!("issued {}", life.requested_at().clock(zone));
            // The clock time of the renewal where the line has room for it.
            let room = columns.saturating_sub(width(&issued) + 3);
            let renewal = renewal(status, life, room, ctx);
            let text = format!("{issued} · {renewal}");
            // A narrow pane shows what comes next.
            let fits = width(&text) <= columns;
            out.push((if fits { text } else { renewal }, Tone::Plain));
        }
        None if status.fetching => out.push(("requesting a token now".into(), Tone::Plain)),
        None if status.failure.is_none() => {
            out.push(("no token yet; requested when needed".into(), Tone::Plain));
        }
        None => {}
    }
    if status.life.is_some() {
        let history = match status.fetched {
            0 => "saved by an earlier run".into(),
            1 => "not renewed yet".into(),
            n => format!("renewed {}", times(n - 1)),
        };
        out.push((history, Tone::Dim));
    }
    if !status.note.is_empty() {
        out.push((status.note.clone(), Tone::Warn));
    }
    if status.life.is_some() {
        let place = match status.stored_in {
            StoredIn::Memory => "stored in memory only",
            StoredIn::Keyring => "stored in the keyring",
            StoredIn::File => "stored in a file that only you can read",
        };
        let note = if status.stored_note.is_empty() {
            String::new()
        } else {
            format!(": {}", status.stored_note)
        };
        out.push((format!("{place}{note}"), Tone::Dim));
    }
    if status.claims.is_some() {
        let text = format!("{} shows its claims", ctx.key(Action::Claims));
        out.push((text, Tone::Dim));
    }
    out
}

fn times(count: u32) -> String {
    match count {
        1 => "once".into(),
        n => format!("{n} times"),
    }
}

/// What becomes of a token: its renewal, or its end.
fn renewal(status: &TokenStatus, life: TokenLifetime, room: u16, ctx: ViewContext<'_>) -> String {
    let renews = life.renews_in(ctx.now);
    match life.left(ctx.now) {
        None => {
            let ended = life.requested_at().plus(life.life);
            let ended = ended.clock(&ctx.store.zone);
            let next = if status.idle {
                "; a new one is requested when needed"
            } else {
                ""
            };
            format!("expired {ended}{next}")
        }
        Some(_) if status.idle => "not needed yet, so not renewed".into(),
        Some(_) if !renews.is_zero() => renews_when(renews, room, ctx),
        Some(_) if status.fetching => "renewing now".into(),
        Some(_) => "renewal is due".into(),
    }
}

fn renews_when(left: Duration, room: u16, ctx: ViewContext<'_>) -> String {
    let at = ctx.now.wall.plus(left).clock(&ctx.store.zone);
    if ctx.reduced_motion {
        return format!("renews at {at}");
    }
    let short = format!("renews in {}", ctx.countdown(left));
    let long = format!("{short} ({at})");
    if width(&long) <= room { long } else { short }
}

/// Names the accounts that have no tokens, so that none seems to be missing.
fn without_tokens(ctx: ViewContext<'_>) -> Option<String> {
    let accounts = ctx.store.accounts.iter();
    let others: Vec<&str> = accounts
        .filter(|known| !known.account.uses_access_tokens)
        .map(|known| known.id().as_str())
        .collect();
    (!others.is_empty()).then(|| format!("without tokens: {}", others.join(", ")))
}

fn draw_none(ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
    let text = if area.height < 2 {
        "no account uses tokens"
    } else {
        "No account here uses access tokens."
    };
    let left = paragraph(buf, area, text, ctx.theme.style(Tone::Plain));
    let text = "Each request carries the account's key or signature; nothing expires.";
    paragraph(buf, left, text, ctx.theme.style(Tone::Dim));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::TokenFailure;
    use crate::tui::testing::{START, second};

    fn with(life: u64, renew_at: u64) -> TokenStatus {
        TokenStatus {
            life: Some(TokenLifetime {
                since: second(0),
                aged: Duration::ZERO,
                life: Duration::from_secs(life),
                renew_at: Duration::from_secs(renew_at),
            }),
            fetched: 1,
            ..TokenStatus::default()
        }
    }

    fn badge_at(status: &TokenStatus, at: u64) -> (&'static str, &'static str, Tone, Tone) {
        let badge = badge(status, second(at));
        (badge.glyph, badge.word, badge.tone, badge.left)
    }

    #[test]
    fn an_hour_passes_in_steps() {
        let status = with(3600, 3240);
        assert_eq!(badge_at(&status, 0), ("✔", "valid", Tone::Good, Tone::Good));
        assert_eq!(
            badge_at(&status, 2700),
            ("✔", "valid", Tone::Warn, Tone::Warn),
            "a quarter is left"
        );
        assert_eq!(badge_at(&status, 3240).1, "due");
        assert_eq!(badge_at(&status, 3241).2, Tone::Bad, "due, and not renewed");
        assert_eq!(badge_at(&status, 3540).1, "ends soon");
        assert_eq!(badge_at(&status, 3600).1, "expired");
        let fetching = TokenStatus {
            fetching: true,
            ..status
        };
        assert_eq!(
            badge_at(&fetching, 3590),
            ("◌", "renewing", Tone::Busy, Tone::Warn)
        );
    }

    #[test]
    fn the_end_of_a_token_that_nothing_needs_is_no_alarm() {
        let saved = TokenStatus {
            fetched: 0,
            idle: true,
            ..with(60, 50)
        };
        assert_eq!(badge_at(&saved, 0).1, "valid");
        assert_eq!(badge_at(&saved, 60), ("○", "expired", Tone::Dim, Tone::Dim));
    }

    #[test]
    fn a_short_life_that_renews_itself_is_no_alarm() {
        let status = with(20, 17);
        for at in 0..17 {
            let (_, word, _, left) = badge_at(&status, at);
            assert_ne!(left, Tone::Bad, "{at}");
            assert_eq!(word == "ends soon", at >= 15, "{at}");
        }
        assert_eq!(badge_at(&status, 18).3, Tone::Bad);
    }

    #[test]
    fn a_failure_has_its_own_glyph_and_word() {
        let mut status = TokenStatus::default();
        assert_eq!(badge_at(&status, 0).1, "none yet");
        assert_eq!(badge_at(&status, 0).2, Tone::Dim);
        status.failure = Some(TokenFailure {
            at: START,
            why: "no connection".into(),
            refused: false,
            again: Some(Duration::from_secs(9)),
        });
        assert_eq!(
            badge_at(&status, 0),
            ("!", "missing", Tone::Warn, Tone::Dim)
        );
        status.failure.as_mut().unwrap().refused = true;
        assert_eq!(
            badge_at(&status, 0),
            ("✘", "rejected", Tone::Bad, Tone::Dim)
        );
    }

    #[test]
    fn reduced_motion_wakes_only_where_the_text_changes() {
        let status = with(3600, 3240);
        let wake = |at| reduced_changes_in(&status, second(at)).unwrap().as_secs();
        assert_eq!(wake(0), 360);
        assert_eq!(wake(2520), 180, "to the last quarter");
        assert_eq!(wake(3300), 240, "to the last minute");
        assert_eq!(wake(3540), 60);
        assert_eq!(reduced_changes_in(&status, second(3600)), None);
    }
}
