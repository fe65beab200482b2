//! The ledger: the file of this machine, or the database of a team.

use std::path::Path;
use std::time::Duration;

use super::{Finding, Health, Opened, Subject, shown};
use crate::config::Config;
use crate::deck::ledger::OTHER_FOLDER;
use crate::deck::{database, on_thread};
use crate::domain::{Problem, inert};
use crate::ledger::{self, DatabaseReport, FileReport, Ledger, Status};

/// Each request waits for a slot and for a nonce: two round trips.
const ROUND_TRIP_SLOW: Duration = Duration::from_millis(50);

pub(super) async fn check(
    opened: Opened,
    config: Option<Config>,
    subject: Subject,
) -> Vec<Finding> {
    let deck = match opened {
        Some(Ok(deck)) => deck,
        Some(Err(problem)) => return vec![Finding::of(Health::Bad, &problem)],
        // Without a config, the file in the state folder is all that is known.
        None => return in_folder(&subject).await,
    };
    let shared = config.filter(|_| deck.simulator.is_none());
    let shared = match shared {
        Some(config) => database(&config.ledger, &subject.locations.environ).await,
        None => Ok(None),
    };
    let surveyed = match shared {
        Ok(Some(settings)) => {
            let clock = deck.clock.clone();
            on_thread(move || Ledger::survey(&settings, &clock)).await
        }
        Ok(None) => {
            let status = deck.ledger.status().await;
            let mut found = in_folder(&subject).await;
            if status.failure().is_some() {
                // What can be read says nothing about what can be saved.
                found.retain(|it| it.health != Health::Good);
            }
            found.extend(of_status(&status));
            return found;
        }
        Err(problem) => Err(problem),
    };
    match surveyed {
        Ok(report) => of_database(&report),
        Err(problem) => vec![Finding::of(Health::Bad, &problem)],
    }
}

/// The file of this machine.
async fn in_folder(subject: &Subject) -> Vec<Finding> {
    let Ok(folder) = subject.locations.state_folder() else {
        return Vec::new();
    };
    let look = move || of_file(&folder);
    tokio::task::spawn_blocking(look).await.unwrap_or_default()
}

/// What is wrong with the open ledger.
fn of_status(status: &Status) -> Option<Finding> {
    let health = match status {
        Status::Ready | Status::Opening => return None,
        Status::Locked => {
            let words = "another program has locked the ledger's database";
            let hint = "end that program: a backup or a database browser has the file open";
            return Some(Finding::warning(words).hint(hint));
        }
        Status::SetAside { .. } => Health::Warning,
        Status::Degraded { .. } | Status::Away { .. } => Health::Bad,
    };
    let hint = match status {
        Status::Degraded { .. } => {
            "make sure that the disk has space and that this user may write the folder"
        }
        _ => "",
    };
    let problem = Problem::local(status.warning()?, hint);
    Some(Finding::of(health, &problem))
}

/// The file in the state folder. Blocks.
pub(super) fn of_file(folder: &Path) -> Vec<Finding> {
    let mut found = match ledger::survey_file(folder) {
        Ok(None) => Vec::new(),
        Ok(Some(report)) => vec![file(&report)],
        Err(why) => {
            let words = format!("the ledger in {} cannot be read: {why}", shown(folder));
            let hint = "end other programs that have it open, and make sure that this user may read and write it";
            vec![Finding::bad(words).hint(hint)]
        }
    };
    let aside = ledger::set_aside_in(folder);
    if let Some(newest) = aside.last() {
        let words = format!(
            "damaged ledgers were moved away: {}, the newest is {}",
            aside.len(),
            shown(newest)
        );
        let hint = "delete them when nothing in them is needed";
        found.push(Finding::warning(words).hint(hint));
    }
    found
}

fn file(report: &FileReport) -> Finding {
    let path = shown(&report.path);
    if let Some(damage) = &report.damage {
        let words = format!("{path} is damaged: {}", inert::cut(damage, 200));
        let hint = "end all tilldecks and start one: it saves what can be read in a new file";
        return Finding::bad(words).hint(hint);
    }
    if let Some(why) = &report.refusal {
        return Finding::bad(format!("tilldeck cannot use {path}: {why}")).hint(OTHER_FOLDER);
    }
    let kib = |bytes: u64| format!("{} KiB", bytes.div_ceil(1024));
    Finding::good(format!(
        "{path}: {}, write-ahead log {}, tables of version {}, quick check passed",
        kib(report.bytes),
        kib(report.log_bytes),
        report.version
    ))
}

fn of_database(report: &DatabaseReport) -> Vec<Finding> {
    let mut found = vec![Finding::good(format!(
        "{}: PostgreSQL {}, schema {}, {} KiB",
        report.place,
        report.server,
        report.schema,
        report.bytes / 1024
    ))];
    found.extend(
        report
            .problem()
            .map(|problem| Finding::of(Health::Bad, &problem)),
    );
    found.push(round_trip(report.latency));
    found.push(match report.clock_difference() {
        None => Finding::good("the database's clock agrees with this machine's"),
        Some(words) => Finding::warning(format!("the database's clock is {words}"))
            .hint("synchronize the clocks of both machines (NTP)"),
    });
    found.push(durability(report));
    found.extend(rights(report));
    found
}

fn round_trip(latency: Duration) -> Finding {
    let words = format!(
        "a round trip to the database takes {} µs",
        latency.as_micros()
    );
    if latency < ROUND_TRIP_SLOW {
        return Finding::good(words);
    }
    Finding::warning(words)
        .hint("put the database near the machines: each request waits for two round trips")
}

/// A server without `fsync`, one that confirms too early, and a standby were refused before.
fn durability(report: &DatabaseReport) -> Finding {
    let commit = inert::line(&report.synchronous_commit);
    let settings =
        format!("a primary with fsync on, synchronous_commit {commit}, full_page_writes");
    if report.full_page_writes {
        return Finding::good(format!("{settings} on"));
    }
    Finding::bad(format!("{settings} off")).hint(
        "run `ALTER SYSTEM SET full_page_writes = on`: a crash of the server can damage the ledger",
    )
}

/// The role's rights; missing ones are a problem of the report.
fn rights(report: &DatabaseReport) -> Option<Finding> {
    let role = inert::line(&report.role);
    if report.is_superuser {
        let words = format!("the role {role} is a superuser");
        let hint = "use a role with the rights that docs/operating.md lists under \"Roles\"";
        return Some(Finding::warning(words).hint(hint));
    }
    let is_complete = report.missing_rights.is_empty() && report.version.is_some();
    is_complete.then(|| {
        Finding::good(format!(
            "the role {role} has the rights that tilldeck needs"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> DatabaseReport {
        DatabaseReport {
            place: "db/tilldeck".into(),
            schema: "tilldeck".into(),
            server: "17.2".into(),
            role: "tilldeck".into(),
            is_superuser: false,
            missing_rights: Vec::new(),
            synchronous_commit: "on".into(),
            full_page_writes: true,
            latency: Duration::from_micros(300),
            clock_ahead_ms: 0,
            version: Some(1),
            newest: 1,
            bytes: 2048,
            exchanges: 0,
            callbacks: 0,
            seal_key: None,
        }
    }

    #[test]
    fn each_flaw_of_a_database_is_a_line_with_what_to_do() {
        let all_good = of_database(&report());
        assert!(
            all_good.iter().all(|it| it.health == Health::Good),
            "{all_good:?}"
        );
        let rights = |missing: &[&str]| DatabaseReport {
            missing_rights: missing.iter().map(|right| (*right).to_owned()).collect(),
            ..report()
        };
        for (flawed, health, message, hint) in [
            (
                rights(&["DELETE on slots"]),
                Health::Bad,
                "the role tilldeck lacks rights: DELETE on slots",
                "grant them",
            ),
            (
                rights(&["USAGE on a", "b", "c", "d", "e"]),
                Health::Bad,
                "the role tilldeck lacks rights: USAGE on a, b, c and 2 more",
                "grant them",
            ),
            (
                DatabaseReport {
                    version: None,
                    ..report()
                },
                Health::Bad,
                "the database has no ledger yet",
                "tilldeck ledger init",
            ),
            (
                DatabaseReport {
                    is_superuser: true,
                    ..report()
                },
                Health::Warning,
                "the role tilldeck is a superuser",
                "Roles",
            ),
            (
                DatabaseReport {
                    full_page_writes: false,
                    ..report()
                },
                Health::Bad,
                "a primary with fsync on, synchronous_commit on, full_page_writes off",
                "ALTER SYSTEM",
            ),
            (
                DatabaseReport {
                    clock_ahead_ms: -61_000,
                    ..report()
                },
                Health::Warning,
                "the database's clock is 1 min 1 s behind this machine's; the database's counts",
                "NTP",
            ),
            (
                DatabaseReport {
                    latency: Duration::from_millis(80),
                    ..report()
                },
                Health::Warning,
                "a round trip to the database takes 80000 µs",
                "near the machines",
            ),
        ] {
            let found = of_database(&flawed);
            let worst = found.iter().find(|it| it.health != Health::Good).unwrap();
            assert_eq!((worst.health, worst.message.as_str()), (health, message));
            assert!(worst.hint.contains(hint), "{worst:?}");
        }
    }

    #[test]
    fn a_damaged_file_and_those_moved_away_are_shown() {
        let report = FileReport {
            path: "/state/ledger.db".into(),
            bytes: 4096,
            log_bytes: 1,
            version: 8,
            refusal: None,
            damage: None,
        };
        let words = "/state/ledger.db: 4 KiB, write-ahead log 1 KiB, tables of version 8, quick check passed";
        assert_eq!(file(&report).message, words);
        let damaged = file(&FileReport {
            damage: Some("page 3".into()),
            ..report
        });
        assert_eq!(
            (damaged.health, damaged.message.as_str()),
            (Health::Bad, "/state/ledger.db is damaged: page 3")
        );
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ledger.db.damaged-1"), "").unwrap();
        let found = of_file(folder.path());
        assert!(
            found[0]
                .message
                .starts_with("damaged ledgers were moved away: 1"),
            "{found:?}"
        );
    }
}
