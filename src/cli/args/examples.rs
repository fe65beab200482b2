//! Examples of each command, for its help and its man page. A test parses each of them.

use clap::Command;

/// By the command's path below `tilldeck`; "" is the program itself.
const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "tilldeck",
            "tilldeck check ORDER-1 --expect PAID --amount 25.00 --currency EMT",
            "tilldeck --profile live account verify",
        ],
    ),
    (
        "check",
        &[
            "tilldeck check ORDER-1 --expect PAID --amount 25.00 --currency EMT",
            "tilldeck check ORDER-1 --wait PAID --timeout 10m",
            "tilldeck check --from orders.csv --resume results.csv --csv",
        ],
    ),
    (
        "payments list",
        &[
            "tilldeck payments list --state ACTIVE --older-than 1h",
            "tilldeck payments list --all --newer-than 7d",
        ],
    ),
    (
        "payments add",
        &["tilldeck payments add ORDER-1 --amount 25.00 --currency EMT"],
    ),
    (
        "payments remove",
        &["tilldeck payments remove ORDER-1 ORDER-2"],
    ),
    (
        "payments expect",
        &["tilldeck payments expect ORDER-1 --amount 25.00 --currency EMT"],
    ),
    (
        "payments note",
        &["tilldeck payments note ORDER-1 refunded"],
    ),
    (
        "payments export",
        &["tilldeck payments export --verdict less"],
    ),
    ("estimate", &["tilldeck estimate EMT 250"]),
    (
        "link",
        &[
            "tilldeck link --id ORDER-1 --amount 25.00 --currency EMT --email payer@example.com --qr",
        ],
    ),
    (
        "purchase-link",
        &["tilldeck purchase-link later --data @purchase.json --qr"],
    ),
    (
        "doctor",
        &[
            "tilldeck doctor",
            "tilldeck doctor --callback-url https://hooks.example.com",
        ],
    ),
    ("ledger status", &["tilldeck ledger status --json"]),
    (
        "ledger join",
        &[
            "tilldeck ledger join",
            "tilldeck ledger join --url env:TILLDECK_DATABASE_URL --seal-key file:/etc/tilldeck/seal_key",
        ],
    ),
    ("ledger init", &["tilldeck ledger init"]),
    ("ledger import", &["tilldeck ledger import"]),
    ("ledger migrate", &["tilldeck ledger migrate"]),
    ("account list", &["tilldeck account list --json"]),
    ("account verify", &["tilldeck account verify shop"]),
    (
        "account add",
        &[
            "tilldeck account add",
            "tilldeck account add --provider kinguin --name keys --set client_id=ID --secret client_secret=env:KINGUIN --yes",
        ],
    ),
    (
        "account rotate",
        &["tilldeck account rotate shop --from file:new-secret"],
    ),
    ("account remove", &["tilldeck account remove shop --yes"]),
    ("token show", &["tilldeck token show"]),
    ("token refresh", &["tilldeck token refresh keys"]),
    ("token print", &["tilldeck token print keys"]),
    (
        "player auth",
        &["tilldeck player auth 1480702 --token env:GAME_AUTH_TOKEN"],
    ),
    ("player items", &["tilldeck player items 1480702"]),
    (
        "stock add",
        &[
            "tilldeck stock add 65a0c0de0000000000000001 keys.txt",
            "tilldeck --account keys stock add 65a0c0de0000000000000001 - --yes",
        ],
    ),
    ("budget", &["tilldeck budget --json"]),
    (
        "request",
        &[
            "tilldeck request keys GET /sales-manager-api/api/v1/offers",
            "tilldeck request keys GET /sales-manager-api/api/v1/offers --all-pages --json",
            "tilldeck request keys POST /sales-manager-api/api/v1/offers --data @offer.json",
        ],
    ),
    (
        "sandbox serve",
        &["tilldeck sandbox serve --bind 127.0.0.1:9000 --callback-url http://127.0.0.1:8787"],
    ),
    (
        "sandbox trigger fault",
        &["tilldeck sandbox trigger --url http://127.0.0.1:9000 fault 429"],
    ),
    (
        "sandbox trigger advance",
        &["tilldeck sandbox trigger --url http://127.0.0.1:9000 advance 1h"],
    ),
    (
        "sandbox trigger set-back",
        &["tilldeck sandbox trigger --url http://127.0.0.1:9000 set-back 1h"],
    ),
    (
        "sandbox trigger payer",
        &["tilldeck sandbox trigger --url http://127.0.0.1:9000 payer ORDER-1 pay"],
    ),
    (
        "sandbox trigger callback",
        &["tilldeck sandbox trigger --url http://127.0.0.1:9000 callback ORDER-1"],
    ),
    (
        "sandbox trigger set",
        &["tilldeck sandbox trigger --url http://127.0.0.1:9000 set kinguin token-life 20s"],
    ),
    (
        "sandbox trigger event",
        &["tilldeck sandbox trigger --url http://127.0.0.1:9000 event kanga callback ORDER-1"],
    ),
    (
        "sandbox trigger deliver",
        &[
            "tilldeck sandbox trigger deliver --to http://127.0.0.1:8787/callbacks/shop kanga ORDER-1",
            "tilldeck sandbox trigger deliver --to http://127.0.0.1:8787/callbacks/keys --secret env:HOOK kinguin R-1 DELIVERED",
            "tilldeck sandbox trigger deliver --to http://127.0.0.1:8787/callbacks/later pledg ORDER-1 SCORING_KO",
        ],
    ),
    (
        "log",
        &[
            "tilldeck log --since 1h --account shop",
            "tilldeck log --about ORDER-1 --status 4xx",
            "tilldeck log --since yesterday --until today --grep timeout",
            "tilldeck log --deliveries --follow --json",
            "tilldeck log --export har",
        ],
    ),
    (
        "listen",
        &[
            "tilldeck listen --bind 127.0.0.1:8787 --forward-to shop=http://127.0.0.1:3000/hooks",
            "tilldeck listen --metrics 127.0.0.1:9187",
        ],
    ),
    (
        "replay",
        &[
            "tilldeck replay 17 18 --to http://127.0.0.1:3000/hooks",
            "tilldeck replay 17",
        ],
    ),
    ("config init", &["tilldeck config init"]),
    ("config path", &["tilldeck config path"]),
    ("config check", &["tilldeck config check"]),
    (
        "open payment",
        &[
            "tilldeck open payment ORDER-1",
            "tilldeck --profile live open payment ORDER-1 --account shop",
        ],
    ),
    ("open request", &["tilldeck open request 1042"]),
    ("open callback", &["tilldeck open callback 17"]),
    ("open account", &["tilldeck open account shop"]),
    ("keys", &["tilldeck keys", "tilldeck keys --json"]),
    ("completions", &["tilldeck completions bash"]),
    ("man", &["tilldeck man --dir ~/.local/share/man/man1"]),
];

/// The examples of a command, by its path such as `payments list`.
pub fn of(path: &str) -> &'static [&'static str] {
    let mut all = EXAMPLES.iter();
    all.find(|(of, _)| *of == path)
        .map_or(&[], |(_, examples)| examples)
}

/// Puts each command's examples below its help.
pub fn add_to(command: Command) -> Command {
    below(command, "")
}

/// Breaks a long example before its options, each line but the last with a backslash, so that it can be pasted.
fn folded(example: &str) -> String {
    /// The columns of a small terminal, without the indentation and ` \`.
    const COLUMNS: usize = 80 - 6 - 2;
    let mut text = String::new();
    let mut column = 0;
    for (at, part) in example.split(" --").enumerate() {
        let part = if at == 0 {
            part.to_owned()
        } else {
            format!("--{part}")
        };
        if column > 0 && column + 1 + part.len() > COLUMNS {
            text.push_str(" \\\n      ");
            column = 0;
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        column += part.len();
        text.push_str(&part);
    }
    text
}

fn below(command: Command, path: &str) -> Command {
    let examples = of(path);
    let command = if examples.is_empty() {
        command
    } else {
        let examples: Vec<String> = examples.iter().map(|example| folded(example)).collect();
        let mut words = format!("Examples:\n  {}", examples.join("\n  "));
        if let Some(more) = command.get_after_help() {
            words = format!("{words}\n\n{more}");
        }
        command.after_help(words)
    };
    command.mut_subcommands(|command| {
        let path = format!("{path} {}", command.get_name());
        below(command, path.trim_start())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Arguments;
    use clap::{CommandFactory as _, Parser as _};

    fn leaves(command: &Command, path: &str, all: &mut Vec<String>) {
        for command in command
            .get_subcommands()
            .filter(|command| !command.is_hide_set())
        {
            let path = format!("{path} {}", command.get_name())
                .trim_start()
                .to_owned();
            if command.has_subcommands() {
                leaves(command, &path, all);
            } else {
                all.push(path);
            }
        }
    }

    #[test]
    fn a_long_example_is_folded_so_that_it_can_be_pasted() {
        for (_, examples) in EXAMPLES {
            for example in *examples {
                let folded = folded(example);
                assert!(folded.lines().all(|line| line.len() <= 76), "{folded}");
                assert_eq!(folded.replace(" \\\n      ", " "), *example);
            }
        }
    }

    #[test]
    fn every_command_has_an_example_and_every_example_is_accepted() {
        let mut all = Vec::new();
        leaves(&Arguments::command(), "", &mut all);
        for path in &all {
            assert!(!of(path).is_empty(), "{path}");
        }
        for (path, examples) in EXAMPLES {
            assert!(
                path.is_empty() || all.iter().any(|known| known == path),
                "{path}"
            );
            for example in *examples {
                let parsed = Arguments::try_parse_from(example.split(' '));
                assert!(parsed.is_ok(), "{example}: {parsed:?}");
                let words = path.split(' ').all(|word| example.contains(word));
                assert!(words, "{example}");
            }
        }
    }
}
