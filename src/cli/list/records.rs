//! CSV records with their line numbers. Stricter than the `csv` crate: an unclosed quotation mark would silently
//! merge many rows into one record.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;

use csv::{ByteRecord, Reader, ReaderBuilder};

/// A reader with its own offset into a file, so that several readers can share it.
#[derive(Debug)]
pub struct Window<'a> {
    file: &'a File,
    at: u64,
}

impl<'a> Window<'a> {
    pub fn new(file: &'a File, at: u64) -> Self {
        Self { file, at }
    }
}

impl Read for Window<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

pub struct Record {
    pub fields: ByteRecord,
    /// Its first and last line, from 1.
    pub lines: (u64, u64),
    pub offset: u64,
    /// Whether its quotation marks are closed, and doubled within a quoted field.
    pub well_quoted: bool,
}

/// The records of a CSV file, without empty lines.
pub struct Records<'a> {
    file: &'a File,
    start: u64,
    delimiter: u8,
    reader: Reader<Window<'a>>,
    /// The earliest line of the next record, from 1.
    line: u64,
    /// Whether the last byte was a carriage return: a line feed after it ends no further line.
    returned: bool,
}

impl<'a> Records<'a> {
    /// Reads from the offset `start`, where line 1 begins.
    pub fn new(file: &'a File, start: u64, delimiter: u8) -> Self {
        Self {
            file,
            start,
            delimiter,
            reader: ReaderBuilder::new()
                .delimiter(delimiter)
                .has_headers(false)
                .flexible(true)
                .from_reader(Window::new(file, start)),
            line: 1,
            returned: false,
        }
    }

    /// The next record; `None` at the end.
    pub fn next(&mut self) -> io::Result<Option<Record>> {
        let mut fields = ByteRecord::new();
        if !self.reader.read_byte_record(&mut fields)? {
            return Ok(None);
        }
        // The reader's old position: after the last record, before the line ends that follow it.
        let before = self.start + fields.position().map_or(0, csv::Position::byte);
        let end = self.start + self.reader.position().byte();
        let mut raw = vec![0; usize::try_from(end.saturating_sub(before)).unwrap_or(0)];
        self.file.read_exact_at(&mut raw, before)?;
        let is_line_end = |byte: &&u8| matches!(byte, b'\n' | b'\r');
        let skipped = raw.iter().take_while(is_line_end).count();
        let after = raw.iter().rev().take_while(is_line_end).count();
        let (skipped, raw) = raw.split_at(skipped);
        let (raw, after) = raw.split_at(raw.len().saturating_sub(after));
        let first = self.pass(skipped);
        let last = self.pass(raw);
        self.pass(after);
        Ok(Some(Record {
            well_quoted: well_quoted(raw, self.delimiter),
            fields,
            lines: (first, last),
            offset: before + skipped.len() as u64,
        }))
    }

    /// Counts the lines in these bytes; a line feed, a carriage return or both end one. Returns the line after them.
    fn pass(&mut self, bytes: &[u8]) -> u64 {
        for byte in bytes {
            let feeds = *byte == b'\n' && !self.returned;
            self.returned = *byte == b'\r';
            self.line += u64::from(feeds || self.returned);
        }
        self.line
    }
}

impl Records<'_> {
    /// Whether the whole file is read.
    pub fn is_at_end(&self) -> io::Result<bool> {
        let length = self.file.metadata()?.len();
        Ok(self.start + self.reader.position().byte() >= length)
    }
}

pub fn count(bytes: &[u8], wanted: u8) -> usize {
    bytes.split(|byte| *byte == wanted).count() - 1
}

/// Whether every quoted field ends at its closing quotation mark. A mark inside an unquoted field is an ordinary
/// character.
fn well_quoted(raw: &[u8], delimiter: u8) -> bool {
    let mut bytes = raw.iter().copied().peekable();
    loop {
        if bytes.next_if_eq(&b'"').is_some() {
            loop {
                match bytes.next() {
                    None => return false,
                    Some(b'"') if bytes.next_if_eq(&b'"').is_some() => {}
                    Some(b'"') => break,
                    Some(_) => {}
                }
            }
            match bytes.next() {
                None => return true,
                Some(byte) if byte == delimiter => {}
                Some(_) => return false,
            }
        } else if !bytes.any(|byte| byte == delimiter) {
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn records(text: &str) -> Vec<(Vec<String>, (u64, u64), bool)> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let mut records = Records::new(&file, 0, b',');
        let mut all = Vec::new();
        while let Some(record) = records.next().unwrap() {
            let fields = record.fields.iter();
            let fields = fields.map(|field| String::from_utf8_lossy(field).into_owned());
            all.push((fields.collect(), record.lines, record.well_quoted));
        }
        all
    }

    fn lines(text: &str) -> Vec<(u64, u64)> {
        records(text)
            .into_iter()
            .map(|(_, lines, _)| lines)
            .collect()
    }

    #[test]
    fn records_know_their_lines_whatever_ends_a_line() {
        assert_eq!(lines("a,b\nc,d\n\n\ne,f"), [(1, 1), (2, 2), (5, 5)]);
        assert_eq!(lines("a,b\r\nc,d\r\n\r\ne,f\r\n"), [(1, 1), (2, 2), (4, 4)]);
        assert_eq!(lines("a,\"b\nb\"\r\nc,d\n"), [(1, 2), (3, 3)]);
        assert_eq!(lines("a,b\rc,d\r\re,f\r"), [(1, 1), (2, 2), (4, 4)]);
        assert_eq!(
            lines("a,\"b\r\rb\"\rc,d\r\n\re,f"),
            [(1, 3), (4, 4), (6, 6)]
        );
        assert_eq!(lines("\n\r\na,b\n\n\"c\n\nd\",e"), [(3, 3), (5, 7)]);
    }

    #[test]
    fn a_quotation_mark_left_open_is_noticed() {
        let well = |text: &str| {
            records(text)
                .into_iter()
                .map(|(.., well)| well)
                .collect::<Vec<_>>()
        };
        assert_eq!(well("a,\"b \"\"c\"\" d\"\n\"\",5\" disk\n"), [true, true]);
        assert_eq!(well("a,\"note\nb,c\nd,e\n"), [false]);
        assert_eq!(well("a,\"note\nb,\"x\"\nc,d\n"), [false, true]);
    }
}
