//! Enums whose values are words in the config file, the ledger, JSON, or on the command line.

/// Defines an enum of such values, each with its word: `Accepted = "accepted"`.
macro_rules! words {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $($(#[$attr:meta])* $variant:ident = $word:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$attr])* $variant,)+
        }

        // `from_word` would never find the second of two equal words.
        const _: () = $crate::domain::words::assert_different(&$name::WORDS);

        impl $name {
            /// All of them, in this order.
            pub const ALL: [Self; Self::WORDS.len()] = [$(Self::$variant),+];

            /// Their words.
            pub const WORDS: [&'static str; [$($word),+].len()] = [$($word),+];

            /// Its word.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// The one with this word.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|known| known.as_str() == word)
            }
        }
    };
}
pub(crate) use words;

/// Fails the build where two words are equal.
pub(crate) const fn assert_different(words: &[&str]) {
    let mut at = 0;
    while at < words.len() {
        let mut other = at + 1;
        while other < words.len() {
            assert!(!equal(words[at], words[other]), "two values have one word");
            other += 1;
        }
        at += 1;
    }
}

const fn equal(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}
