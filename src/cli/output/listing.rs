//! The results of a command, one after the other, in the selected format.

use serde_json::Value;

use super::table::{Cell, Table, toned};
use super::{Format, Out, OutputError, Tone, csv};

/// Results for scripts: JSON objects, or CSV records below a header. For people, nothing.
#[derive(Debug)]
pub struct Records {
    out: Out,
    /// The columns of CSV: the names of an object's fields.
    fields: Vec<String>,
    has_begun: bool,
}

impl Records {
    /// No results yet. `fields` are the columns of CSV.
    pub fn new(out: &Out, fields: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            out: out.clone(),
            fields: fields.into_iter().map(Into::into).collect(),
            has_begun: false,
        }
    }

    /// Prints the header of CSV, once: a result without rows has it, too.
    pub fn begin(&mut self) -> Result<(), OutputError> {
        if std::mem::replace(&mut self.has_begun, true) || self.out.format != Format::Csv {
            return Ok(());
        }
        self.out.record(self.fields.clone())
    }

    /// Prints an object, or its fields as a record.
    pub fn object(&mut self, object: &Value) -> Result<(), OutputError> {
        self.begin()?;
        match self.out.format {
            Format::Text => Ok(()),
            Format::Json => self.out.object(object),
            Format::Csv => {
                let fields = self.fields.iter();
                let fields = fields.map(|name| csv::field(object, name)).collect();
                self.out.record(fields)
            }
        }
    }
}

/// Results for scripts and people. People get a table, with the names of its columns in the first line.
#[derive(Debug)]
pub struct Listing<const N: usize> {
    records: Records,
    heads: [&'static str; N],
    table: Table,
    has_head: bool,
}

impl<const N: usize> Listing<N> {
    /// No results yet. `heads` name the columns of the table; `fields` are those of CSV.
    pub fn new(
        out: &Out,
        heads: [&'static str; N],
        fields: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            records: Records::new(out, fields),
            heads,
            table: Table::default(),
            has_head: false,
        }
    }

    /// Adds a result. Scripts get it at once, people at the next [`Listing::flush`].
    pub fn row(&mut self, object: &Value, cells: [Cell; N]) -> Result<(), OutputError> {
        if self.records.out.format != Format::Text {
            return self.records.object(object);
        }
        if !std::mem::replace(&mut self.has_head, true) {
            self.table
                .row(self.heads.map(|head| toned(head, Tone::Dim)));
        }
        self.table.row(cells);
        Ok(())
    }

    /// Adds a result whose CSV is not its object.
    pub fn record(&mut self, fields: Vec<String>) -> Result<(), OutputError> {
        self.records.begin()?;
        self.records.out.record(fields)
    }

    /// Prints the rows since the last time. Their columns line up with the earlier ones where they are no wider.
    pub fn flush(&mut self) -> Result<(), OutputError> {
        self.records.begin()?;
        self.records.out.table(&self.table)?;
        self.table.clear();
        Ok(())
    }
}
