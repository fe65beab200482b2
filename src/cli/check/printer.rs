//! Prints the results of a check, each as soon as it is known.

use std::collections::BTreeSet;

use super::Checker;
use crate::cli::output::{Format, Listing, Out, OutputError};
use crate::cli::report::{COLUMNS, Found, HEADS, Report};
use crate::net::redact;

pub struct Printer<'a> {
    out: &'a Out,
    profile: &'a str,
    listing: Listing<{ HEADS.len() }>,
    /// What was said to do about rows without an answer: each once, however many rows have it.
    hints: BTreeSet<String>,
}

impl<'a> Printer<'a> {
    /// Begins with the header of CSV, which ends with the columns of the checked list.
    pub fn new(checker: &Checker<'a>, extra_columns: Vec<String>) -> Result<Self, OutputError> {
        let out = checker.cx.out;
        let fields = COLUMNS.map(str::to_owned).into_iter().chain(extra_columns);
        let mut listing = Listing::new(out, HEADS, fields);
        listing.flush()?;
        Ok(Self {
            out,
            profile: &checker.cx.settings.profile.name,
            listing,
            hints: BTreeSet::new(),
        })
    }

    /// Prints a result, and once for each cause what to do about one without an answer.
    pub fn row(
        &mut self,
        report: &Report,
        extra_columns: &[String],
        as_expected: bool,
    ) -> Result<(), OutputError> {
        self.print(report, extra_columns, as_expected)?;
        // A JSON object has its hint in it.
        if let Found::Failed(problem) = &report.found
            && !self.out.is_json()
            && !problem.hint.is_empty()
            && self.hints.insert(problem.hint.clone())
        {
            // The CSV with the failure often goes to a file.
            if self.out.format == Format::Csv {
                let line = report.line.map(|line| format!("line {line}: "));
                let words = line.unwrap_or_default() + &problem.message;
                self.out.warn(&redact::scrub(&words));
            }
            let hint = redact::scrub(&problem.hint);
            self.out.hint(&hint);
        }
        Ok(())
    }

    fn print(
        &mut self,
        report: &Report,
        extra_columns: &[String],
        as_expected: bool,
    ) -> Result<(), OutputError> {
        if self.out.format == Format::Csv {
            return self.record(report, extra_columns);
        }
        let cells = report.cells(as_expected);
        self.listing.row(&report.object(), cells)?;
        self.listing.flush()
    }

    pub fn record(&mut self, report: &Report, extra_columns: &[String]) -> Result<(), OutputError> {
        let fields = report.record(self.profile).into_iter();
        let fields = fields.chain(extra_columns.iter().cloned());
        self.listing.record(fields.collect())
    }
}
