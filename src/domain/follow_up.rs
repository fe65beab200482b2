//! The next call after a row: which documented calls take the row's ids, and how these fill in the call.

use super::catalogue::{DocumentedCall, FollowUp};

/// The ids of a row, by the names that follow-ups take them under.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowIds {
    /// The row's own id first, then those of what it belongs to.
    pub ids: Vec<(&'static str, String)>,
}

impl RowIds {
    /// The id with this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut ids = self.ids.iter();
        ids.find(|(known, _)| *known == name)
            .map(|(_, id)| id.as_str())
    }

    /// Adds an id, unless it is empty or one with this name is known.
    pub fn add(&mut self, name: &'static str, id: &str) {
        if !id.is_empty() && self.get(name).is_none() {
            self.ids.push((name, id.to_owned()));
        }
    }

    /// The calls that take these ids: first those about the row itself, of these the writes, else in the catalogue's order.
    pub fn follow_ups<'a>(
        &self,
        catalogue: &'a [DocumentedCall],
    ) -> Vec<(&'a DocumentedCall, &'a FollowUp)> {
        let own = self.ids.first().map(|(name, _)| *name);
        let calls = catalogue.iter();
        let all = calls.flat_map(|call| call.follow_ups.iter().map(move |next| (call, next)));
        let mut fitting: Vec<_> = all
            .filter(|(_, next)| next.takes.iter().all(|name| self.get(name).is_some()))
            .collect();
        fitting.sort_by_key(|(call, next)| {
            let is_own = next.takes.iter().any(|name| Some(*name) == own);
            (!is_own, !call.writes)
        });
        fitting
    }

    /// The body with the ids filled in, and the place of the first gap, in bytes. `template` is JSON text, whose texts
    /// have placeholders as in [`FollowUp::body`]. No id can leave its text: quotes are escaped, and what stands for a number
    /// is one.
    pub fn fill(&self, template: &str) -> (String, Option<usize>) {
        let (mut out, mut gap) = (String::new(), None);
        let mut rest = template;
        while let Some((before, name, after)) = placeholder(rest) {
            let (is_number, name) = match name.strip_prefix('#') {
                Some(name) => (true, name),
                None => (false, name),
            };
            let id = self.get(name).unwrap_or_default();
            if is_number {
                out.push_str(before.strip_suffix('"').unwrap_or(before));
                rest = after.strip_prefix('"').unwrap_or(after);
            } else {
                out.push_str(before);
                rest = after;
            }
            let is_digits = id.bytes().all(|byte| byte.is_ascii_digit());
            if id.is_empty() || is_number && !is_digits {
                gap.get_or_insert(out.len());
            } else if is_number {
                out.push_str(id);
            } else {
                let text = serde_json::Value::from(id).to_string();
                out.push_str(&text[1..text.len() - 1]);
            }
        }
        out.push_str(rest);
        (out, gap)
    }
}

/// The text before the first placeholder, its name, and the text after it. The braces of JSON are none: a name has no spaces
/// or quotes.
fn placeholder(text: &str) -> Option<(&str, &str, &str)> {
    text.match_indices('{').find_map(|(at, _)| {
        let (name, after) = text[at + 1..].split_once('}')?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '#');
        (!name.is_empty() && name.chars().all(is_name)).then_some((&text[..at], name, after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[(&'static str, &str)]) -> RowIds {
        let mut out = RowIds::default();
        for (name, id) in ids {
            out.add(name, id);
        }
        out
    }

    #[test]
    fn ids_fill_a_body_and_what_is_missing_is_a_gap() {
        let row = ids(&[("sale", "65b0"), ("player", "1001")]);
        let body = r#"{"key": "{key}", "sale": "{sale}", "player": "{#player}"}"#;
        let (filled, gap) = row.fill(body);
        assert_eq!(filled, r#"{"key": "", "sale": "65b0", "player": 1001}"#);
        assert_eq!(gap, Some(r#"{"key": ""#.len()));
        let (filled, gap) = row.fill(r#"{"price": {"amount": "{#amount}"}}"#);
        assert_eq!(filled, r#"{"price": {"amount": }}"#);
        assert_eq!(gap, Some(r#"{"price": {"amount": "#.len()));
        assert_eq!(
            row.fill("[{}, {\"a\": 1}]"),
            ("[{}, {\"a\": 1}]".into(), None)
        );
    }

    #[test]
    fn no_id_leaves_its_place_in_the_body() {
        let hostile = ids(&[("a", "x\", \"b\": \"{c}\\"), ("n", "1, \"b\": 2")]);
        let (filled, gap) = hostile.fill(r#"{"a": "{a}", "n": "{#n}"}"#);
        assert_eq!(filled, r#"{"a": "x\", \"b\": \"{c}\\", "n": }"#);
        assert!(gap.is_some());
    }

    #[test]
    fn calls_about_the_row_itself_come_first_and_of_these_the_writes() {
        const fn next(name: &'static str, takes: &'static [&'static str]) -> FollowUp {
            FollowUp {
                name,
                takes,
                body: None,
            }
        }
        const CALLS: [DocumentedCall; 3] = [
            DocumentedCall::get("/keys", &[], "").after(&[next("list keys", &["offer"])]),
            DocumentedCall::write("PATCH", "/offers", &[], None, "")
                .after(&[next("change", &["offer"])]),
            DocumentedCall::write("POST", "/keys", &[], None, "")
                .after(&[next("give", &["offer", "sale"]), next("add", &["offer"])]),
        ];
        let names = |row: &RowIds| -> Vec<&str> {
            let all = row.follow_ups(&CALLS);
            all.iter().map(|(_, next)| next.name).collect()
        };
        assert_eq!(
            names(&ids(&[("offer", "1")])),
            ["change", "add", "list keys"]
        );
        let sale = ids(&[("sale", "2"), ("offer", "1")]);
        assert_eq!(names(&sale), ["give", "change", "add", "list keys"]);
        assert_eq!(names(&ids(&[("sale", "2"), ("offer", "")])), [""; 0]);
    }
}
