//! CSV records with their line numbers. Stricter than the `csv` crate: an unclosed quotation mark would silently
//! merge many rows into one record.

use csv::{ByteRecord, Reader, ReaderBuilder};

pub struct Record {
    pub fields: ByteRecord,
    /// Its first and last line, from 1.
    pub lines: (u64, u64),
    pub offset: usize,
    /// Whether its quotation marks are closed, and doubled within a quoted field.
    pub well_quoted: bool,
}

/// The records of a CSV file, without empty lines.
pub struct Records<'a> {
    text: &'a [u8],
    delimiter: u8,
    reader: Reader<&'a [u8]>,
    /// The earliest line of the next record, from 1.
    line: u64,
    /// Whether the last byte was a carriage return: a line feed after it ends no further line.
    returned: bool,
}

impl<'a> Records<'a> {
    pub fn new(text: &'a [u8], delimiter: u8) -> Self {
        Self {
            text,
            delimiter,
            reader: ReaderBuilder::new()
                .delimiter(delimiter)
                .has_headers(false)
                .flexible(true)
                .from_reader(text),
            line: 1,
            returned: false,
        }
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

    /// Where the reader is: after the last record, before the line ends that follow it.
    fn offset(&self) -> usize {
        let byte = self.reader.position().byte();
        usize::try_from(byte).expect("the text is in memory")
    }

    pub fn is_at_end(&self) -> bool {
        self.offset() >= self.text.len()
    }
}

impl Iterator for Records<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        let before = self.offset();
        let mut fields = ByteRecord::new();
        let read = self.reader.read_byte_record(&mut fields);
        if !read.expect("a text in memory is read, whatever the length of its records") {
            return None;
        }
        let text = self.text;
        let raw = &text[before..self.offset()];
        let is_line_end = |byte: &&u8| matches!(byte, b'\n' | b'\r');
        let skipped = raw.iter().take_while(is_line_end).count();
        let after = raw.iter().rev().take_while(is_line_end).count();
        let (skipped, raw) = raw.split_at(skipped);
        let (raw, after) = raw.split_at(raw.len().saturating_sub(after));
        let first = self.pass(skipped);
        let last = self.pass(raw);
        self.pass(after);
        Some(Record {
            well_quoted: well_quoted(raw, self.delimiter),
            fields,
            lines: (first, last),
            offset: before + skipped.len(),
        })
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
    use super::*;

    fn records(text: &str) -> Vec<(Vec<String>, (u64, u64), bool)> {
        let records = Records::new(text.as_bytes(), b',');
        let record = records.map(|record| {
            let fields = record.fields.iter();
            let fields = fields.map(|field| String::from_utf8_lossy(field).into_owned());
            (fields.collect(), record.lines, record.well_quoted)
        });
        record.collect()
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
