//! A form: labelled fields for text, secrets, choices and switches. It checks nothing; its owner sets the
//! errors.

use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::{Position, Rect};
use secrecy::zeroize::Zeroizing;
use tui_input::{Input, InputRequest};

use super::input::{TYPED_MAX, UNTYPEABLE, draw_input, edit, paste, request, typeable};
use super::text::{Pen, below, cells, paragraph, widest, wrap};
use crate::domain::{AccountId, Note, Secret, secret};
use crate::tui::component::ViewContext;
use crate::tui::hits::Hit;
use crate::tui::theme::{Theme, Tone};

/// The most rows of a hint.
const HINT_ROWS: usize = 3;
/// Columns by which an error is indented.
const ERROR_INDENT: u16 = 4;

#[derive(Debug, Clone)]
pub enum Value {
    Text(Input),
    Hidden(Hidden),
    Choice { options: Vec<String>, at: usize },
    Switch(bool),
}

/// A hidden text: no `Debug`, wiped on drop. It is edited at its end only, since the operator cannot see a cursor
/// elsewhere.
#[derive(Clone, Default)]
pub struct Hidden(Zeroizing<String>);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hidden(…)")
    }
}

impl Hidden {
    /// A `String` that grows leaves a copy of its text in memory; so a larger one is filled, and the old one wiped.
    fn add(&mut self, text: &str) {
        let room = TYPED_MAX.saturating_sub(self.0.chars().count());
        let end = text
            .char_indices()
            .nth(room)
            .map_or(text.len(), |(at, _)| at);
        let text = &text[..end];
        if self.0.len() + text.len() > self.0.capacity() {
            let mut larger = Zeroizing::new(String::with_capacity((self.0.len() + text.len()) * 2));
            larger.push_str(&self.0);
            self.0 = larger;
        }
        self.0.push_str(text);
    }

    fn key(&mut self, key: &KeyEvent) -> bool {
        match request(key) {
            Some(InputRequest::InsertChar(c)) => self.add(c.encode_utf8(&mut [0; 4])),
            Some(InputRequest::DeletePrevChar) => drop(self.0.pop()),
            Some(InputRequest::DeletePrevWord | InputRequest::DeleteFromStart) => {
                *self = Self::default();
            }
            _ => return false,
        }
        true
    }
}

#[derive(Debug, Clone)]
pub struct Field {
    pub label: &'static str,
    /// Shown in an empty field, or after a switch.
    pub hint: String,
    pub value: Value,
    /// Whether it takes prose, in which a pasted emoji is no character that cannot be typed.
    is_prose: bool,
    /// Whether the whole text is selected: typed or pasted text replaces it.
    selected: bool,
    pub error: Option<String>,
}

impl Field {
    /// A field for the name of a live account, typed to confirm.
    pub fn account_name() -> Self {
        Self::text("Account", "type its full name", "")
    }

    fn new(label: &'static str, hint: &str, value: Value) -> Self {
        Self {
            label,
            hint: hint.into(),
            value,
            is_prose: false,
            selected: false,
            error: None,
        }
    }

    pub fn text(label: &'static str, hint: &str, value: &str) -> Self {
        let input = Input::new(typeable(value, TYPED_MAX));
        Self::new(label, hint, Value::Text(input))
    }

    pub fn prose(label: &'static str, hint: &str) -> Self {
        Self {
            is_prose: true,
            ..Self::text(label, hint, "")
        }
    }

    /// A text field whose text is selected at first: typing replaces it, moving the cursor does not.
    pub fn replaced(label: &'static str, hint: &str, value: &str) -> Self {
        Self {
            selected: !value.is_empty(),
            ..Self::text(label, hint, value)
        }
    }

    /// Ends the selection, and clears the text where `clear`.
    fn unselect(&mut self, clear: bool) {
        if std::mem::take(&mut self.selected)
            && clear
            && let Value::Text(input) = &mut self.value
        {
            input.reset();
        }
    }

    pub fn hidden(label: &'static str, hint: &str) -> Self {
        Self::new(label, hint, Value::Hidden(Hidden::default()))
    }

    pub fn choice(label: &'static str, options: Vec<String>, at: usize) -> Self {
        Self::new(label, "", Value::Choice { options, at })
    }

    /// A switch that is off.
    pub fn switch(label: &'static str, hint: &str) -> Self {
        Self::new(label, hint, Value::Switch(false))
    }

    pub fn typed(&self) -> &str {
        match &self.value {
            Value::Text(input) => input.value().trim(),
            Value::Hidden(_) | Value::Choice { .. } | Value::Switch(_) => "",
        }
    }

    /// The hidden text, or why it cannot be a secret; `None` where it is empty.
    pub fn secret(&self) -> Option<Result<Secret, String>> {
        let Value::Hidden(hidden) = &self.value else {
            return None;
        };
        let text = secret::trimmed(&hidden.0);
        if text.is_empty() {
            return None;
        }
        Some(if text.contains(UNTYPEABLE) {
            Err("it has a character that no secret contains; copy it again".into())
        } else {
            Ok(Secret::new(text))
        })
    }

    pub fn chosen(&self) -> usize {
        match self.value {
            Value::Choice { at, .. } => at,
            Value::Text(_) | Value::Hidden(_) | Value::Switch(_) => 0,
        }
    }

    /// Rows of its value, or of its hint in the `room` cells after the label, and of its error.
    fn height(&self, width: u16, room: u16) -> u16 {
        let error_room = width.saturating_sub(ERROR_INDENT).max(1);
        let error = self
            .error
            .as_ref()
            .map_or(0, |error| wrap(error, error_room).len().min(2));
        self.hint_rows(room) + cells(error)
    }

    fn hint_rows(&self, room: u16) -> u16 {
        if self.is_empty() {
            cells(wrap(&self.hint, room).len().min(HINT_ROWS))
        } else {
            1
        }
    }

    /// Whether nothing is typed, so that the hint is in its place.
    fn is_empty(&self) -> bool {
        match &self.value {
            Value::Text(input) => input.value().is_empty(),
            Value::Hidden(hidden) => hidden.0.is_empty(),
            Value::Choice { .. } | Value::Switch(_) => false,
        }
    }

    pub fn is_on(&self) -> bool {
        matches!(self.value, Value::Switch(true))
    }
}

/// The fields, one of which is current.
#[derive(Debug, Clone)]
pub struct Form {
    pub fields: Vec<Field>,
    pub at: usize,
    /// Whether the operator has typed, pasted or chosen something.
    pub is_changed: bool,
    /// Whether the cursor is outside of it.
    is_idle: bool,
    /// The accounts to choose from, in the last field.
    accounts: Vec<AccountId>,
}

impl Form {
    pub fn new(fields: Vec<Field>) -> Self {
        Self {
            fields,
            at: 0,
            is_changed: false,
            is_idle: false,
            accounts: Vec::new(),
        }
    }

    /// A form about one of these accounts, at first the one at `at`. With several, the last field chooses.
    pub fn about(mut fields: Vec<Field>, accounts: Vec<AccountId>, at: usize) -> Self {
        if accounts.len() > 1 {
            let names = accounts.iter().map(ToString::to_string).collect();
            fields.push(Field::choice("Account", names, at));
        }
        Self {
            accounts,
            ..Self::new(fields)
        }
    }

    pub fn account(&self) -> Option<&AccountId> {
        self.accounts
            .get(self.fields.last().map_or(0, Field::chosen))
    }

    /// The value of a field. An error is shown below it, and gives `None`.
    pub fn read<T, E: ToString>(
        &mut self,
        at: usize,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let field = &mut self.fields[at];
        let value = read(field.typed());
        field.error = value.as_ref().err().map(ToString::to_string);
        value.ok()
    }

    /// Whether the operator typed the account's name, to confirm what `verb` says; where the form asks for it.
    pub fn confirms(&mut self, at: usize, account: &str, verb: &str) -> bool {
        let Some(field) = self.fields.get_mut(at) else {
            return true;
        };
        let right = field.typed() == account;
        field.error = (!right).then(|| format!("type {account} to {verb} it"));
        right
    }

    pub fn next(&mut self) {
        self.at = (self.at + 1) % self.fields.len().max(1);
    }

    pub fn previous(&mut self) {
        self.at = self
            .at
            .checked_sub(1)
            .unwrap_or(self.fields.len().saturating_sub(1));
    }

    /// Moves to the first field with an error, such as a mark in place of a character that cannot be typed; returns
    /// whether there is one.
    pub fn find_error(&mut self) -> bool {
        for field in &mut self.fields {
            let mark = field.typed().chars().position(|c| c == UNTYPEABLE);
            if let (Some(at), None) = (mark, &field.error) {
                let position = at + 1;
                field.error = Some(format!(
                    "it has a character that cannot be shown, at position {position}; delete it"
                ));
            }
        }
        let found = self.fields.iter().position(|field| field.error.is_some());
        self.at = found.unwrap_or(self.at);
        found.is_some()
    }

    /// Handles a key in the current field; returns whether it changed.
    pub fn key(&mut self, key: &KeyEvent) -> bool {
        let Some(field) = self.fields.get_mut(self.at) else {
            return false;
        };
        let plain = !key
            .modifiers
            .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        match &mut field.value {
            Value::Text(input) => {
                // Tried on a copy: a key that changes nothing must not end the selection.
                if field.selected && edit(&mut input.clone(), key) {
                    let erases = matches!(key.code, KeyCode::Backspace | KeyCode::Delete);
                    field.unselect(erases || plain && matches!(key.code, KeyCode::Char(_)));
                    if erases {
                        field.error = None;
                        return true;
                    }
                }
                let Value::Text(input) = &mut field.value else {
                    return false;
                };
                if !edit(input, key) {
                    return false;
                }
            }
            Value::Hidden(hidden) => {
                if !hidden.key(key) {
                    return false;
                }
            }
            Value::Choice { options, at } if plain => {
                let len = options.len().max(1);
                match key.code {
                    KeyCode::Char(' ') | KeyCode::Right => *at = (*at + 1) % len,
                    KeyCode::Left => *at = (*at + len - 1) % len,
                    _ => return false,
                }
            }
            Value::Switch(switch) if plain && key.code == KeyCode::Char(' ') => {
                *switch = !*switch;
            }
            Value::Choice { .. } | Value::Switch(_) => return false,
        }
        field.error = None;
        true
    }

    /// A click on a field: goes there; a choice goes to its next value, a switch is turned. Returns whether it changed.
    pub fn pick(&mut self, at: usize) -> bool {
        self.at = at.min(self.fields.len().saturating_sub(1));
        let value = self.fields.get(self.at).map(|field| &field.value);
        match value {
            Some(Value::Choice { .. } | Value::Switch(_)) => {
                self.key(&KeyEvent::new(KeyCode::Char(' '), KeyModifiers::NONE))
            }
            Some(Value::Text(_) | Value::Hidden(_)) | None => false,
        }
    }

    /// Whether the current field takes text.
    pub fn paste(&mut self, text: &str) -> bool {
        let Some(field) = self.fields.get_mut(self.at) else {
            return false;
        };
        field.unselect(true);
        match &mut field.value {
            Value::Text(input) if field.is_prose => paste(input, &Note::pasted(text)),
            Value::Text(input) => paste(input, text),
            // The pasted text is a secret: its copy is wiped too.
            Value::Hidden(hidden) => hidden.add(&Zeroizing::new(typeable(text, TYPED_MAX))),
            Value::Choice { .. } | Value::Switch(_) => return false,
        }
        field.error = None;
        true
    }

    /// Rows of the form: those of each field, and of its error below it.
    pub fn height(&self, width: u16) -> u16 {
        let room = self.room(width);
        let heights = self.fields.iter().map(|field| field.height(width, room));
        heights.sum()
    }

    /// Columns of the widest label.
    fn label_width(&self) -> u16 {
        widest(self.fields.iter().map(|field| field.label))
    }

    /// Columns after the label: the mark of the current field and two gaps are before them.
    fn room(&self, width: u16) -> u16 {
        width.saturating_sub(self.label_width() + 4).max(1)
    }

    /// Where the fields are drawn, scrolled so that the current one is visible.
    fn places(&self, area: Rect) -> impl Iterator<Item = (usize, Rect)> {
        let room = self.room(area.width);
        let heights = self.fields.iter();
        let heights: Vec<u16> = heights
            .map(|field| field.height(area.width, room))
            .collect();
        let end = (self.at + 1).min(heights.len());
        let fits = |first: &usize| heights[*first..end].iter().sum::<u16>() <= area.height;
        let first = (0..end).find(fits).unwrap_or(self.at);
        let mut left = area;
        let rows = heights.into_iter().enumerate().skip(first);
        rows.map_while(move |(at, rows)| {
            let place = Rect {
                height: left.height.min(rows),
                ..left
            };
            left = below(left, rows);
            (!place.is_empty()).then_some((at, place))
        })
    }

    /// The field that is drawn at a position of the form's area.
    pub fn field_at(&self, area: Rect, at: Position) -> Option<usize> {
        let mut places = self.places(area);
        let (field, _) = places.find(|(_, place)| place.contains(at))?;
        Some(field)
    }

    /// Notes what a click on each field does.
    pub fn note(&self, ctx: ViewContext<'_>, area: Rect) {
        for (at, place) in self.places(area) {
            ctx.note(place, Hit::Row(at));
        }
    }

    /// The same without a selected field: the cursor is elsewhere.
    #[must_use]
    pub fn idle(&self) -> Self {
        Self {
            is_idle: true,
            ..self.clone()
        }
    }

    /// Draws the fields; returns the cursor.
    pub fn draw(&self, buf: &mut Buffer, area: Rect, theme: &Theme) -> Option<Position> {
        let (label, room) = (self.label_width(), self.room(area.width));
        let mut cursor = None;
        for (at, mut left) in self.places(area) {
            let field = &self.fields[at];
            let here = at == self.at && !self.is_idle;
            let mut pen = Pen::new(buf, left, 0);
            let style = if here {
                theme.bold(Tone::Accent)
            } else {
                theme.style(Tone::Dim)
            };
            pen.text(if here { "▸ " } else { "  " }, style)
                .cell(field.label, label + 2, style);
            let hint_rows = field.hint_rows(room);
            if field.is_empty() {
                let (x, room) = (pen.x(), pen.left());
                let hint = Rect {
                    x,
                    width: room,
                    height: hint_rows.min(left.height),
                    ..left
                };
                paragraph(buf, hint, &field.hint, theme.style(Tone::Dim));
                cursor = here.then_some(Position::new(x, left.y)).or(cursor);
            } else if let Some(at) = draw_value(&mut pen, field, here, theme) {
                cursor = Some(Position::new(at, left.y));
            }
            left = below(left, hint_rows);
            if let Some(error) = &field.error {
                let rows = field.height(area.width, room) - hint_rows;
                let indent = ERROR_INDENT.min(left.width);
                let under = Rect {
                    x: left.x + indent,
                    width: left.width - indent,
                    height: left.height.min(rows),
                    ..left
                };
                paragraph(buf, under, error, theme.style(Tone::Bad));
            }
        }
        cursor
    }
}

fn draw_value(pen: &mut Pen<'_>, field: &Field, here: bool, theme: &Theme) -> Option<u16> {
    match &field.value {
        Value::Text(input) if here && field.selected => {
            pen.text(input.value(), theme.selected(true));
            return Some(pen.x());
        }
        Value::Text(input) if here => return Some(draw_input(pen, input, &field.hint, theme)),
        Value::Text(input) => {
            pen.text(input.value(), theme.style(Tone::Plain));
        }
        Value::Hidden(hidden) => {
            let from = pen.x();
            let room = usize::from(pen.left()).saturating_sub(1);
            let dots = hidden.0.chars().count().min(room);
            pen.text(&"•".repeat(dots), theme.style(Tone::Plain));
            return here.then_some(from + cells(dots));
        }
        Value::Choice { options, at } => {
            let word = options.get(*at).map_or("", String::as_str);
            pen.text(word, theme.style(Tone::Plain));
            if here && options.len() > 1 {
                pen.text("  Space: next", theme.style(Tone::Dim));
            }
        }
        Value::Switch(switch) => {
            let (word, tone) = if *switch {
                ("yes", Tone::Good)
            } else {
                ("no", Tone::Plain)
            };
            pen.text(word, theme.style(tone));
            let key = if here { "  Space: change" } else { "" };
            pen.text(key, theme.style(Tone::Dim));
            if !field.hint.is_empty() {
                pen.text("  ", theme.style(Tone::Dim))
                    .text(&field.hint, theme.style(Tone::Dim));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_text_is_typed_pasted_and_never_printed() {
        let mut form = Form::new(vec![Field::hidden("api_secret", "")]);
        form.paste("planted-\nsecond line");
        let key = |code, modifiers| KeyEvent::new(code, modifiers);
        for c in ['é', 'x'] {
            form.key(&key(KeyCode::Char(c), KeyModifiers::NONE));
        }
        form.key(&key(KeyCode::Backspace, KeyModifiers::NONE));
        let secret = form.fields[0].secret().unwrap().unwrap();
        assert_eq!(secret.expose(), "planted-é");
        assert_eq!(form.fields[0].typed(), "");
        assert!(!format!("{form:?}").contains("planted"));
        form.key(&key(KeyCode::Char('u'), KeyModifiers::CONTROL));
        assert!(form.fields[0].secret().is_none());
        form.paste("a\u{202e}b");
        assert!(form.fields[0].secret().unwrap().is_err());
    }

    fn drawn(area: Rect, draw: impl FnOnce(&mut Buffer)) -> Vec<String> {
        let mut buf = Buffer::empty(area);
        draw(&mut buf);
        let cells = buf.content.iter().map(ratatui::buffer::Cell::symbol);
        let text: Vec<&str> = cells.collect();
        let rows = text.chunks(usize::from(area.width));
        rows.map(|row| row.concat().trim_end().to_owned()).collect()
    }

    #[test]
    fn a_hint_that_is_too_long_wraps() {
        let theme = Theme::new(&crate::domain::Ui::default(), None, true);
        let mut form = Form::new(vec![
            Field::text("id", "the client id, from the panel", ""),
            Field::text("name", "", "x"),
        ]);
        let area = Rect::new(0, 0, 24, 4);
        assert_eq!(form.height(area.width), 3);
        let rows = drawn(area, |buf| {
            form.draw(buf, area, &theme);
        });
        assert_eq!(
            rows,
            [
                "▸ id    the client id,",
                "        from the panel",
                "  name  x",
                ""
            ]
        );
        form.paste("CLIENT");
        assert_eq!(form.height(area.width), 2, "a value has one row");
    }
}
