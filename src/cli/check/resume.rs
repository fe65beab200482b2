//! The file of `--resume`: a CSV result with one row per answer, so that an interrupted run can continue where it
//! stopped.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use csv::{ByteRecord, ReaderBuilder, StringRecord};

use crate::cli::exit::local;
use crate::cli::list::{self, List, Records, Window};
use crate::cli::output::csv_line;
use crate::cli::report::{COLUMNS, Found, NOT_FOUND, Report, UNKNOWN};
use crate::domain::{
    AccountId, Amount, Currency, Expected, Payment, PaymentId, PaymentState, Problem, ProblemKind,
    Reported, WallTime, inert,
};
use crate::private::Danger;

/// A result other than FINALIZED is used for this long; then the payment is checked again.
const FRESH: Duration = Duration::from_hours(1);

/// An open state file.
pub struct Resume {
    file: File,
    name: String,
    /// The profile and account of the run. Results of others are not used.
    profile: String,
    /// The newest row of each id, keyed by the id's hash.
    index: Index,
    /// For each further column of the file: the matching column of the list.
    extra_columns: Vec<Option<usize>>,
}

type Index = HashMap<u64, Newest>;

/// The newest row of an id.
struct Newest {
    offset: u64,
    /// Whether the payment could not be checked.
    failed: bool,
}

pub struct Saved {
    profile: String,
    account: String,
    expected: Option<Expected>,
    pub found: Found,
    /// When the provider sent it.
    pub at: WallTime,
}

impl Saved {
    /// Whether it still holds for a payment. Accounts of two profiles may have the same name.
    pub fn holds(
        &self,
        (profile, account): (&str, &AccountId),
        expected: Option<&Expected>,
        now: WallTime,
    ) -> bool {
        let is_own = self.profile == profile && self.account == account.as_str();
        let last = match &self.found {
            // One that was cancelled or failed may yet be paid.
            Found::Payment(payment) => payment.is_settled(),
            Found::Failed(_) | Found::NotSeen => false,
        };
        let fresh = self.at <= now && now.since(self.at) < FRESH;
        is_own && self.expected.as_ref() == expected && (last || fresh)
    }
}

impl Resume {
    /// Opens a state file or creates it. Cuts off an incomplete last row.
    ///
    /// # Errors
    /// If it is not a CSV result, is in use, or cannot be read.
    pub fn open(path: &Path, profile: &str, list: &List) -> Result<Self, Problem> {
        let name = inert::cut(&path.display().to_string(), 200);
        let failed = |error: io::Error| unopened(&name, &error);
        let file = open_locked(path, &name, list)?;
        let extra_columns: Vec<String> = list
            .extra_columns()
            .iter()
            .map(|name| one_line(name))
            .collect();
        let mut resume = Self {
            file,
            name: name.clone(),
            profile: profile.to_owned(),
            index: Index::new(),
            extra_columns: (0..extra_columns.len()).map(Some).collect(),
        };
        let whole = complete(&resume.file).map_err(failed)?;
        let header = resume.header().map_err(failed)?;
        if whole == 0 {
            // Empty, or an incomplete first line.
            if !header.join(",").is_empty() && !begins_header(&header, &extra_columns) {
                return Err(no_result(&name));
            }
            resume.cut(0)?;
            let columns = COLUMNS.into_iter().map(str::to_owned);
            resume.write(&columns.chain(extra_columns).collect::<Vec<_>>())?;
            return Ok(resume);
        }
        resume.extra_columns = further_columns(&header, &extra_columns, &name)?;
        let read = resume.read_index(whole).map_err(failed)?;
        // The open quotation mark swallows rows; to continue would lose them.
        let (index, whole) = read.map_err(|lines| {
            let lines = match lines {
                (first, until) if first == until => format!("line {first}"),
                (first, until) => format!("lines {first} to {until}"),
            };
            let what = format!(
                "{lines}: a quotation mark is not closed, or not doubled within a quoted field"
            );
            unusable(&name, &what, "correct it, or choose another file")
        })?;
        resume.index = index;
        resume.cut(whole)?;
        Ok(resume)
    }

    fn header(&self) -> io::Result<Vec<String>> {
        let header = Records::new(&self.file, 0, b',').next()?;
        Ok(header.map_or(Vec::new(), |record| {
            let names = record.fields.iter();
            names
                .map(|name| String::from_utf8_lossy(name).into_owned())
                .collect()
        }))
    }

    /// Finds the rows up to `whole`, the end of the last complete line, and the file's length without an incomplete
    /// row. Else returns the lines with a wrong quotation mark.
    fn read_index(&self, whole: u64) -> io::Result<Result<(Index, u64), (u64, u64)>> {
        let is_cut = self.file.metadata()?.len() > whole;
        let mut index = Index::new();
        let mut records = Records::new(&self.file, 0, b',');
        while let Some(record) = records.next()? {
            if record.offset >= whole {
                break;
            }
            if !record.well_quoted {
                return Ok(Err(record.lines));
            }
            let (first, last) = record.lines;
            if is_cut && first < last && records.is_at_end()? {
                // Another program wrote it: a row of several lines whose last line is incomplete.
                return Ok(Ok((index, record.offset)));
            }
            let field = |name| {
                let field = place(name).and_then(|at| record.fields.get(at));
                field.and_then(|text| std::str::from_utf8(text).ok())
            };
            if let Some(Ok(id)) = field("id").map(PaymentId::new) {
                let newest = Newest {
                    offset: record.offset,
                    failed: field("verdict") == Some(UNKNOWN),
                };
                index.insert(list::hash(&id), newest);
            }
        }
        Ok(Ok((index, whole)))
    }

    pub fn has_failed(&self, id: &PaymentId) -> bool {
        let newest = self.index.get(&list::hash(id));
        newest.is_some_and(|newest| newest.failed)
    }

    /// The newest saved result of a payment.
    pub fn saved_result(&self, id: &PaymentId) -> Result<Option<Saved>, Problem> {
        let Some(newest) = self.index.get(&list::hash(id)) else {
            return Ok(None);
        };
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(1024)
            .from_reader(Window::new(&self.file, newest.offset));
        let mut record = ByteRecord::new();
        if let Err(error) = reader.read_byte_record(&mut record) {
            return Err(local(
                format!("tilldeck cannot read --resume {}: {error}", self.name),
                "",
            ));
        }
        let record = StringRecord::from_byte_record(record).ok();
        Ok(record.and_then(|record| saved(id, &record)))
    }

    pub fn append(&mut self, report: &Report, extra_columns: &[String]) -> Result<(), Problem> {
        let mut fields = report.record(&self.profile).to_vec();
        fields.extend(self.extra_columns.iter().map(|at| {
            let text = at.and_then(|at| extra_columns.get(at));
            text.cloned().unwrap_or_default()
        }));
        self.write(&fields)
    }

    /// Writes a row on one line, so that an incomplete row is always one line.
    fn write(&mut self, fields: &[String]) -> Result<(), Problem> {
        let fields: Vec<String> = fields.iter().map(|field| one_line(field)).collect();
        self.file
            .write_all(&csv_line(&fields))
            .map_err(|error| self.unsaved(&error))
    }

    fn cut(&mut self, length: u64) -> Result<(), Problem> {
        self.file
            .set_len(length)
            .map_err(|error| self.unsaved(&error))
    }

    fn unsaved(&self, error: &io::Error) -> Problem {
        local(
            format!("tilldeck cannot write --resume {}: {error}", self.name),
            "free disk space, then run the same command again to continue",
        )
    }
}

/// Opens the file and locks it for this process.
fn open_locked(path: &Path, name: &str, list: &List) -> Result<File, Problem> {
    let failed = |error: io::Error| unopened(name, &error);
    let opened = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path);
    let file = opened.map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        let hint = "choose a file you can write to";
        return Err(unusable(name, "it is not a regular file", hint));
    }
    if let Some(danger) = Danger::of(&about) {
        let what = format!("it {danger}; its final results cannot be trusted");
        return Err(unusable(name, &what, &danger.remedy(path)));
    }
    let same = Some((about.dev(), about.ino()));
    if same == list.origin {
        let hint = "choose another file for the results";
        return Err(unusable(name, "it is the list to check", hint));
    }
    if same == stdout_file() {
        // Both would write into the same file.
        let hint = "redirect stdout to another file";
        return Err(unusable(
            name,
            "stdout is redirected to the same file",
            hint,
        ));
    }
    // Two runs at once would mix their rows.
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let hint = "wait until it ends";
            Err(unusable(name, "another tilldeck uses it", hint))
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn unusable(name: &str, what: &str, hint: &str) -> Problem {
    let message = format!("--resume {name}: {what}");
    Problem::new(ProblemKind::Usage, message, hint)
}

fn no_result(name: &str) -> Problem {
    let what = "it is not a result of `check --csv`";
    unusable(name, what, "choose another file")
}

fn unopened(name: &str, error: &io::Error) -> Problem {
    let hint = if error.kind() == io::ErrorKind::NotFound {
        "create its folder, or choose another file"
    } else {
        "choose a file you can write to"
    };
    let message = format!("tilldeck cannot open --resume {name}: {error}");
    local(message, hint)
}

/// For each further column of a state file: the matching column of the list. Of columns with the same name, the first
/// matches the first, the second the second.
fn further_columns(
    header: &[String],
    extra_columns: &[String],
    name: &str,
) -> Result<Vec<Option<usize>>, Problem> {
    let written = header.iter().zip(COLUMNS);
    match written.take_while(|(name, column)| name == column).count() {
        n if n == COLUMNS.len() => {}
        n if n + 1 == COLUMNS.len() => {
            let what = format!(
                "an earlier version wrote it; the column `{}` is missing",
                COLUMNS[n]
            );
            let hint = "choose another file; all rows are then checked again";
            return Err(unusable(name, &what, hint));
        }
        _ => return Err(no_result(name)),
    }
    let mut left: Vec<Option<&String>> = extra_columns.iter().map(Some).collect();
    let further = header[COLUMNS.len()..].iter().map(|name| {
        let at = left.iter().position(|known| *known == Some(name))?;
        left[at] = None;
        Some(at)
    });
    Ok(further.collect())
}

fn saved(id: &PaymentId, record: &StringRecord) -> Option<Saved> {
    let field = |name: &str| {
        let field = place(name).and_then(|at| record.get(at));
        field.unwrap_or_default()
    };
    // A hash may collide: compare the id itself.
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
        profile: field("profile").to_owned(),
        account: field("account").to_owned(),
        expected,
        found,
        at: WallTime::from_rfc3339(field("checked_at"))?,
    })
}

/// Whether these are the first columns of a result. The last one may be cut short.
fn begins_header(written: &[String], extra_columns: &[String]) -> bool {
    let known = COLUMNS
        .into_iter()
        .chain(extra_columns.iter().map(String::as_str));
    let known: Vec<&str> = known.collect();
    let known = known.join(",");
    known.starts_with(&written.join(","))
}

/// The length of the file up to the end of its last complete line.
fn complete(file: &File) -> io::Result<u64> {
    let mut reader = BufReader::new(Window::new(file, 0));
    let (mut length, mut line) = (0, Vec::new());
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            return Ok(length);
        }
        length += read as u64;
    }
}

fn place(name: &str) -> Option<usize> {
    COLUMNS.iter().position(|column| *column == name)
}

fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

/// Device and inode of the file behind stdout.
fn stdout_file() -> Option<(u64, u64)> {
    let stdout = io::stdout();
    let file = File::from(stdout.as_fd().try_clone_to_owned().ok()?);
    let about = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some((about.dev(), about.ino()))
}
