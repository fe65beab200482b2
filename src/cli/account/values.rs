//! The settings of a new account: those of the arguments, and from prompts the rest.

use super::say;
use crate::cli::prelude::*;
use crate::cli::prompt;
use crate::cli::secret::{SOURCES, source_of};
use crate::config::SecretSource;
use crate::domain::Secret;
use crate::domain::manage::{KeySpec, ProviderSetup};

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
            let fields = setup
                .fields
                .iter()
                .filter(|field| field.is_secret() == secret);
            let names: Vec<&str> = fields.map(|field| field.name).collect();
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
            match setup.fields.iter().find(|field| field.name == key) {
                Some(field) if field.is_secret() => {
                    return Err(usage(
                        format!("{key} is a secret; --set does not accept it"),
                        format!("omit it to be prompted, or pass --secret {key}=SOURCE; {SOURCES}"),
                    ));
                }
                Some(field) => given.texts.push((field.name, value.to_owned())),
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
            let mut secrets = setup.fields.iter().filter(|field| field.is_secret());
            let field = secrets.find(|field| field.name == key).ok_or_else(|| {
                usage(
                    format!("{} has no secret {}", setup.title, inert::quoted(key, 40)),
                    format!("its secrets are: {}", names(true)),
                )
            })?;
            let source = source_of(field.name, source)?;
            given.sources.push((field.name, source));
        }
        Ok(given)
    }

    /// The settings without a value.
    fn unset<'s>(&self, setup: &'s ProviderSetup) -> Vec<&'s KeySpec> {
        let texts = self.texts.iter().map(|(key, _)| *key);
        let sources = self.sources.iter().map(|(key, _)| *key);
        let known: Vec<&str> = texts.chain(sources).collect();
        let fields = setup.fields.iter();
        fields
            .filter(|field| !known.contains(&field.name))
            .collect()
    }

    /// The options that are missing.
    pub(super) fn missing(&self, setup: &ProviderSetup) -> Vec<String> {
        let unset = self.unset(setup).into_iter();
        let option = |field: &KeySpec| {
            if field.is_secret() {
                return format!("--secret {}=SOURCE", field.name);
            }
            let example = field.name.to_uppercase().replace('_', "-");
            format!("--set {}=YOUR-{example}", field.name)
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
            let question = format!("{}, {}{optional}", field.name, field.about);
            if field.is_secret() {
                let typed = if field.required {
                    Some(prompt::secret(&question).await?)
                } else {
                    prompt::optional_secret(&question).await?
                };
                self.secrets
                    .extend(typed.map(|secret| (field.name, secret)));
            } else if let Some(text) = ask_text(&question, field.required).await? {
                self.texts.push((field.name, text));
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
