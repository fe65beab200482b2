//! The config file: read, checked, edited. What an error shows has no value of the file in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tilldeck::config::edit::{Edit, Entry, NewSource, current};
use tilldeck::config::{Config, SecretSource};
use tilldeck::domain::{AccountId, Environment};
use tilldeck::providers::SPECS;

use super::assert_inert;

/// Stands for a secret that somebody wrote into the file.
const PLANTED: &str = "planted-value";

/// A file's bytes.
pub fn run(data: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.toml");
    fs::write(&path, data).expect("a file can be written");
    let before = match current(&path, &SPECS) {
        Ok(config) => config,
        Err(error) => {
            let (line, shown) = (error.to_string(), error.render(false));
            assert_inert(&line);
            let hostile = shown
                .chars()
                .find(|c| *c != '\n' && tilldeck::domain::inert::is_hostile(*c));
            assert_eq!(hostile, None, "{shown:?}");
            if !is_in_a_key(data) {
                let all = format!("{line}{shown}{}{}", error.message(), error.hint());
                assert!(!all.contains(PLANTED), "{all}");
            }
            return;
        }
    };
    let text = String::from_utf8(data.to_vec()).expect("only UTF-8 is accepted");
    let profile = before.default_profile.clone();
    let names = before.profiles.iter();
    let mut accounts = names.filter(|known| !known.built_in).flat_map(|known| {
        let accounts = known.accounts.iter();
        accounts.map(|account| (known.name.clone(), account.clone()))
    });
    if let Some((profile, account)) = accounts.next() {
        let new = SecretSource::Env {
            name: "ANOTHER".into(),
        };
        for key in account.secrets.keys() {
            let edit = Edit::SetSecret(NewSource {
                profile: profile.clone(),
                account: account.id.clone(),
                key: (*key).to_owned(),
                source: new.clone(),
            });
            if let Some(after) = edited(&path, &text, &edit) {
                let mut expected = before.clone();
                let changed = expected.profiles.iter_mut();
                let changed = changed.filter(|known| known.name == profile);
                let mut changed = changed.flat_map(|known| known.accounts.iter_mut());
                let changed = changed
                    .find(|known| known.id == account.id)
                    .expect("it is there");
                changed.secrets.insert(key, new.clone());
                assert_same(&after.1, &expected);
            }
        }
    }
    let entry = entry(if profile == "sandbox" {
        "live"
    } else {
        &profile
    });
    let (profile, account) = (entry.profile.clone(), entry.account.clone());
    let Some((text, added)) = edited(&path, &text, &Edit::Add(entry)) else {
        return;
    };
    let count = |config: &Config| -> usize {
        let profiles = config.profiles.iter();
        profiles.map(|profile| profile.accounts.len()).sum()
    };
    assert_eq!(count(&added), count(&before) + 1);
    let remove = Edit::Remove { profile, account };
    let (_, removed) = edited(&path, &text, &remove).expect("what was added can be removed");
    for profile in &before.profiles {
        let after = removed
            .profiles
            .iter()
            .find(|known| known.name == profile.name);
        // A profile without accounts goes with its last one.
        let kept = after.map_or(&[][..], |after| &after.accounts[..]);
        assert_eq!(kept, profile.accounts);
    }
}

fn entry(profile: &str) -> Entry {
    Entry {
        profile: profile.to_owned(),
        account: AccountId::new("one-more-account").expect("a name"),
        provider: "kanga".into(),
        environment: Environment::Production,
        texts: vec![("api_key".into(), "key-of-a-test".into())],
        secrets: vec![(
            "api_secret".into(),
            SecretSource::Env {
                name: "A_SECRET".into(),
            },
        )],
        endpoints: BTreeMap::new(),
    }
}

/// The file after an edit, where the edit can be made: it is still a config file then.
fn edited(path: &Path, text: &str, edit: &Edit) -> Option<(String, Config)> {
    let after = edit.of(text).ok()?;
    fs::write(path, &after).expect("a file can be written");
    let config = current(path, &SPECS).ok();
    if config.is_none() {
        // What is checked is the whole: two may have one name now.
        after
            .parse::<toml_edit::DocumentMut>()
            .expect("an edit leaves TOML");
    }
    Some((after, config?))
}

/// Where things stand in the file is no part of what it says.
fn assert_same(one: &Config, other: &Config) {
    let part = |config: &Config| {
        (
            config.default_profile.clone(),
            config.profiles.clone(),
            config.callbacks.clone(),
        )
    };
    assert_eq!(part(one), part(other));
}

/// Whether the planted value may stand in a name, which is shown.
fn is_in_a_key(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    text.lines()
        .filter(|line| line.contains(PLANTED))
        .any(|line| {
            let key = line.split('=').next().unwrap_or(line);
            key.contains(PLANTED) || line.contains(['[', '{'])
        })
}
