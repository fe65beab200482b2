//! `account verify`: whether credentials are valid.

use unicode_width::UnicodeWidthStr as _;

use super::environment_tone;
use crate::cli::prelude::*;
use crate::domain::{Account, CredentialState, CredentialStatus};

/// Verify the credentials: send the provider one request that changes nothing.
#[derive(Debug, Args)]
pub struct VerifyAccounts {
    /// Only this account. Without it, all accounts.
    #[arg(value_name = "ACCOUNT")]
    name: Option<String>,
    /// Test only the signature, with the provider's published test key (Kanga TEST).
    #[arg(long)]
    signature: bool,
    #[command(flatten)]
    format: AsCsv,
}

const HEADS: [&str; 5] = ["", "account", "provider", "environment", "credentials"];
const FIELDS: &str = "account,provider,environment,status,verified_at";

impl DeckCommand for VerifyAccounts {
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        let (deck, out) = (cx.deck, &self.format.on(cx.out));
        let accounts: Vec<Account> = match self.name.as_deref().or(cx.settings.account()) {
            Some(name) => vec![cx.named(name, None)?],
            None => deck
                .accounts()
                // Only some providers can test a signature; the others are left out, not failed.
                .filter(|account| !self.signature || account.can(Ability::SignatureTest))
                .collect(),
        };
        if accounts.is_empty() {
            out.say(&format!(
                "profile {} has no accounts to verify",
                cx.settings.profile.name
            ));
        }
        let widths = widths(&accounts);
        let mut listing = Listing::new(out, HEADS, FIELDS.split(','));
        listing.flush()?;
        let mut exit = Exit::Done;
        for account in &accounts {
            let options = request_options(false);
            let result = if self.signature {
                let test = deck.send(&account.id, options, |client| client.test_signature());
                test.await
            } else {
                deck.verify(&account.id, options).await
            };
            let now = cx.now().wall;
            let state = CredentialStatus::after(result.as_ref().copied(), now).state;
            let tone = state.tone();
            let accepted = self.signature && state == CredentialState::Valid;
            let (word, shown) = if accepted {
                ("signature accepted", "signature accepted")
            } else {
                (state.as_str(), state.shown())
            };
            let glyph = match tone {
                Tone::Good => "✔",
                Tone::Bad => "✘",
                _ => "!",
            };
            if let Err(problem) = result {
                exit = exit.and(out.fail_of(json!({ "account": account.id }), &problem)?);
                // The error was its object.
                if out.is_json() {
                    continue;
                }
            }
            let object = json!({
                "account": account.id,
                "provider": account.provider.0,
                "environment": account.environment.as_str(),
                "status": word,
                "verified_at": now.rfc3339(),
            });
            let [id, title, environment] = columns(account);
            let cells = [
                toned(glyph, tone),
                toned(format!("{id:0$}", widths[0]), Tone::Accent),
                plain(format!("{title:0$}", widths[1])),
                toned(
                    format!("{environment:0$}", widths[2]),
                    environment_tone(account.environment),
                ),
                toned(shown, tone),
            ];
            listing.row(&object, cells)?;
            listing.flush()?;
        }
        Ok(exit)
    }
}

/// The columns that identify an account.
fn columns(account: &Account) -> [&str; 3] {
    [
        account.id.as_str(),
        account.provider_title,
        account.environment.title(),
    ]
}

/// The widths of [`columns`], fixed in advance: each row is printed as soon as its result is there.
fn widths(accounts: &[Account]) -> [usize; 3] {
    accounts.iter().map(columns).fold([0; 3], |widest, row| {
        std::array::from_fn(|at| widest[at].max(row[at].width()))
    })
}
