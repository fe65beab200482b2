//! Checks where the ledger is.

use toml::de::DeValue;

use crate::config::{ConfigError, DatabaseUrl, LedgerConfig};

use super::account::{FOUR_WAYS, secret};
use super::table::Table;

pub(super) const LEDGER: [&str; 3] = ["url", "schema", "operator"];

/// The longest name of an operator that is shown whole beside a payment.
const OPERATOR_MAX: usize = 64;

pub(super) fn ledger(table: &Table<'_, '_>) -> Result<LedgerConfig, ConfigError> {
    let url = match table.get("url") {
        None => None,
        Some(entry) if matches!(entry.1.get_ref(), DeValue::Table(_)) => {
            Some(DatabaseUrl::Secret(secret(entry, table)?))
        }
        Some(_) => {
            let found = table.string("url")?.expect("the key was just seen");
            let url = found.value.trim();
            if has_password(url) {
                let message =
                    "`url` in [ledger] has a password in it, which must not be in the config file";
                return Err(table.error(found.span, message, FOUR_WAYS));
            }
            if !["postgres://", "postgresql://"]
                .iter()
                .any(|scheme| url.starts_with(scheme))
            {
                let message = "`url` in [ledger] is not the URL of a PostgreSQL database";
                let hint = "write it like \"postgres://USER@HOST/DATABASE\"; without `url` the ledger is a file";
                return Err(table.error(found.span, message, hint));
            }
            Some(DatabaseUrl::Plain(url.to_owned()))
        }
    };
    let schema = table.string("schema")?;
    if let Some(schema) = &schema
        && !is_name(schema.value)
    {
        let message = "`schema` in [ledger] is not a plain name";
        let hint = "use a-z, 0-9 and _, at most 63 of them, and no digit first";
        return Err(table.error(schema.span.clone(), message, hint));
    }
    let operator = table.string("operator")?;
    if let Some(operator) = &operator
        && (operator.value.trim().is_empty()
            || operator.value.chars().count() > OPERATOR_MAX
            || operator.value.chars().any(char::is_control))
    {
        let message = "`operator` in [ledger] is not a name on one line";
        let hint = format!("write who uses this program, in at most {OPERATOR_MAX} characters");
        return Err(table.error(operator.span.clone(), message, hint));
    }
    Ok(LedgerConfig {
        url,
        schema: schema.map(|found| found.value.to_owned()),
        operator: operator.map(|found| found.value.trim().to_owned()),
    })
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars
        .next()
        .is_some_and(|first| first.is_ascii_lowercase() || first == '_')
        && chars.all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_')
        && text.len() <= 63
}

/// Whether a URL has a password, as `user:password@` or as a parameter.
fn has_password(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let place = place.split('/').next().unwrap_or_default();
    let user = place.rsplit_once('@').map(|(user, _)| user);
    user.is_some_and(|user| user.contains(':'))
        || query.split('&').any(|pair| {
            let name = pair.split('=').next().unwrap_or_default();
            matches!(name, "password" | "sslpassword")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_found_wherever_a_url_can_have_one() {
        for (url, found) in [
            ("postgres://till@db.example/till", false),
            ("postgres://db.example:5432/till", false),
            (
                "postgres://till@one:5432,two:5432/till?target_session_attrs=read-write",
                false,
            ),
            ("postgres://%2Frun%2Fpostgresql/till", false),
            ("postgres://till:secret@db.example/till", true),
            ("postgres://till:@db.example/till", true),
            ("postgresql://db.example/till?password=secret", true),
            (
                "postgresql://db.example/till?sslmode=require&password=secret",
                true,
            ),
        ] {
            assert_eq!(has_password(url), found, "{url}");
        }
    }
}
