//! Checks `[ui]`: the console's settings.

use std::collections::{BTreeMap, BTreeSet};

use toml::de::DeValue;

use super::table::{Entry, Found, Table, texts};
use crate::config::ConfigError;
use crate::domain::{Color, Colors, Notify, ThemeChoice, Tone, Ui, Words};

pub const UI: [&str; 10] = [
    "theme",
    "colors",
    "ascii",
    "mouse",
    "reduced_motion",
    "verify_on_start",
    "restore",
    "notify",
    "panes",
    "keys",
];

pub fn ui(table: &Table<'_, '_>) -> Result<Ui, ConfigError> {
    let default = Ui::default();
    let theme = match table.string("theme")? {
        None => default.theme,
        Some(theme) => ThemeChoice::from_word(theme.value)
            .ok_or_else(|| table.unknown("theme", theme, &ThemeChoice::WORDS))?,
    };
    Ok(Ui {
        theme,
        colors: match table.section("colors", " in [ui.colors]".into(), &Tone::WORDS)? {
            None => Colors::new(),
            Some(colors) => own_colors(&colors)?,
        },
        ascii: table.boolean("ascii", default.ascii)?,
        mouse: table.boolean("mouse", default.mouse)?,
        reduced_motion: table.boolean("reduced_motion", default.reduced_motion)?,
        verify_on_start: table.boolean("verify_on_start", default.verify_on_start)?,
        restore: table.boolean("restore", default.restore)?,
        notify: notify(table)?,
        panes: table
            .list(
                "panes",
                "a list of panes, like [\"payments\", \"requests\"]",
            )?
            // An empty list shows all panes, too.
            .filter(|found| !found.value.is_empty())
            .map(|found| Words {
                words: found.value,
                place: table.source.place(found.span),
            }),
        keys: match table.table("keys", " in [ui.keys]".into())? {
            None => BTreeMap::new(),
            Some(keys) => key_bindings(&keys)?,
        },
    })
}

fn notify(table: &Table<'_, '_>) -> Result<BTreeSet<Notify>, ConfigError> {
    let wanted = "a list like [\"bell\", \"title\"]; an empty list turns notifications off";
    let Some(words) = table.list("notify", wanted)? else {
        return Ok(Ui::default().notify);
    };
    let found = |word: &String| {
        Notify::from_word(word).ok_or_else(|| {
            let (value, span) = (word.as_str(), words.span.clone());
            let found = Found { value, span };
            table.unknown("notification in `notify`", found, &Notify::WORDS)
        })
    };
    words.value.iter().map(found).collect()
}

fn key_bindings(table: &Table<'_, '_>) -> Result<BTreeMap<String, Words>, ConfigError> {
    let wanted = "a key like \"ctrl-r\", or a list of them";
    let mut bindings = BTreeMap::new();
    for entry in table.in_order() {
        let words: Option<Vec<_>> = match entry.1.get_ref() {
            DeValue::String(key) => Some(vec![key.to_string()]),
            keys => texts(keys),
        };
        let words = words.ok_or_else(|| table.wrong_type(entry, wanted))?;
        let place = table.source.place(entry.0.span());
        bindings.insert(entry.0.get_ref().to_string(), Words { words, place });
    }
    Ok(bindings)
}

fn own_colors(table: &Table<'_, '_>) -> Result<Colors, ConfigError> {
    let mut colors = Colors::new();
    for tone in Tone::ALL {
        if let Some(entry) = table.get(tone.as_str()) {
            colors.insert(tone, color(entry, table)?);
        }
    }
    Ok(colors)
}

/// A colour: a name, `"#rrggbb"`, or a number up to 255.
pub fn color(entry: Entry<'_, '_>, table: &Table<'_, '_>) -> Result<Color, ConfigError> {
    let (value, span) = (entry.1.get_ref(), entry.1.span());
    let written = match value {
        DeValue::String(text) => text.as_ref(),
        DeValue::Integer(number) => number.as_str(),
        _ => {
            let wanted = "a color: a name like \"magenta\", \"#d787ff\", or a number up to 255";
            return Err(table.wrong_type(entry, wanted));
        }
    };
    Color::parse(written).ok_or_else(|| {
        let found = Found {
            value: written,
            span,
        };
        table.unknown("color", found, &Color::NAMES)
    })
}
