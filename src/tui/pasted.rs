//! Several payments in a pasted text, one per line: `id`, or `id;amount;currency` with semicolons, commas or tabs.
//! Further columns are ignored.

use std::collections::{HashMap, HashSet};

use csv::{ReaderBuilder, StringRecord};

use crate::domain::{Amount, Currency, Expected, PaymentId};

/// More lines than this are not read at once.
const LINES_MAX: usize = 5_000;

/// The payments in a pasted text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pasted {
    /// In the order of the lines, each id once.
    pub rows: Vec<(PaymentId, Option<Expected>)>,
    /// Lines that are not payments: their numbers, and why.
    pub bad: Vec<(usize, String)>,
}

/// Reads a text of several lines, or of one line with an amount; `None` for a single id, or an empty text.
pub fn read(text: &str) -> Option<Pasted> {
    // Terminals paste a carriage return for a line end.
    let text = text.replace("\r\n", "\n");
    let lines: Vec<(usize, &str)> = (1..)
        .zip(text.split(['\n', '\r']))
        .map(|(number, line)| (number, line.trim()))
        .filter(|(_, line)| !line.is_empty())
        .collect();
    match lines.as_slice() {
        [] => return None,
        // An id may contain a comma.
        [(_, line)] if !matches!(row(line), Ok((_, Some(_)))) => return None,
        _ => {}
    }
    let mut pasted = Pasted::default();
    let mut known: HashMap<PaymentId, Option<Expected>> = HashMap::new();
    let mut contradicted = HashSet::new();
    for (number, line) in lines {
        if pasted.rows.len() == LINES_MAX {
            let why = format!("only {LINES_MAX} lines can be pasted at once");
            pasted.bad.push((number, why));
            break;
        }
        let heading = |line: &str| {
            let fields = fields(line);
            let first = fields.get(0).unwrap_or_default();
            first.trim().eq_ignore_ascii_case("id")
        };
        match row(line) {
            // Spreadsheets export a heading line.
            _ if number == 1 && heading(line) => {}
            Err(why) => pasted.bad.push((number, why)),
            Ok((id, expected)) => match known.get(&id) {
                Some(same) if *same == expected => {}
                // Neither is added: nothing tells which amount is right.
                Some(_) => {
                    let why = format!("{id} appears twice with different amounts");
                    pasted.bad.push((number, why));
                    contradicted.insert(id);
                }
                None => {
                    known.insert(id.clone(), expected.clone());
                    pasted.rows.push((id, expected));
                }
            },
        }
    }
    pasted.rows.retain(|(id, _)| !contradicted.contains(id));
    Some(pasted)
}

fn row(line: &str) -> Result<(PaymentId, Option<Expected>), String> {
    let fields = fields(line);
    let fields: Vec<&str> = fields.iter().map(str::trim).collect();
    let (id, sum) = match fields.as_slice() {
        [id] | [id, "", ""] => (id, None),
        [id, amount, currency, ..] => (id, Some((amount, currency))),
        _ => return Err("write id;amount;currency".into()),
    };
    let expected = match sum {
        None => None,
        Some((amount, currency)) => Some(Expected {
            amount: Amount::typed(amount).map_err(|error| error.to_string())?,
            currency: Currency::new(*currency).map_err(|error| error.to_string())?,
        }),
    };
    let id = PaymentId::new(*id).map_err(|error| error.to_string())?;
    Ok((id, expected))
}

/// The fields of a line of CSV, split at its separator.
fn fields(line: &str) -> StringRecord {
    // In this order: a comma may be part of an id, a semicolon or a tab hardly ever.
    let separator = [b'\t', b';', b','].into_iter();
    let mut separator = separator.filter(|byte| line.as_bytes().contains(byte));
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .delimiter(separator.next().unwrap_or(b','))
        .from_reader(line.as_bytes());
    let mut record = StringRecord::new();
    // A line in memory is read, and it is text: reading cannot fail.
    let _ = reader.read_record(&mut record);
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<String> {
        let pasted = read(text).unwrap();
        let show = |(id, expected): &(PaymentId, Option<Expected>)| match expected {
            Some(sum) => format!("{id}={sum}"),
            None => id.to_string(),
        };
        pasted.rows.iter().map(show).collect()
    }

    #[test]
    fn several_lines_are_payments_with_or_without_amounts() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["A-1", "", " B-2 ", "C-3", ""].join(end);
            assert_eq!(rows(&text), ["A-1", "B-2", "C-3"], "{end:?}");
        }
        for separator in ["\t", ";", ",", " ; "] {
            let text = ["A-1", "25.00", "EMT"].join(separator);
            assert_eq!(rows(&text), ["A-1=25.00 EMT"]);
            let text = format!("ID;amount;currency\n{text}\nORDER-łódź ✓/1\nB-2;;\n");
            assert_eq!(rows(&text), ["A-1=25.00 EMT", "ORDER-łódź ✓/1", "B-2"]);
        }
        assert_eq!(rows("ID\nA-1\nB-2"), ["A-1", "B-2"]);
        assert_eq!(rows("A-1;1;EMT;2026-01-02;x"), ["A-1=1 EMT"]);
        assert_eq!(rows("\"A;1\";1;EMT\nB-2"), ["A;1=1 EMT", "B-2"]);
        assert_eq!(rows("\"say \"\"hi\"\"\",1,EMT"), ["say \"hi\"=1 EMT"]);
        assert_eq!(rows("\"A-1\";\"1\";\"EMT\"\nA-1;1.0;EMT"), ["A-1=1 EMT"]);
    }

    #[test]
    fn one_id_alone_is_no_list() {
        for text in ["", " \n ", "A-1", "A-1\n", "order,17", "A;B"] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_bad_line_is_named_and_the_others_are_added() {
        let pasted =
            read("A-1;1,5;EMT\nB-2;-1;EMT\nC-3;1;E MT\nD-4;1\nA\u{7}\nE-5;1;EMT\nE-5;2;EMT")
                .unwrap();
        assert_eq!(pasted.rows.len(), 0, "neither of two amounts is used");
        let bad: Vec<usize> = pasted.bad.iter().map(|(line, _)| *line).collect();
        assert_eq!(bad, [1, 2, 3, 4, 5, 7]);
        let many: Vec<String> = (0..6_000).map(|n| format!("P-{n}")).collect();
        let pasted = read(&many.join("\n")).unwrap();
        assert_eq!((pasted.rows.len(), pasted.bad.len()), (LINES_MAX, 1));
    }
}
