//! The edits as text operations: the rest of the file stays as it is, byte for byte. The text is cut and spliced at
//! the parser's positions. Only inline tables and dotted keys go through a TOML writer.

use std::fmt::Write as _;
use std::ops::Range;

use toml_edit::{Document, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use super::{ConfigError, Entry, NewSource};
use crate::config::SecretSource;
use crate::domain::charset::BYTE_ORDER_MARK;

const BY_HAND: &str = "make this change by hand, then run `tilldeck config check`";

fn parsed(text: &str) -> Result<Document<&str>, ConfigError> {
    Document::parse(text).map_err(|_| {
        ConfigError::of_nothing(
            "the config file is not valid TOML",
            "run `tilldeck config check`, and correct the file first",
        )
    })
}

pub(super) fn line_end(text: &str) -> &'static str {
    match text.split_once('\n') {
        Some((first, _)) if first.ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

fn accounts_of<'d>(root: &'d Table, profile: &str) -> Option<&'d dyn TableLike> {
    let profile = root.get("profiles")?.as_table_like()?.get(profile)?;
    profile.as_table_like()?.get("accounts")?.as_table_like()
}

pub(super) fn add(text: &str, entry: &Entry) -> Result<String, ConfigError> {
    let document = parsed(text)?;
    let accounts = accounts_of(document.as_table(), &entry.profile);
    if accounts.is_some_and(|accounts| accounts.contains_key(entry.account.as_str())) {
        return Err(taken(entry));
    }
    let end = line_end(text);
    let mut out = text.to_owned();
    if !out.is_empty() && !out.ends_with('\n') {
        out.push_str(end);
    }
    if !out.trim().is_empty() {
        out.push_str(end);
    }
    // The section has `\n`; the file may have the line ends of Windows.
    out.push_str(&section(entry).replace('\n', end));
    let out = with_default(&out, text, &entry.profile)?;
    if Document::parse(out.as_str()).is_ok() {
        return Ok(out);
    }
    // The profile is an inline table or uses dotted keys; a header cannot extend those.
    rewritten(text, |root| {
        let accounts = accounts_mut(root, &entry.profile)?;
        accounts.insert(
            entry.account.as_str(),
            Item::Value(Value::InlineTable(inline(entry))),
        );
        Some(())
    })
}

fn taken(entry: &Entry) -> ConfigError {
    ConfigError::of_nothing(
        format!(
            "profile {} already has an account {}",
            entry.profile, entry.account
        ),
        "choose another name, or remove that account first",
    )
}

/// The text of the account's table.
pub(super) fn section(entry: &Entry) -> String {
    let mut out = format!(
        "[profiles.{}.accounts.{}]\n",
        key(&entry.profile),
        key(entry.account.as_str())
    );
    for (name, value) in fields(entry) {
        let _ = writeln!(out, "{} = {}", key(&name), value.to_string().trim());
    }
    out
}

fn key(name: &str) -> String {
    toml_edit::Key::new(name).to_string().trim().to_owned()
}

fn fields(entry: &Entry) -> Vec<(String, Value)> {
    let text = |text: &str| Value::from(text);
    let mut fields = vec![
        ("provider".to_owned(), text(&entry.provider)),
        ("environment".to_owned(), text(entry.environment.as_str())),
    ];
    let texts = entry.texts.iter();
    fields.extend(texts.map(|(name, value)| (name.clone(), text(value))));
    let secrets = entry.secrets.iter();
    fields.extend(secrets.map(|(name, source)| (name.clone(), written(source))));
    if !entry.endpoints.is_empty() {
        let endpoints: InlineTable = entry
            .endpoints
            .iter()
            .map(|(name, url)| (name.as_str(), text(url)))
            .collect();
        fields.push(("endpoints".to_owned(), Value::InlineTable(endpoints)));
    }
    fields
}

fn inline(entry: &Entry) -> InlineTable {
    fields(entry).into_iter().collect()
}

/// A source as written in the config file.
pub(super) fn written(source: &SecretSource) -> Value {
    let (way, value) = match source {
        SecretSource::Env { name } => ("env", Value::from(name.as_str())),
        SecretSource::File { written, .. } => ("file", Value::from(written.as_str())),
        SecretSource::Command { words } => (
            "command",
            words.iter().map(String::as_str).collect::<Value>(),
        ),
        SecretSource::Keyring { name } => ("keyring", Value::from(name.as_str())),
    };
    Value::InlineTable([(way, value)].into_iter().collect())
}

/// Makes the file's first profile the default: without a default, `tilldeck` alone would still open the sandbox.
fn with_default(out: &str, before: &str, profile: &str) -> Result<String, ConfigError> {
    let document = parsed(before)?;
    let root = document.as_table();
    let has_profiles = root
        .get("profiles")
        .and_then(Item::as_table_like)
        .is_some_and(|profiles| !profiles.is_empty());
    if has_profiles || root.contains_key("default_profile") {
        return Ok(out.to_owned());
    }
    let end = line_end(before);
    let line = format!("default_profile = {}{end}{end}", Value::from(profile));
    let first = headers(out).into_iter().next().unwrap_or(out.len());
    let mut at = comments_above(out, first);
    // The mark must stay the first character of the file.
    if at == 0 && out.starts_with(BYTE_ORDER_MARK) {
        at = BYTE_ORDER_MARK.len_utf8();
    }
    Ok(format!("{}{line}{}", &out[..at], &out[at..]))
}

/// The start of each line with a table's header, in order.
fn headers(text: &str) -> Vec<usize> {
    let Ok(document) = Document::parse(text) else {
        // An invalid result is rejected by the check after the edit.
        return Vec::new();
    };
    let mut found = Vec::new();
    collect_headers(document.as_table(), &mut found);
    found.sort_unstable();
    found.into_iter().map(|at| line_start(text, at)).collect()
}

fn collect_headers(table: &Table, found: &mut Vec<usize>) {
    for (_, item) in table {
        let tables: Vec<&Table> = match item {
            Item::Table(table) => vec![table],
            Item::ArrayOfTables(tables) => tables.iter().collect(),
            _ => Vec::new(),
        };
        for table in tables {
            if !table.is_implicit() && !table.is_dotted() {
                found.extend(table.span().map(|span| span.start));
            }
            collect_headers(table, found);
        }
    }
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |found| found + 1)
}

/// The start of the line after the one with `at`.
fn next_line(text: &str, at: usize) -> usize {
    text[at..]
        .find('\n')
        .map_or(text.len(), |found| at + found + 1)
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

/// The start of the comment lines directly above the line at `at`.
fn comments_above(text: &str, mut at: usize) -> usize {
    while at > 0 {
        let above = line_start(text, at - 1);
        if !is_comment(&text[above..at]) {
            break;
        }
        at = above;
    }
    at
}

pub(super) fn remove(text: &str, profile: &str, account: &str) -> Result<String, ConfigError> {
    let document = parsed(text)?;
    let accounts = accounts_of(document.as_table(), profile);
    let item = accounts.and_then(|accounts| accounts.get(account));
    let Some(item) = item else {
        return Err(ConfigError::of_nothing(
            format!("profile {profile} has no account {account} in the config file"),
            "`tilldeck account list` shows all accounts",
        ));
    };
    let is_last = accounts.is_some_and(|accounts| accounts.len() == 1);
    let out = match sections(text, item) {
        Some(sections) => {
            let mut out = text.to_owned();
            // From the end, so that the positions before stay right.
            for section in sections.into_iter().rev() {
                out.replace_range(section, "");
            }
            out
        }
        None => rewritten(text, |root| {
            accounts_mut(root, profile)?.remove(account).map(drop)
        })?,
    };
    let left = parsed(&out)?;
    let root = left.as_table();
    let is_default = root.get("default_profile").and_then(Item::as_str) == Some(profile);
    let is_gone = root
        .get("profiles")
        .and_then(Item::as_table_like)
        .is_none_or(|profiles| !profiles.contains_key(profile));
    if is_last && is_default && is_gone {
        // `default_profile` must name an existing profile.
        let end = line_end(text);
        let gap = if out.trim().is_empty() || out.ends_with(&end.repeat(2)) {
            ""
        } else {
            end
        };
        return Ok(format!("{out}{gap}[profiles.{}]{end}", key(profile)));
    }
    Ok(out)
}

/// The text ranges of an account's tables, in order; `None` where it is not written as tables alone.
fn sections(text: &str, item: &Item) -> Option<Vec<Range<usize>>> {
    let mut tables = Vec::new();
    collect_tables(item.as_table()?, &mut tables)?;
    let starts = headers(text);
    let mut sections: Vec<Range<usize>> = tables
        .into_iter()
        .map(|table| {
            let header = line_start(text, table.span()?.start);
            let until = starts.iter().copied().find(|start| *start > header);
            let until = until.map_or(text.len(), |next| comments_above(text, next));
            Some(section_of(text, header, last_of(table, header)?, until))
        })
        .collect::<Option<_>>()?;
    sections.sort_by_key(|section| section.start);
    Some(sections)
}

fn collect_tables<'t>(table: &'t Table, found: &mut Vec<&'t Table>) -> Option<()> {
    if table.is_dotted() {
        return None;
    }
    if !table.is_implicit() {
        found.push(table);
    }
    for (_, item) in table {
        match item {
            Item::Table(below) if below.is_dotted() => {}
            Item::Table(below) => collect_tables(below, found)?,
            Item::ArrayOfTables(_) => return None,
            Item::Value(_) | Item::None => {}
        }
    }
    Some(())
}

/// The end of a table's last own value, or of its header where it has none.
fn last_of(table: &Table, header: usize) -> Option<usize> {
    let mut last = header;
    for (_, item) in table {
        match item {
            Item::Value(value) => last = last.max(value.span()?.end),
            Item::Table(below) if below.is_dotted() => last = last.max(last_of(below, header)?),
            _ => {}
        }
    }
    Some(last)
}

/// From the comments above a header to the comments directly below its last line, and the blank lines after them.
fn section_of(text: &str, header: usize, last: usize, until: usize) -> Range<usize> {
    let start = comments_above(text, header);
    let mut end = next_line(text, last).min(until);
    while end < until && is_comment(&text[end..next_line(text, end)]) {
        end = next_line(text, end);
    }
    let blank = |at: usize| at < until && text[at..next_line(text, at)].trim().is_empty();
    let mut after = end;
    while blank(after) {
        after = next_line(text, after);
    }
    // At the end of the file, the blank lines before it are removed instead.
    if after == text.len() {
        let before_it = text[..start].trim_end_matches([' ', '\t', '\r', '\n']);
        let start = if before_it.is_empty() {
            0
        } else {
            next_line(text, before_it.len())
        };
        return start..after;
    }
    start..after
}

pub(super) fn set_secret(text: &str, new: &NewSource) -> Result<String, ConfigError> {
    let NewSource {
        profile,
        account,
        key,
        source,
    } = new;
    let document = parsed(text)?;
    let item = accounts_of(document.as_table(), profile)
        .and_then(|accounts| accounts.get(account.as_str()))
        .and_then(Item::as_table_like)
        .and_then(|account| account.get(key));
    let Some(item) = item else {
        return Err(ConfigError::of_nothing(
            format!("account {account} of profile {profile} has no {key} in the config file"),
            BY_HAND,
        ));
    };
    let value = written(source);
    let span = match item {
        Item::Value(Value::InlineTable(table)) if !table.is_dotted() => table.span(),
        _ => None,
    };
    match span {
        Some(span) => {
            let mut out = text.to_owned();
            out.replace_range(span, value.to_string().trim());
            Ok(out)
        }
        None => rewritten(text, |root| {
            let account = accounts_mut(root, profile)?.get_mut(account.as_str())?;
            account.as_table_like_mut()?.insert(key, Item::Value(value));
            Some(())
        }),
    }
}

/// Writes a key of a table at the top level, such as `[ui]`, in place of the one that is there.
pub(super) fn set(
    text: &str,
    section: &str,
    name: &str,
    value: impl Into<Value>,
) -> Result<String, ConfigError> {
    let document = parsed(text)?;
    let value = value.into();
    let table = document.as_table().get(section);
    let mut out = text.to_owned();
    let written = table
        .and_then(Item::as_table_like)
        .and_then(|table| table.get(name));
    let is_value = |item: &&Item| match item {
        Item::Value(Value::InlineTable(table)) => !table.is_dotted(),
        other => other.is_value(),
    };
    if let Some(span) = written.filter(is_value).and_then(Item::span) {
        out.replace_range(span, value.to_string().trim());
        return Ok(out);
    }
    let end = line_end(text);
    let line = format!("{name} = {value}{end}");
    match table {
        // The value is a table of its own.
        _ if written.is_some() => rewritten(text, |root| {
            let table = root.get_mut(section)?.as_table_like_mut()?;
            table.insert(name, Item::Value(value));
            Some(())
        }),
        Some(Item::Table(table)) if !table.is_implicit() && !table.is_dotted() => {
            let header = table.span().map_or(out.len(), |span| span.end);
            let at = next_line(text, header);
            let gap = if text[..at].ends_with('\n') { "" } else { end };
            out.insert_str(at, &format!("{gap}{line}"));
            Ok(out)
        }
        // Without an own header, as in `[ui.keys]`; a header may come after it, too.
        None | Some(Item::Table(_)) if table.is_none_or(|table| !is_dotted(table)) => {
            let is_ended = out.is_empty() || out.ends_with('\n');
            let gap = if out.trim().is_empty() { "" } else { end };
            let gap = if is_ended { gap } else { &end.repeat(2) };
            let _ = write!(out, "{gap}[{section}]{end}{line}");
            Ok(out)
        }
        _ => rewritten(text, |root| {
            let table = root.get_mut(section)?.as_table_like_mut()?;
            table.insert(name, Item::Value(value));
            table.fmt();
            Some(())
        }),
    }
}

fn is_dotted(item: &Item) -> bool {
    item.as_table().is_some_and(Table::is_dotted)
}

fn accounts_mut<'d>(root: &'d mut Table, profile: &str) -> Option<&'d mut dyn TableLike> {
    let profiles = root.get_mut("profiles")?.as_table_like_mut()?;
    let profile = profiles.get_mut(profile)?.as_table_like_mut()?;
    profile.get_mut("accounts")?.as_table_like_mut()
}

/// Edits through the TOML writer. It keeps comments and order, but not every line end; those are restored.
fn rewritten(
    text: &str,
    change: impl FnOnce(&mut Table) -> Option<()>,
) -> Result<String, ConfigError> {
    let by_hand = || {
        ConfigError::of_nothing(
            "the config file is written in a form that cannot be edited safely",
            BY_HAND,
        )
    };
    let mut document: DocumentMut = text.parse().map_err(|_| by_hand())?;
    change(document.as_table_mut()).ok_or_else(by_hand)?;
    let out = document.to_string();
    Ok(match line_end(text) {
        "\n" => out,
        end => out.replace("\r\n", "\n").replace('\n', end),
    })
}
