//! What is fuzzed: each target takes any bytes and panics where a promise does not hold. The fuzzer runs them on what it
//! makes up (`fuzz/run`), the tests on the corpora that are kept beside them (`tests/it/attack/corpus.rs`).

mod amounts;
mod callbacks;
mod config;
mod console;
mod http_head;
mod jwt;
mod list;
mod redact;
mod replies;
mod retry_after;

use tilldeck::domain::{WallTime, inert};

/// A target's name, which is that of its corpus, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const ALL: [Target; 10] = [
    ("amounts", amounts::run),
    ("callbacks", callbacks::run),
    ("config", config::run),
    ("console", console::run),
    ("http_head", http_head::run),
    ("jwt", jwt::run),
    ("list", list::run),
    ("redact", redact::run),
    ("replies", replies::run),
    ("retry_after", retry_after::run),
];

/// Runs the target of this name.
pub fn run(name: &str, data: &[u8]) {
    let found = ALL.iter().find(|(known, _)| *known == name);
    found.expect("the name of a target").1(data);
}

/// 2026-11-22 02:54:26 UTC.
const NOW: WallTime = WallTime(1_795_316_066_000);

/// A text that may be shown: nothing in it moves a cursor or hides what stands beside it.
fn assert_inert(text: &str) {
    assert!(!text.contains(inert::is_hostile), "{text:?}");
}

/// The input, read from its front. What is missing reads as zero or empty.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    /// One of these, chosen by the next byte: the first by `0`, so that a corpus can be read.
    fn choose<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::from(self.byte().wrapping_sub(b'0')) % of.len()]
    }

    /// Until the line ends.
    fn line(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == b'\n');
        let (line, rest) = match end {
            Some(end) => (&self.0[..end], &self.0[end + 1..]),
            None => (self.0, &self.0[self.0.len()..]),
        };
        self.0 = rest;
        line
    }

    /// The same as text.
    fn text(&mut self) -> String {
        String::from_utf8_lossy(self.line()).into_owned()
    }

    /// All that is left.
    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

/// A secret that no input can hold, since it is another one in each process.
fn unguessable() -> String {
    use std::fmt::Write as _;
    use std::hash::{BuildHasher as _, RandomState};
    (0..4).fold(String::from("planted-"), |mut text, part| {
        let _ = write!(text, "{:016x}", RandomState::new().hash_one(part));
        text
    })
}
