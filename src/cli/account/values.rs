//! The settings of a new account: those of the arguments, and from prompts the rest.

use super::say;
use crate::cli::prelude::*;
use crate::cli::prompt;
use crate::cli::secret::{SOURCES, source_of};
use crate::config::SecretSource;
use crate::domain::Secret;
use crate::domain::manage::{ProviderSetup, SetupField};

pub(super) type Sources = Vec<(&'static str, SecretSource)>;

#[derive(Default)]
pub(super) struct Values {
    pub(super) texts: Vec<(&'static str, String)>,
    pub(super) secrets: Vec<(&'static str, Secret)>,
    pub(super) sources: Sources,
    pub(super) endpoints: Vec<(String, String)>,
}

impl Values {
    /// The values of `--set` and `--secret`.
    pub(super) fn given(
        set: &[String],
        secret: &[String],
        setup: &ProviderSetup,
    ) -> Result<Self, Problem> {
        let mut given = Self::default();
        let names = |secret: bool| -> String {
            let fields = setup.fields.iter().filter(|field| field.secret == secret);
            let names: Vec<&str> = fields.map(|field| field.key).collect();
            names.join(", ")
        };
        // The text after `=` is not shown: it may be a secret.
        for text in set {
            let (key, value) = text
                .split_once('=')
                .ok_or_else(|| usage("--set needs KEY=VALUE", "for example --set api_key=…"))?;
            if let Some(endpoint) = key.strip_prefix("endpoints.") {
                if !setup.endpoints.contains(&endpoint) {
                    let name = inert::quoted(endpoint, 40);
                    return Err(usage(
                        format!("{} has no endpoint {name}", setup.title),
                        format!("its endpoints are: {}", setup.endpoints.join(", ")),
                    ));
                }
                let endpoint = endpoint.to_owned();
                given.endpoints.push((endpoint, value.to_owned()));
                continue;
            }
            match setup.fields.iter().find(|field| field.key == key) {
                Some(field) if field.secret => {
                    return Err(usage(
                        format!("{key} is a secret; --set does not accept it"),
                        format!("omit it to be prompted, or pass --secret {key}=SOURCE; {SOURCES}"),
                    ));
                }
                Some(field) => given.texts.push((field.key, value.to_owned())),
                None => {
                    return Err(usage(
                        format!("{} has no setting {}", setup.title, inert::quoted(key, 40)),
                        format!("its settings are: {}, endpoints.NAME", names(false)),
                    ));
                }
            }
        }
        for text in secret {
            let (key, source) = text
                .split_once('=')
                .ok_or_else(|| usage("--secret needs KEY=SOURCE", SOURCES))?;
            let mut secrets = setup.fields.iter().filter(|field| field.secret);
            let field = secrets.find(|field| field.key == key).ok_or_else(|| {
                usage(
                    format!("{} has no secret {}", setup.title, inert::quoted(key, 40)),
                    format!("its secrets are: {}", names(true)),
                )
            })?;
            let source = source_of(field.key, source)?;
            given.sources.push((field.key, source));
        }
        Ok(given)
    }

    /// The settings without a value.
    fn unset<'s>(&self, setup: &'s ProviderSetup) -> Vec<&'s SetupField> {
        let texts = self.texts.iter().map(|(key, _)| *key);
        let sources = self.sources.iter().map(|(key, _)| *key);
        let known: Vec<&str> = texts.chain(sources).collect();
        let fields = setup.fields.iter();
        fields.filter(|field| !known.contains(&field.key)).collect()
    }

    /// The options that are missing.
    pub(super) fn missing(&self, setup: &ProviderSetup) -> Vec<String> {
        let unset = self.unset(setup).into_iter();
        let option = |field: &SetupField| {
            if field.secret {
                return format!("--secret {}=SOURCE", field.key);
            }
            let example = field.key.to_uppercase().replace('_', "-");
            format!("--set {}=YOUR-{example}", field.key)
        };
        unset.filter(|field| field.required).map(option).collect()
    }

    /// Asks for the settings that are missing.
    pub(super) async fn ask_for_rest(&mut self, setup: &ProviderSetup) -> Result<(), Problem> {
        for field in self.unset(setup) {
            let optional = if field.required {
                ""
            } else {
                " (optional, Enter skips it)"
            };
            let question = format!("{}, {}{optional}", field.key, field.about);
            if field.secret {
                let typed = if field.required {
                    Some(prompt::secret(&question).await?)
                } else {
                    prompt::optional_secret(&question).await?
                };
                self.secrets.extend(typed.map(|secret| (field.key, secret)));
            } else if let Some(text) = ask_text(&question, field.required).await? {
                self.texts.push((field.key, text));
            }
        }
        Ok(())
    }
}

async fn ask_text(question: &str, required: bool) -> Result<Option<String>, Problem> {
    loop {
        let answer = prompt::ask(&format!("{question}: ")).await?;
        match (answer.is_empty(), required) {
            (false, _) => return Ok(Some(answer)),
            (true, false) => return Ok(None),
            (true, true) => say("a value is required"),
        }
    }
}
