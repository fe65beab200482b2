//! What a search of the request log or of callbacks looks for, as operators type it: `status:4xx method:post shop`.

use std::sync::Arc;

use super::{Delivery, Exchange, Outcome};

/// The most words that are searched; further ones are ignored.
const WORDS_MAX: usize = 8;

/// A selection by content. The default selects everything; all that is set must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search {
    /// Only this account's.
    pub account: Option<String>,
    /// Only those about this payment or other subject, see [`Exchange::is_about`].
    pub about: Option<String>,
    /// Only requests with this result.
    pub status: Option<StatusFilter>,
    /// Only requests with this method, in upper case.
    pub method: Option<String>,
    /// Only this operator's requests, see [`Exchange::operator`].
    pub operator: Option<String>,
    /// Only those in whose texts each of these is found, in upper or lower case.
    pub words: Vec<String>,
}

/// Selects requests by their result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusFilter {
    /// A response with a status from the first to the second.
    Codes(u16, u16),
    /// No complete response, or a refusal with the status of a success.
    Failed,
}

/// Saved rows that were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<T> {
    /// The newest first. Fewer than the query's limit means that there are no more.
    pub rows: Vec<Arc<T>>,
    /// In how many saved rows a search looked; `None` where nothing was searched, or an earlier answer says it.
    pub searched: Option<usize>,
}

/// Why a text is not a [`StatusFilter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "write a class (4xx), a code (404), or `failed` for requests without a response and refusals at status 200"
)]
pub struct StatusError;

impl StatusFilter {
    /// Parses `4xx`, `404` or `failed`.
    ///
    /// # Errors
    /// If the text has none of these forms.
    pub fn parse(text: &str) -> Result<Self, StatusError> {
        let text = text.to_ascii_lowercase();
        if text == "failed" {
            return Ok(Self::Failed);
        }
        let class = text.strip_suffix("xx").filter(|class| class.len() == 1);
        let (digits, span) = class.map_or((text.as_str(), 1), |class| (class, 100));
        let number: u16 = digits.parse().map_err(|_| StatusError)?;
        let first = number * span;
        // A sign would parse too.
        let is_status = (100..600).contains(&first) && digits.bytes().all(|b| b.is_ascii_digit());
        is_status
            .then_some(Self::Codes(first, first + span - 1))
            .ok_or(StatusError)
    }

    /// Whether a request ended so.
    pub fn selects(self, outcome: &Outcome) -> bool {
        let (status, failure) = outcome.parts();
        match self {
            Self::Codes(first, last) => {
                status.is_some_and(|status| (first..=last).contains(&status))
            }
            Self::Failed => failure.is_some(),
        }
    }
}

impl std::fmt::Display for StatusFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Codes(first, last) if first == last => write!(f, "{first}"),
            Self::Codes(first, _) => write!(f, "{}xx", first / 100),
            Self::Failed => f.write_str("failed"),
        }
    }
}

impl Search {
    /// The options of `tilldeck log` that select the same.
    pub fn options(&self) -> Vec<String> {
        let words = (!self.words.is_empty()).then(|| self.words.join(" "));
        let options = [
            ("--account", self.account.clone()),
            ("--about", self.about.clone()),
            ("--status", self.status.map(|status| status.to_string())),
            ("--method", self.method.clone()),
            ("--operator", self.operator.clone()),
            ("--grep", words),
        ];
        let given = options
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        given
            .flat_map(|(name, value)| [name.to_owned(), value])
            .collect()
    }

    /// A search for requests: words, and `status:`, `method:`, `account:`, `about:`, `operator:`. A word whose value
    /// is invalid is searched as it is.
    pub fn of_requests(text: &str) -> Self {
        Self::parse(text, |search, key, value| {
            match key {
                "status" => {
                    search.status = StatusFilter::parse(value).ok();
                    search.status?;
                }
                "method" => search.method = Some(value.to_ascii_uppercase()),
                "operator" => search.operator = Some(value.to_owned()),
                _ => return search.set_common(key, value.to_owned()),
            }
            Some(())
        })
    }

    /// A search for callbacks: words, and `account:` and `about:`.
    pub fn of_callbacks(text: &str) -> Self {
        Self::parse(text, |search, key, value| {
            search.set_common(key, value.to_owned())
        })
    }

    /// `set` gets each word with a key and a value, and returns `None` for one that is an ordinary word.
    fn parse(text: &str, set: impl Fn(&mut Self, &str, &str) -> Option<()>) -> Self {
        let mut search = Self::default();
        for word in text.split_whitespace() {
            let keyed = word.split_once(':').filter(|(_, value)| !value.is_empty());
            let is_set = keyed.and_then(|(key, value)| {
                let key = key.to_ascii_lowercase();
                set(&mut search, &key, value)
            });
            if is_set.is_none() {
                search.add_word(word);
            }
        }
        search
    }

    fn set_common(&mut self, key: &str, value: String) -> Option<()> {
        match key {
            "account" => self.account = Some(value),
            "about" => self.about = Some(value),
            _ => return None,
        }
        Some(())
    }

    /// The same, for texts that have all words of `text`.
    #[must_use]
    pub fn with_words(mut self, text: &str) -> Self {
        text.split_whitespace().for_each(|word| self.add_word(word));
        self
    }

    fn add_word(&mut self, word: &str) {
        if self.words.len() < WORDS_MAX {
            self.words.push(word.to_owned());
        }
    }

    /// Whether a request has all that is set, the words aside.
    pub fn selects_exchange(&self, exchange: &Exchange) -> bool {
        let is = |wanted: &Option<String>, actual: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == actual)
        };
        is(&self.account, exchange.account.as_str())
            && is(&self.method, &exchange.method)
            && is(&self.operator, &exchange.operator)
            && self
                .status
                .is_none_or(|status| status.selects(&exchange.outcome))
            && self.about.as_ref().is_none_or(|id| exchange.is_about(id))
    }

    /// Whether a callback has all that is set, the words aside.
    pub fn selects_delivery(&self, delivery: &Delivery) -> bool {
        let subject = || delivery.subject.as_ref().map(ToString::to_string);
        let account = self.account.as_ref();
        account.is_none_or(|account| *account == delivery.account)
            && (self.about.is_none() || self.about == subject())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_a_class_a_code_or_failed() {
        for (text, expected) in [
            ("4xx", Some(StatusFilter::Codes(400, 499))),
            ("5XX", Some(StatusFilter::Codes(500, 599))),
            ("404", Some(StatusFilter::Codes(404, 404))),
            ("Failed", Some(StatusFilter::Failed)),
            ("", None),
            ("xx", None),
            ("4", None),
            ("0xx", None),
            ("40x", None),
            ("999", None),
            ("+200", None),
            ("65535xx", None),
        ] {
            assert_eq!(StatusFilter::parse(text).ok(), expected, "{text:?}");
        }
        let selects = |text, outcome| StatusFilter::parse(text).unwrap().selects(&outcome);
        let failed = || Outcome::Failed("timed out".into());
        assert!(selects("4xx", Outcome::Status(499)) && !selects("4xx", Outcome::Status(500)));
        assert!(selects("failed", failed()) && !selects("4xx", failed()));
        assert!(!selects("failed", Outcome::Status(500)));
        let refused = || Outcome::Refused(200, "fail 9000".into());
        assert!(selects("failed", refused()) && selects("2xx", refused()));
    }

    #[test]
    fn words_with_a_known_key_and_a_valid_value_are_filters() {
        let requests = "Status:4xx method:post account:shop about:ORDER-1 operator:anna timed out";
        assert_eq!(
            Search::of_requests(requests),
            Search {
                account: Some("shop".into()),
                about: Some("ORDER-1".into()),
                status: Some(StatusFilter::Codes(400, 499)),
                method: Some("POST".into()),
                operator: Some("anna".into()),
                words: vec!["timed".into(), "out".into()],
            }
        );
        let plain = "status:soon account: http://x :8080";
        let words = plain.split(' ').map(str::to_owned).collect();
        let found = Search {
            words,
            ..Search::default()
        };
        assert_eq!(Search::of_requests(plain), found);
        assert_eq!(
            Search::of_callbacks("about:A status:4xx").words,
            ["status:4xx"]
        );
        assert_eq!(Search::of_requests(&"a ".repeat(20)).words.len(), WORDS_MAX);
    }
}
