//! Fuzzy search in short texts: whole words first, then beginnings of words, then scattered letters.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

/// How well a text matches; the greater, the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Rank {
    pub closeness: Closeness,
    /// How close together the letters are.
    pub score: u32,
}

/// How the words of the query occur in a text: the worst of them counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Closeness {
    /// Their letters, in the same order.
    #[default]
    Scattered,
    Part,
    Start,
    Word,
}

pub struct Finder {
    /// In lower case.
    words: Vec<String>,
    pattern: Pattern,
    matcher: Matcher,
    letters: Vec<char>,
}

impl Finder {
    pub fn new(query: &str) -> Self {
        let lower = query.to_lowercase();
        Self {
            words: lower.split_whitespace().map(str::to_owned).collect(),
            pattern: Pattern::parse(query, CaseMatching::Ignore, Normalization::Smart),
            matcher: Matcher::new(Config::DEFAULT.match_paths()),
            letters: Vec::new(),
        }
    }

    /// How well the text matches; `None` if it does not match.
    pub fn find(&mut self, text: &str) -> Option<Rank> {
        let characters = Utf32Str::new(text, &mut self.letters);
        let score = self.pattern.score(characters, &mut self.matcher)?;
        let closeness = self.closeness(text);
        Some(Rank { closeness, score })
    }

    fn closeness(&self, text: &str) -> Closeness {
        let text = text.to_lowercase();
        let each = self.words.iter().map(|word| closeness_of(word, &text));
        each.min().unwrap_or_default()
    }
}

/// Both are in lower case.
fn closeness_of(word: &str, text: &str) -> Closeness {
    let edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    let found = text.match_indices(word).map(|(at, _)| {
        let starts = edge(text[..at].chars().next_back());
        let ends = edge(text[at + word.len()..].chars().next());
        match (starts, ends) {
            (true, true) => Closeness::Word,
            (true, false) => Closeness::Start,
            (false, _) => Closeness::Part,
        }
    });
    found.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_come_before_beginnings_and_scattered_letters() {
        let texts = [
            "GET /v1/i/test/elements who am I",
            "GET /v1/omitems",
            "GET /v1/itemset",
            "GET /v1/items",
        ];
        let mut finder = Finder::new("Items");
        let mut found: Vec<_> = texts
            .iter()
            .filter_map(|text| Some((finder.find(text)?, *text)))
            .collect();
        found.sort();
        let found: Vec<_> = found
            .into_iter()
            .map(|(rank, text)| (rank.closeness, text))
            .collect();
        let [scattered, part, start, word] = texts;
        assert_eq!(
            found,
            [
                (Closeness::Scattered, scattered),
                (Closeness::Part, part),
                (Closeness::Start, start),
                (Closeness::Word, word),
            ]
        );
        assert!(Finder::new("xyz").find(word).is_none());
    }

    #[test]
    fn of_several_words_the_worst_counts() {
        let mut finder = Finder::new("get it");
        let rank = finder.find("GET /v1/items").unwrap();
        assert_eq!(rank.closeness, Closeness::Start);
    }
}
