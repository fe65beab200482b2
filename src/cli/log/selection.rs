//! Which entries `log` shows.

use clap::builder::NonEmptyStringValueParser;

use crate::cli::prelude::*;
use crate::cli::values::method;
use crate::domain::since::Since;
use crate::domain::{Search, StatusFilter};

/// Selects entries; all options must hold.
#[derive(Debug, Args)]
pub(super) struct Selection {
    /// Only entries newer than this: 30m, 24h, 7d, today, yesterday, 2026-11-28, "2026-11-28 14:30", 14:30.
    #[arg(long, value_parser = Since::parse, value_name = "TIME", allow_negative_numbers = true)]
    since: Option<Since>,
    /// Only entries older than this. A day means its beginning.
    #[arg(long, value_parser = Since::parse, value_name = "TIME", allow_negative_numbers = true, conflicts_with = "follow")]
    until: Option<Since>,
    /// Only entries about this payment, order or player: the whole id.
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    about: Option<String>,
    /// Only responses with this status: 4xx, 404; or `failed`: requests without a response, and refusals at status 200.
    #[arg(long, value_parser = StatusFilter::parse, value_name = "STATUS")]
    status: Option<StatusFilter>,
    /// Only requests with this method: GET, POST.
    #[arg(long, value_parser = method(), ignore_case = true, hide_possible_values = true, value_name = "METHOD")]
    method: Option<String>,
    /// Only entries with all these words, in upper or lower case, in URL, subject, account or result. Bodies are not
    /// searched.
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,
    /// Only requests of this operator, where a team shares the ledger: alice@till.
    #[arg(long, value_name = "NAME")]
    operator: Option<String>,
    /// Also entries of other profiles.
    #[arg(long)]
    pub(super) all_profiles: bool,
}

impl Selection {
    pub(super) fn is_given(&self) -> bool {
        let texts = [&self.about, &self.method, &self.grep, &self.operator];
        let has_time = self.since.is_some() || self.until.is_some();
        has_time || self.status.is_some() || texts.into_iter().any(Option::is_some)
    }

    /// Rejects options that say nothing about callbacks.
    pub(super) fn must_suit_callbacks(&self) -> Result<(), Problem> {
        let refused = [
            (
                self.status.is_some(),
                "--status selects the providers' responses to sent requests",
                "`--grep rejected` finds rejected callbacks",
            ),
            (
                self.method.is_some(),
                "--method selects sent requests",
                "`--grep POST` finds callbacks by their method",
            ),
            (
                self.operator.is_some(),
                "--operator selects sent requests, and providers send callbacks",
                "leave it out, or leave out --deliveries",
            ),
        ];
        match refused.into_iter().find(|(is_given, ..)| *is_given) {
            Some((_, why, hint)) => {
                Err(usage(format!("{why}; --deliveries shows callbacks"), hint))
            }
            None => Ok(()),
        }
    }

    /// What the options search for, in the account of the command line.
    pub(super) fn search(&self, cx: &CommandContext<'_>) -> Search {
        let search = Search {
            account: cx.settings.account().map(str::to_owned),
            about: self.about.clone(),
            status: self.status,
            method: self.method.clone(),
            operator: self.operator.clone(),
            ..Search::default()
        };
        search.with_words(self.grep.as_deref().unwrap_or_default())
    }

    /// The profile whose entries are shown; `None` for those of all.
    pub(super) fn profile(&self, cx: &CommandContext<'_>) -> Option<String> {
        (!self.all_profiles).then(|| cx.settings.profile.name.clone())
    }

    pub(super) fn period(&self, cx: &CommandContext<'_>) -> Result<[Option<WallTime>; 2], Problem> {
        let (now, zone) = (cx.now().wall, crate::clock::time_zone());
        let [since, until] =
            [&self.since, &self.until].map(|time| Some(time.as_ref()?.instant(now, &zone)));
        if since
            .zip(until)
            .is_some_and(|(since, until)| since >= until)
        {
            return Err(usage(
                "--since is not before --until",
                "a day means its beginning: --since yesterday --until today shows yesterday",
            ));
        }
        Ok([since, until])
    }
}
