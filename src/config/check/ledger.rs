//! Checks where the ledger is.

use toml::de::DeValue;

use crate::config::child;
use crate::config::{ConfigError, DatabaseUrl, LedgerConfig};

use super::account::{FOUR_WAYS, secret};
use super::table::Table;

pub(super) const LEDGER: [&str; 3] = ["url", "schema", "operator"];

/// The longest name of an operator that is shown whole beside a payment.
const OPERATOR_MAX: usize = 64;

/// PostgreSQL limits the name of the notifications' channel, `tilldeck SCHEMA`, to 63 characters.
const SCHEMA_MAX: usize = 54;

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
            // It has no password, so the server may get this one.
            child::withhold(DatabaseUrl::PASSWORD);
            Some(DatabaseUrl::Plain(url.to_owned()))
        }
    };
    let schema = table.string("schema")?;
    if let Some(schema) = &schema
        && !is_name(schema.value)
    {
        let message = "`schema` in [ledger] is not a plain name";
        let hint = format!(
            "use a-z, 0-9 and _, at most {SCHEMA_MAX} of them, and neither a digit nor pg_ first"
        );
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
        && text.len() <= SCHEMA_MAX
        // The server's own.
        && !text.starts_with("pg_")
}

/// Whether a URL has a password, as `user:password@` or as a parameter. The password may contain what separates the
/// parts of a URL.
fn has_password(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let before = rest.rsplit_once('@').map_or("", |(before, _)| before);
    let has_user = !before.starts_with('[');
    has_user && before.split(':').skip(1).any(|after| !is_port(after))
        || rest.split(['?', '&']).skip(1).any(|pair| {
            let name = pair.split('=').next().unwrap_or_default();
            matches!(name, "password" | "sslpassword")
        })
}

/// Whether what follows a `:` begins with the port of a host, so that a later `@` belongs to a path or a parameter.
fn is_port(text: &str) -> bool {
    let rest = text.trim_start_matches(|char: char| char.is_ascii_digit());
    rest.len() < text.len() && rest.starts_with([',', '/', '?'])
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
            (
                "postgres://one:5432,two/till?sslrootcert=/etc/a@b.pem",
                false,
            ),
            ("postgres://[::1]:5432/till?sslrootcert=/etc/a@b.pem", false),
            ("postgres://till@[::1]:5432/till", false),
            ("postgres://till:pa?ss@db.example/till", true),
            ("postgres://till:pa/ss@db.example/till", true),
            ("postgres://till:pa#ss@db.example/till", true),
            ("postgres://till:p@ss@db.example/till", true),
            ("postgres://till:5432@db.example/till", true),
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

    #[test]
    fn a_schema_is_a_plain_name_that_its_notifications_have_space_for() {
        for (name, expected) in [
            ("tilldeck", true),
            ("order", true),
            ("_2", true),
            (&"a".repeat(54), true),
            (&"a".repeat(55), false),
            ("2", false),
            ("pg_till", false),
            ("Till", false),
            ("till-deck", false),
            ("", false),
        ] {
            assert_eq!(is_name(name), expected, "{name}");
        }
    }
}
