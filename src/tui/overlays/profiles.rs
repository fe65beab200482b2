//! The list of profiles: Enter closes the current one and opens the selected one.

use crate::domain::Environment;
use crate::tui::panes::credentials;
use crate::tui::prelude::*;
use crate::tui::setup::ProfileEntry;
use crate::tui::widgets::text::counted;

keys! {
    Action:
    PROFILES "Profiles" keys [NAV, READER, OVERLAY] {
        SwitchProfile "switch-profile" ["enter"] "switch" "open the selected profile";
    }
}

/// The widest column of names.
const NAME_MAX: u16 = 28;
/// Columns of the badges of a profile with accounts of two environments.
const BADGES: u16 = 14;
/// Columns of the window around the names.
const BESIDE: u16 = 63;
/// Rows of the window around the list: frame, a blank row, and two rows of text.
const AROUND: u16 = 5;

#[derive(Debug, Clone)]
pub struct State {
    list: List,
}

impl State {
    pub fn new(store: &Store) -> Self {
        let mut list = List::default();
        let mut all = store.profiles.iter();
        let at = all.position(|profile| profile.name == store.profile);
        list.selected = at.unwrap_or(0);
        Self { list }
    }

    fn rows(store: &Store, screen: Rect) -> u16 {
        let most = screen.height.saturating_sub(AROUND).max(1);
        cells(store.profiles.len()).clamp(1, most)
    }
}

impl Component for State {
    type Action = Action;

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        match action {
            Action::SwitchProfile => {
                ctx.close();
                let selected = ctx.store.profiles.get(self.list.selected);
                let name = selected.map(|profile| profile.name.clone());
                ctx.console.extend(name.map(Command::Profile));
            }
        }
    }

    fn step(&mut self, step: Step, ctx: &mut UpdateContext<'_>) {
        let rows = Self::rows(ctx.store, ctx.area);
        self.list.step(step, ctx.store.profiles.len(), rows);
    }

    /// A click selects; on the selected row it does what Enter does.
    fn pick(&mut self, row: usize, ctx: &mut UpdateContext<'_>) {
        if row == self.list.selected {
            return self.act(Action::SwitchProfile, ctx);
        }
        self.list.selected = row;
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let (store, theme) = (ctx.store, ctx.theme);
        let len = store.profiles.len();
        let rows = Self::rows(store, screen);
        let names = widest(store.profiles.iter().map(|profile| &profile.name)).min(NAME_MAX);
        let inner = Window {
            title: "Profiles",
            size: Size::new(BESIDE + names, rows + AROUND),
            live: store.is_live(),
        }
        .draw(theme, screen, buf);
        let area = Rect {
            height: rows.min(inner.height),
            ..inner
        };
        let pager = Pager::list(area, self.list, len);
        pager.draw(ctx, buf, |at, line, buf| {
            draw_row(&store.profiles[at], names, ctx, line, buf);
        });
        pager.draw_place(theme, buf);
        let text = if len > 1 {
            let key = ctx.key(Action::SwitchProfile);
            format!("{key} opens the selected profile. Armed accounts are disarmed.")
        } else {
            let key = ctx.key(credentials::Action::AddAccount);
            format!(
                "The config has no profile yet. {key} in Credentials adds an account and creates a profile."
            )
        };
        let text_area = below(inner, area.height + 1);
        paragraph(buf, text_area, &text, theme.style(Tone::Dim));
        None
    }
}

fn draw_row(
    profile: &ProfileEntry,
    names: u16,
    ctx: ViewContext<'_>,
    line: Rect,
    buf: &mut Buffer,
) {
    let theme = ctx.theme;
    let dim = theme.style(Tone::Dim);
    let is_current = profile.name == ctx.store.profile;
    let mark = if is_current { "●" } else { " " };
    let mut pen = Pen::new(buf, line, 0);
    pen.text(mark, theme.bold(Tone::Accent))
        .skip(1)
        .cell(&profile.name, names, theme.bold(Tone::Plain))
        .skip(2);
    let badges = pen.x();
    for environment in [
        Environment::Production,
        Environment::Sandbox,
        Environment::Embedded,
    ] {
        if profile.accounts.contains(&environment) {
            let (word, tone) = badge(environment);
            pen.text(&format!(" {word} "), theme.badge(tone)).skip(1);
        }
    }
    let used = pen.x() - badges;
    let accounts = match profile.accounts.len() {
        0 => "no accounts".to_owned(),
        n => counted(n, "account"),
    };
    pen.skip(BADGES.saturating_sub(used))
        .cell(&accounts, 12, dim);
    let roles = [
        (is_current, "current"),
        (profile.is_default, "default"),
        (profile.built_in, "built in"),
    ];
    let roles = roles.iter().filter(|(is, _)| *is).map(|(_, word)| *word);
    pen.skip(1).text(&roles.collect::<Vec<_>>().join(", "), dim);
}
