//! The file of `--resume`: a CSV result that grows by one row with each answer, so that a run that was interrupted goes
//! on where it stopped.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use csv::{ByteRecord, ReaderBuilder, StringRecord};

use crate::cli::list::{self, List, Records, Window};
use crate::cli::report::{COLUMNS, Found, NOT_FOUND, Report, UNKNOWN, csv_line};
use crate::domain::{
    AccountId, Amount, Currency, Expected, Payment, PaymentId, PaymentState, Problem, ProblemKind,
    Reported, WallTime, inert,
};

/// An answer that is not final is trusted for this long.
const FRESH: Duration = Duration::from_hours(1);

/// An open state file.
pub struct Resume {
    file: File,
    name: String,
    /// Where the newest row of an id begins, by a number for the id.
    index: HashMap<u64, u64>,
    /// For each further column of the file, which one of the list it is.
    carried: Vec<Option<usize>>,
}

/// An answer as the file has it.
pub struct Saved {
    account: String,
    expected: Option<Expected>,
    /// What was answered.
    pub found: Found,
    /// When.
    pub at: WallTime,
}

impl Saved {
    /// Whether it still answers for a payment.
    pub fn holds(&self, account: &AccountId, expected: Option<&Expected>, now: WallTime) -> bool {
        let last = match &self.found {
            Found::Payment(payment) => payment.state.is_final(),
            Found::Failed(_) | Found::NotSeen => false,
        };
        let fresh = self.at <= now && now.since(self.at) < FRESH;
        self.account == account.as_str() && self.expected.as_ref() == expected && (last || fresh)
    }
}

impl Resume {
    /// Opens a state file or begins one. A last row that was not written to its end is cut off.
    ///
    /// # Errors
    /// If it is something else than a CSV result, is in use, or cannot be read.
    pub fn open(path: &Path, list: &List) -> Result<Self, Problem> {
        let name = inert::cut(&path.display().to_string(), 200);
        let refused = |what: &str, hint: &str| {
            Err(Problem::new(
                ProblemKind::Usage,
                format!("--resume {name}: {what}"),
                hint,
            ))
        };
        let failed = |error: &io::Error| {
            Problem::new(
                ProblemKind::Local,
                format!("--resume {name} cannot be opened: {error}"),
                "name a file that can be written",
            )
        };
        let opened = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path);
        let file = opened.map_err(|error| failed(&error))?;
        let about = file.metadata().map_err(|error| failed(&error))?;
        if !about.is_file() {
            return refused("it is no ordinary file", "name a file that can be written");
        }
        let same = Some((about.dev(), about.ino()));
        if same == list.origin {
            return refused("it is the list itself", "name another file for the answers");
        }
        if same == stdout_file() {
            return refused(
                "standard output goes there too",
                "print to another file, or leave the redirection out",
            );
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return refused("another tilldeck uses it", "wait until that one has ended");
            }
            Err(TryLockError::Error(error)) => return Err(failed(&error)),
        }
        let carried = list.carried();
        let mut resume = Self {
            file,
            name: name.clone(),
            index: HashMap::new(),
            carried: (0..carried.len()).map(Some).collect(),
        };
        let whole = complete(&resume.file).map_err(|error| failed(&error))?;
        let header = Records::new(&resume.file, 0, b',').next();
        let header = header.map_err(|error| failed(&error))?;
        let header: Vec<String> = header.map_or(Vec::new(), |record| {
            let names = record.fields.iter();
            names
                .map(|name| String::from_utf8_lossy(name).into_owned())
                .collect()
        });
        if whole == 0 {
            // Nothing, or a first line that was not written to its end.
            if !header.join(",").is_empty() && !begins_header(&header, &carried) {
                return refused("it is not a result of `check --csv`", "name another file");
            }
            resume.cut(0)?;
            let columns = COLUMNS.into_iter().map(str::to_owned);
            resume.write(&columns.chain(carried).collect::<Vec<_>>())?;
            return Ok(resume);
        }
        if header.len() < COLUMNS.len() || header[..COLUMNS.len()] != COLUMNS {
            return refused("it is not a result of `check --csv`", "name another file");
        }
        let further = header[COLUMNS.len()..].iter();
        resume.carried = further
            .map(|name| carried.iter().position(|known| known == name))
            .collect();
        resume.cut(whole)?;
        let index = resume.read_index();
        resume.index = index.map_err(|error| failed(&error))?;
        Ok(resume)
    }

    fn read_index(&self) -> io::Result<HashMap<u64, u64>> {
        let mut index = HashMap::new();
        let mut records = Records::new(&self.file, 0, b',');
        records.next()?;
        while let Some(record) = records.next()? {
            let id = record
                .fields
                .get(0)
                .and_then(|id| std::str::from_utf8(id).ok());
            if let Some(Ok(id)) = id.map(PaymentId::new)
                && record.well_quoted
            {
                index.insert(list::hash(&id), record.offset);
            }
        }
        Ok(index)
    }

    /// What the file answers for a payment.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn answer(&self, id: &PaymentId) -> Result<Option<Saved>, Problem> {
        let Some(offset) = self.index.get(&list::hash(id)) else {
            return Ok(None);
        };
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(1024)
            .from_reader(Window::new(&self.file, *offset));
        let mut record = ByteRecord::new();
        if let Err(error) = reader.read_byte_record(&mut record) {
            return Err(Problem::new(
                ProblemKind::Local,
                format!("--resume {} cannot be read: {error}", self.name),
                "",
            ));
        }
        let record = StringRecord::from_byte_record(record).ok();
        Ok(record.and_then(|record| saved(id, &record)))
    }

    /// Appends an answer.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn append(&mut self, report: &Report, carried: &[String]) -> Result<(), Problem> {
        let mut fields = report.record().to_vec();
        fields.extend(self.carried.iter().map(|at| {
            let text = at.and_then(|at| carried.get(at));
            text.cloned().unwrap_or_default()
        }));
        self.write(&fields)
    }

    fn write(&mut self, fields: &[String]) -> Result<(), Problem> {
        self.file
            .write_all(&csv_line(fields))
            .map_err(|error| self.unsaved(&error))
    }

    fn cut(&mut self, length: u64) -> Result<(), Problem> {
        self.file
            .set_len(length)
            .map_err(|error| self.unsaved(&error))
    }

    fn unsaved(&self, error: &io::Error) -> Problem {
        Problem::new(
            ProblemKind::Local,
            format!("--resume {} cannot be written: {error}", self.name),
            "make room and run the same command again: it goes on from the last saved answer",
        )
    }
}

/// A row as it was written.
fn saved(id: &PaymentId, record: &StringRecord) -> Option<Saved> {
    let field = |name: &str| {
        let at = COLUMNS.iter().position(|column| *column == name);
        at.and_then(|at| record.get(at)).unwrap_or_default()
    };
    // Another id may have the same number.
    if field("id") != id.as_str() {
        return None;
    }
    let found = match field("verdict") {
        "" | UNKNOWN => return None,
        NOT_FOUND => Found::Failed(Problem::new(ProblemKind::NotFound, field("error"), "")),
        _ if field("state").is_empty() => return None,
        _ => Found::Payment(Payment {
            id: id.clone(),
            currency: Reported::currency(field("currency")),
            amount: Reported::amount(field("amount")),
            state: PaymentState::from_word(field("state")),
        }),
    };
    let expected = match (field("expected_amount"), field("expected_currency")) {
        ("", "") => None,
        (amount, currency) => Some(Expected {
            amount: Amount::received(amount).ok()?,
            currency: Currency::new(currency).ok()?,
        }),
    };
    Some(Saved {
        account: field("account").to_owned(),
        expected,
        found,
        at: WallTime::from_rfc3339(field("checked_at"))?,
    })
}

/// Whether these are the first columns of a result, the last one perhaps cut short.
fn begins_header(written: &[String], carried: &[String]) -> bool {
    let known = COLUMNS
        .into_iter()
        .chain(carried.iter().map(String::as_str));
    let known: Vec<&str> = known.collect();
    let known = known.join(",");
    known.starts_with(&written.join(","))
}

/// How long the file is up to the end of its last whole row. A line end within quotation marks ends none.
fn complete(file: &File) -> io::Result<u64> {
    let (mut length, mut offset, mut quoted) = (0, 0, false);
    for byte in BufReader::new(Window::new(file, 0)).bytes() {
        offset += 1;
        let byte = byte?;
        quoted ^= byte == b'"';
        if byte == b'\n' && !quoted {
            length = offset;
        }
    }
    Ok(length)
}

/// Device and inode of the file that standard output goes to.
fn stdout_file() -> Option<(u64, u64)> {
    let stdout = io::stdout();
    let file = File::from(stdout.as_fd().try_clone_to_owned().ok()?);
    let about = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some((about.dev(), about.ino()))
}
