//! Which profile a new account goes to.

use crate::config::{Config, Profile, SANDBOX};
use crate::domain::{Environment, Problem};

/// The profile for a new account: the named one, else the default, else the only one, else a new one.
///
/// # Errors
/// If there are several to choose from, or the built-in one is named.
pub fn profile_for(
    config: &Config,
    named: Option<&str>,
    environment: Environment,
) -> Result<Profile, Problem> {
    let own: Vec<&str> = config
        .profiles
        .iter()
        .filter(|profile| !profile.built_in)
        .map(|profile| profile.name.as_str())
        .collect();
    // Production and test accounts start in different profiles, so that one command never mixes them.
    let first = match environment {
        Environment::Production => "live",
        Environment::Sandbox | Environment::Embedded => "test",
    };
    let name = match (named, config.default_profile.as_str(), own.as_slice()) {
        (Some(name), ..) => name,
        (None, SANDBOX, []) => first,
        (None, SANDBOX, [only]) => only,
        (None, SANDBOX, several) => {
            return Err(usage(
                "no profile selected for the account",
                format!("choose one with --profile: {}", several.join(", ")),
            ));
        }
        (None, default, _) => default,
    };
    // The config check rejects this name in any case, too.
    if name.eq_ignore_ascii_case(SANDBOX) {
        return Err(usage(
            "the built-in profile sandbox accepts no other accounts",
            "choose another with --profile; a new profile is created",
        ));
    }
    let known = config.profile(Some(name)).ok().cloned();
    Ok(known.unwrap_or_else(|| Profile {
        name: name.to_owned(),
        built_in: false,
        tint: None,
        accounts: Vec::new(),
    }))
}

fn usage(message: &str, hint: impl Into<String>) -> Problem {
    Problem::usage(message, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(name: &str) -> Profile {
        Profile {
            name: name.into(),
            built_in: false,
            tint: None,
            accounts: Vec::new(),
        }
    }

    fn chosen(config: &Config, named: Option<&str>) -> Result<String, String> {
        profile_for(config, named, Environment::Production)
            .map(|profile| profile.name)
            .map_err(|problem| problem.describe())
    }

    #[test]
    fn a_new_account_goes_to_the_profile_that_is_meant() {
        let mut config = Config::default();
        assert_eq!(chosen(&config, None).unwrap(), "live");
        assert_eq!(
            profile_for(&config, None, Environment::Sandbox)
                .unwrap()
                .name,
            "test"
        );
        assert_eq!(chosen(&config, Some("shops")).unwrap(), "shops");
        assert!(chosen(&config, Some("Sandbox")).is_err());
        config.profiles.push(profile("mine"));
        assert_eq!(chosen(&config, None).unwrap(), "mine");
        config.profiles.push(profile("other"));
        assert!(chosen(&config, None).unwrap_err().contains("mine, other"));
        config.default_profile = "other".into();
        assert_eq!(chosen(&config, None).unwrap(), "other");
    }
}
