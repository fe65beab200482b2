//! Several payments in a pasted text, one per line: `id`, or `id;amount;currency` with semicolons, commas or tabs. Further
//! columns are ignored. A line may have several ids, such as `A-1, B-2`. A first line that names the columns, as in a list for `check --from`, gives their order.

use std::collections::{HashMap, HashSet};

use csv::{ReaderBuilder, StringRecord};

use crate::domain::order_list::{self, Columns};
use crate::domain::{Amount, Currency, Expected, PaymentId};
use crate::tui::widgets::text::and_more;

/// More lines than this are not read at once.
const LINES_MAX: usize = 5_000;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pasted {
    /// In the order of the lines, each id once.
    pub rows: Vec<(PaymentId, Option<Expected>)>,
    /// Lines that are not payments: their numbers, and why.
    pub bad: Vec<(usize, String)>,
}

impl Pasted {
    /// The first line that was skipped, and why; and how many more.
    pub fn skipped(&self) -> Option<String> {
        let ((line, why), more) = self.bad.split_first()?;
        Some(format!(
            "skipped line {line} ({why}){}",
            and_more(more.len())
        ))
    }
}

/// Reads a text of several lines, or of one line with an amount or several ids; `None` for a single id, or an empty text.
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
        [(_, line)]
            if !rows(line, None).is_ok_and(|rows| rows.len() > 1 || rows[0].1.is_some()) =>
        {
            return None;
        }
        _ => {}
    }
    let mut pasted = Pasted::default();
    let heading = match heading(lines[0].1) {
        Ok(heading) => heading,
        Err(why) => {
            pasted.bad.push((lines[0].0, why));
            return Some(pasted);
        }
    };
    let mut known: HashMap<PaymentId, Option<Expected>> = HashMap::new();
    let mut contradicted = HashSet::new();
    for (number, line) in lines.into_iter().skip(usize::from(heading.is_some())) {
        if pasted.rows.len() >= LINES_MAX {
            let why = format!("only {LINES_MAX} lines can be pasted at once");
            pasted.bad.push((number, why));
            break;
        }
        let rows = rows(line, heading).unwrap_or_else(|why| {
            pasted.bad.push((number, why));
            Vec::new()
        });
        for (id, expected) in rows {
            match known.get(&id) {
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
            }
        }
    }
    pasted.rows.retain(|(id, _)| !contradicted.contains(id));
    Some(pasted)
}

/// The columns of a list without a line that names them.
const BY_PLACE: Columns = Columns {
    id: Some(0),
    amount: Some(1),
    currency: Some(2),
};

/// The columns that a line names, if it names that of the id; or why no amount can be read by them.
fn heading(line: &str) -> Result<Option<Columns>, String> {
    let columns = Columns::named(&fields(line)).map_err(|(why, _)| why)?;
    if columns.id.is_some() && columns.amount.is_some() != columns.currency.is_some() {
        return Err("an amount needs a currency; name both columns or none".into());
    }
    Ok(Some(columns).filter(|columns| columns.id.is_some()))
}

/// The payments in a line: one, or several ids. A `heading` names the columns.
fn rows(
    line: &str,
    heading: Option<Columns>,
) -> Result<Vec<(PaymentId, Option<Expected>)>, String> {
    let row = row(line, heading.unwrap_or(BY_PLACE));
    let ids = order_list::ids(line);
    if heading.is_some() || ids.len() < 2 || row.is_ok() {
        return row.map(|row| vec![row]);
    }
    let read = |id| match PaymentId::new(id) {
        Ok(id) => Ok((id, None)),
        Err(error) => Err(error.to_string()),
    };
    ids.into_iter().map(read).collect()
}

fn row(line: &str, columns: Columns) -> Result<(PaymentId, Option<Expected>), String> {
    let fields = fields(line);
    let field = |at: usize| fields.get(at).map(str::trim);
    let sum = match (
        columns.amount.and_then(field),
        columns.currency.and_then(field),
    ) {
        (None, None) | (Some(""), Some("")) => None,
        (Some(amount), Some(currency)) => Some((amount, currency)),
        _ => return Err("write id;amount;currency".into()),
    };
    let expected = match sum {
        None => None,
        Some((amount, currency)) => Some(Expected {
            amount: Amount::typed(amount).map_err(|error| error.to_string())?,
            currency: Currency::typed(currency).map_err(|error| error.to_string())?,
        }),
    };
    let id = PaymentId::new(columns.id.and_then(field).unwrap_or_default());
    Ok((id.map_err(|error| error.to_string())?, expected))
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
        for text in ["A-1, B-2, C-3", "A-1; B-2\nC-3", "A-1, B-2,\nC-3"] {
            assert_eq!(rows(text), ["A-1", "B-2", "C-3"], "{text:?}");
        }
        assert_eq!(rows("\"A;1\";1;EMT\nB-2"), ["A;1=1 EMT", "B-2"]);
        assert_eq!(rows("\"say \"\"hi\"\"\",1,EMT"), ["say \"hi\"=1 EMT"]);
        assert_eq!(rows("\"A-1\";\"1\";\"EMT\"\nA-1;1.0;EMT"), ["A-1=1 EMT"]);
    }

    #[test]
    fn a_first_line_names_the_columns_in_any_order() {
        for (text, wanted) in [
            ("order_id,amount,currency\nA-1,25,EMT", "A-1=25 EMT"),
            (
                "order_id,customer,amount,currency\nA-1,Ann,25,EMT",
                "A-1=25 EMT",
            ),
            ("id,currency,amount\nA-1,EMT,25", "A-1=25 EMT"),
            ("amount;Currency;transactionKey\n25;EMT;A-1", "A-1=25 EMT"),
            ("payment\tcustomer\nA-1\tAnn", "A-1"),
        ] {
            assert_eq!(rows(text), [wanted], "{text}");
        }
        // An amount without a currency, two amounts, a received amount.
        for columns in [
            "id,amount",
            "id,amount,currency,Amount",
            "id,amount,currency,verdict,expected_amount",
        ] {
            let refused = read(&format!("{columns}\nA-1,25,EMT,1,1")).unwrap();
            assert_eq!((refused.rows.len(), refused.bad.len()), (0, 1), "{columns}");
        }
        // A comma in an amount is no currency after it.
        for text in ["A-1,25,5,EMT\nB-2", "A-1,1.234,50,EMT\nB-2"] {
            assert_eq!(rows(text), ["B-2"], "{text}");
        }
    }

    #[test]
    fn one_id_alone_is_no_list() {
        for text in ["", " \n ", "A-1", "A-1\n", "order,17", "A;B", "A-1, 25"] {
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
