//! A list of payments: a CSV file, or ids, one per line.

mod header;
mod records;
mod source;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::iter;
use std::os::unix::fs::MetadataExt as _;

use super::exit::{local, usage};
use super::prompt::interrupted;
use super::report::{COLUMNS, counted};
use crate::domain::{Amount, Currency, Expected, PaymentId, Problem, charset, inert, order_list};

use header::{Header, delimiter};
pub use records::{Record, Records, Window};
pub use source::Source;

/// The hint for a CSV file without rows.
const EMPTY_CSV: &str = "write the column names in the first line, then one row per payment";
/// Bytes read to decide whether a list is text.
const BEGIN: u64 = 64 * 1024;

/// A list, copied to an unnamed file: it is read twice and must not change in between.
pub struct List {
    file: File,
    /// Where the text begins, after a byte order mark.
    start: u64,
    /// Its name for messages.
    name: String,
    /// Device and inode of the source file.
    pub origin: Option<(u64, u64)>,
    format: Format,
}

enum Format {
    Ids,
    Csv(Header),
}

/// A row.
pub struct Row {
    /// Its line, from 1.
    pub line: u64,
    /// The id as written; may be invalid.
    pub id: String,
    /// The order, or why it is invalid.
    pub order: Result<Order, String>,
    /// Its further columns.
    pub extra_columns: Vec<String>,
}

/// A payment with its expected sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The shop's id.
    pub id: PaymentId,
    /// The expected sum, if the row has one.
    pub sum: Option<Expected>,
}

/// An id that occurs in several rows.
pub struct Duplicate {
    /// The line of its first row.
    pub first: u64,
    /// The line of its second row.
    pub next: u64,
    /// The expected sum of the first row.
    sum: Option<Expected>,
    /// Whether the rows expect different sums.
    pub differs: bool,
}

impl Duplicate {
    /// Why its rows cannot be used.
    pub fn conflict(&self) -> String {
        format!(
            "lines {} and {} have the same payment id but different amounts; remove one of them",
            self.first, self.next
        )
    }
}

/// The result of the first pass over a list.
pub struct Overview {
    /// The number of rows.
    pub rows: u64,
    /// Ids that occur in several rows.
    pub duplicates: HashMap<PaymentId, Duplicate>,
}

impl List {
    /// Reads a list and scans its rows once. Ctrl-C ends a command that waits for this.
    ///
    /// # Errors
    /// If it cannot be read, is not a list, or has no rows.
    pub async fn read(source: Source) -> Result<(Self, Overview), Problem> {
        let read = tokio::task::spawn_blocking(move || {
            let list = Self::open(&source)?;
            let overview = list.overview()?;
            Ok((list, overview))
        });
        read.await.unwrap_or_else(|_| Err(interrupted()))
    }

    /// Copies a list and reads its first line. Blocks.
    fn open(source: &Source) -> Result<Self, Problem> {
        let (name, origin, file) = match source {
            Source::Ids | Source::Stdin => {
                let name = "stdin".to_owned();
                let copied = copy(&mut io::stdin().lock(), &name)?;
                (name, None, copied)
            }
            Source::File(path) => {
                let name = inert::cut(&path.display().to_string(), 200);
                let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
                let (about, mut file) = opened.map_err(|error| unread(&name, &error))?;
                if about.is_dir() {
                    return Err(usage(format!("{name} is a directory"), "pass a CSV file"));
                }
                let copied = copy(&mut file, &name)?;
                (name, Some((about.dev(), about.ino())), copied)
            }
        };
        let mut begin = Vec::new();
        let read = Window::new(&file, 0).take(BEGIN).read_to_end(&mut begin);
        read.map_err(|error| unread(&name, &error))?;
        // The byte order marks of UTF-16, and the NUL bytes of UTF-16 without one.
        if begin.starts_with(&[0xff, 0xfe])
            || begin.starts_with(&[0xfe, 0xff])
            || begin.contains(&0)
        {
            return Err(usage(
                format!("{name} is not UTF-8 text"),
                "save it as CSV in UTF-8",
            ));
        }
        let start = match charset::BYTE_ORDER_MARK.encode_utf8(&mut [0; 4]) {
            mark if begin.starts_with(mark.as_bytes()) => mark.len(),
            _ => 0,
        };
        let mut list = Self {
            file,
            start: start as u64,
            name,
            origin,
            format: Format::Ids,
        };
        match source {
            Source::Ids
                if list
                    .header(&begin[start..])
                    .is_ok_and(|header| header.columns.len() > 1) =>
            {
                // Otherwise each whole line would be checked as an id.
                let message = format!("{name} is CSV, not one id per line", name = list.name);
                return Err(usage(message, "pass `--from -` to read it"));
            }
            Source::Ids => {}
            Source::Stdin | Source::File(_) => {
                list.format = Format::Csv(list.header(&begin[start..])?);
            }
        }
        Ok(list)
    }

    fn header(&self, begin: &[u8]) -> Result<Header, Problem> {
        let lines = begin.split(|byte| matches!(byte, b'\n' | b'\r'));
        let first = lines.into_iter().find(|line| !line.trim_ascii().is_empty());
        let delimiter = delimiter(first.unwrap_or_default());
        let mut records = Records::new(&self.file, self.start, delimiter);
        let record = records.next().map_err(|error| unread(&self.name, &error))?;
        let record = record.ok_or_else(|| self.empty(EMPTY_CSV))?;
        Header::read(&record, delimiter)
            .map_err(|(why, hint)| usage(format!("{} {why}", self.name), hint))
    }

    fn empty(&self, hint: &str) -> Problem {
        usage(format!("the list is empty: {}", self.name), hint)
    }

    /// The names of the further columns. A name that a result column already has gets the prefix `list_`.
    pub fn extra_columns(&self) -> Vec<String> {
        match &self.format {
            Format::Ids => Vec::new(),
            Format::Csv(header) => {
                let names = header.columns.iter().enumerate();
                let further = names.filter(|(at, _)| header.is_extra(*at));
                let is_any = |names: &[&str], name: &str| {
                    let mut names = names.iter();
                    names.any(|other| other.eq_ignore_ascii_case(name))
                };
                let all: Vec<&str> = header.columns.iter().map(String::as_str).collect();
                let clear = |name: &String| {
                    let mut clear = name.clone();
                    while is_any(&COLUMNS, &clear) || (clear != *name && is_any(&all, &clear)) {
                        clear.insert_str(0, "list_");
                    }
                    clear
                };
                further.map(|(_, name)| clear(name)).collect()
            }
        }
    }

    /// Whether it has columns, but none with the expected amounts.
    pub fn lacks_amounts(&self) -> bool {
        matches!(&self.format, Format::Csv(header) if header.amount.is_none())
    }

    /// Its rows from the start.
    pub fn rows(&self) -> Box<dyn Iterator<Item = Result<Row, Problem>> + '_> {
        let failed = |error: io::Error| unread(&self.name, &error);
        match &self.format {
            Format::Ids => {
                let mut reader = BufReader::new(Window::new(&self.file, self.start));
                let mut line = 0;
                let next = move || next_ids(&mut reader, &mut line).transpose();
                Box::new(iter::from_fn(next).flat_map(move |rows| match rows {
                    Ok(rows) => rows.into_iter().map(Ok).collect(),
                    Err(error) => vec![Err(failed(error))],
                }))
            }
            Format::Csv(header) => {
                let mut records = Records::new(&self.file, self.start, header.delimiter);
                let mut begun = false;
                let next = move || next_record(&mut records, header, &mut begun).transpose();
                Box::new(iter::from_fn(next).map(move |row| row.map_err(failed)))
            }
        }
    }

    /// Counts the rows and finds ids that occur in several. Keeps only a hash of each id, so a long list fits in
    /// memory.
    fn overview(&self) -> Result<Overview, Problem> {
        let mut rows = 0;
        let mut seen = HashSet::new();
        let mut twice = HashSet::new();
        for row in self.rows() {
            rows += 1;
            if let Ok(order) = row?.order {
                let hash = hash(&order.id);
                if !seen.insert(hash) {
                    twice.insert(hash);
                }
            }
        }
        if rows == 0 {
            return Err(self.empty(match self.format {
                Format::Ids => "write one id per line",
                Format::Csv(_) => EMPTY_CSV,
            }));
        }
        // The second pass needs only the few ids in `twice`; this set has every id of the list.
        drop(seen);
        let mut duplicates: HashMap<PaymentId, Duplicate> = HashMap::new();
        if !twice.is_empty() {
            for row in self.rows() {
                let row = row?;
                let Ok(order) = row.order else { continue };
                if !twice.contains(&hash(&order.id)) {
                    continue;
                }
                duplicates
                    .entry(order.id)
                    .and_modify(|known| {
                        if known.next == known.first {
                            known.next = row.line;
                        }
                        known.differs |= known.sum != order.sum;
                    })
                    .or_insert(Duplicate {
                        first: row.line,
                        next: row.line,
                        sum: order.sum,
                        differs: false,
                    });
            }
            duplicates.retain(|_, known| known.next != known.first);
        }
        Ok(Overview { rows, duplicates })
    }
}

/// The rows of the next line that is not blank: mostly one.
fn next_ids(reader: &mut BufReader<Window<'_>>, line: &mut u64) -> io::Result<Option<Vec<Row>>> {
    loop {
        let mut bytes = Vec::new();
        if reader.read_until(b'\n', &mut bytes)? == 0 {
            return Ok(None);
        }
        *line += 1;
        let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.trim_ascii().is_empty() {
            continue;
        }
        let row = |id: Result<&str, String>| Row {
            line: *line,
            id: match &id {
                Ok(id) => (*id).to_owned(),
                Err(_) => String::from_utf8_lossy(text.trim_ascii()).into_owned(),
            },
            order: id.and_then(|id| {
                let id = PaymentId::new(id).map_err(|error| error.to_string())?;
                Ok(Order { id, sum: None })
            }),
            extra_columns: Vec::new(),
        };
        return Ok(Some(match utf8(text) {
            // Exports pad fields; ids never begin with spaces.
            Ok(text) => match order_list::ids(text.trim()).as_slice() {
                [one] if order_list::is_ambiguous(one) => {
                    let why = "the line may have several ids: write one id per line";
                    vec![row(Err(why.into()))]
                }
                ids => ids.iter().map(|id| row(Ok(id))).collect(),
            },
            Err(why) => vec![row(Err(why))],
        }));
    }
}

fn next_record(
    records: &mut Records<'_>,
    header: &Header,
    begun: &mut bool,
) -> io::Result<Option<Row>> {
    while let Some(record) = records.next()? {
        let is_header = !std::mem::replace(begun, true);
        // Spreadsheets leave rows of empty cells at the end.
        if is_header
            || record
                .fields
                .iter()
                .all(|field| field.trim_ascii().is_empty())
        {
            continue;
        }
        let text = |at: usize| {
            let field = record.fields.get(at).unwrap_or_default();
            String::from_utf8_lossy(field).into_owned()
        };
        return Ok(Some(Row {
            line: record.lines.0,
            id: text(header.id).trim().to_owned(),
            order: order(&record, header),
            extra_columns: (0..header.columns.len())
                .filter(|at| header.is_extra(*at))
                .map(text)
                .collect(),
        }));
    }
    Ok(None)
}

/// Parses a record.
fn order(record: &Record, header: &Header) -> Result<Order, String> {
    let (first, last) = record.lines;
    if !record.well_quoted {
        return Err(if first == last {
            "a quotation mark is not closed, or not doubled within a quoted field".into()
        } else {
            format!(
                "a quotation mark is not closed, or not doubled within a quoted field: lines {first} to {last} \
                 were read as one row and not checked"
            )
        });
    }
    let (has, due) = (record.fields.len(), header.columns.len());
    if has != due {
        return Err(format!(
            "the row has {}; the header has {due}",
            counted(has as u64, "field")
        ));
    }
    let field = |at: usize| utf8(record.fields.get(at).unwrap_or_default());
    let id = PaymentId::new(field(header.id)?.trim()).map_err(|error| error.to_string())?;
    let part = |at: Option<usize>| at.map_or(Ok(""), |at| field(at).map(str::trim));
    let sum = match (part(header.amount)?, part(header.currency)?) {
        ("", "") => None,
        ("", currency) => {
            let currency = inert::quoted(currency, 40);
            return Err(format!("the row has the currency {currency} but no amount"));
        }
        (amount, "") => {
            let amount = inert::quoted(amount, 40);
            return Err(format!("the row has the amount {amount} but no currency"));
        }
        (amount, currency) => Some(Expected {
            amount: Amount::typed(amount).map_err(|error| error.to_string())?,
            currency: Currency::typed(currency).map_err(|error| error.to_string())?,
        }),
    };
    Ok(Order { id, sum })
}

fn utf8(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "the row is not UTF-8 text".to_owned())
}

/// Copies a reader's data to an unnamed file; stops early where it is not text.
fn copy(reader: &mut impl io::Read, name: &str) -> Result<File, Problem> {
    let folder = std::env::temp_dir();
    let unwritten = |error: io::Error| {
        let folder = inert::cut(&folder.display().to_string(), 200);
        let what = format!("tilldeck cannot copy {name} to the folder {folder}: {error}");
        local(what, "TMPDIR chooses another folder for temporary files")
    };
    let mut file = tempfile::tempfile_in(&folder).map_err(unwritten)?;
    fill(&mut file, reader).map_err(|error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => unwritten(error),
        _ => unread(name, &error),
    })?;
    Ok(file)
}

fn fill(file: &mut File, reader: &mut impl io::Read) -> io::Result<()> {
    let mut begin = Vec::new();
    reader.take(BEGIN).read_to_end(&mut begin)?;
    file.write_all(&begin)?;
    // A device without text may never end.
    if !begin.contains(&0) {
        io::copy(reader, file)?;
    }
    Ok(())
}

/// A hash of an id; collisions are rare and handled by the caller.
pub fn hash(id: &PaymentId) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

fn unread(name: &str, error: &io::Error) -> Problem {
    usage(format!("tilldeck cannot read {name}: {error}"), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ids_have_neither_columns_nor_amounts() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"id\n\n A-1 \r\nA-2;5;EMT\nA-3, A-4\nA-\xff\n")
            .unwrap();
        let csv = Source::File(file.path().to_owned());
        let (csv, _) = List::read(csv).await.unwrap();
        assert!(csv.lacks_amounts());
        let ids = List {
            format: Format::Ids,
            ..csv
        };
        assert!(!ids.lacks_amounts());
        let rows: Vec<Row> = ids.rows().map(Result::unwrap).collect();
        let written = rows.iter().map(|row| (row.line, row.id.as_str()));
        let all = [
            (1, "id"),
            (3, "A-1"),
            (4, "A-2;5;EMT"),
            (5, "A-3"),
            (5, "A-4"),
            (6, "A-\u{fffd}"),
        ];
        assert_eq!(written.collect::<Vec<_>>(), all);
        for order in rows.into_iter().filter_map(|row| row.order.ok()) {
            assert_eq!(order.sum, None, "{order:?}");
        }
    }
}
