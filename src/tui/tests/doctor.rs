//! The window with the checks of the set-up.

use super::*;
use crate::domain::{Finding, Health};
use crate::tui::overlays::doctor::State;

fn finding(health: Health, check: &'static str, message: &str) -> Finding {
    Finding::new(health, message).named(check)
}

fn findings() -> Vec<Finding> {
    vec![
        finding(Health::Good, "program", "tilldeck 0.1.0 on linux x86_64"),
        finding(
            Health::Warning,
            "state",
            "~/.local/state/tilldeck can be read by other users (mode 0755)",
        )
        .hint("run `chmod 700 ~/.local/state/tilldeck`"),
        finding(
            Health::Good,
            "endpoint",
            "api.kanga.exchange answers (HTTP 404): DNS 3 ms, TCP and TLS 48 ms, first byte 90 ms",
        )
        .account(&shop()),
        finding(Health::Bad, "clock", "this machine's clock is 3 s ahead of that of api.kanga.exchange")
            .hint(
                "set the clock (`timedatectl set-ntp true`): a nonce from the future locks out other programs that use \
                 the same key",
            ),
        finding(Health::Good, "ledger", "~/.local/state/tilldeck/ledger.db: 48 KiB, quick check passed"),
    ]
}

/// Opens it; returns the number of its request.
fn open(model: &mut Model) -> RequestId {
    let effects = press(model, "D", second(4));
    match effects[0] {
        Effect::Diagnose(request) => request,
        _ => panic!("{effects:?}"),
    }
}

fn arrive(model: &mut Model, request: RequestId, finding: Option<Finding>) {
    update(model, second(4), Msg::Diagnosed(request, finding));
}

fn all(model: &mut Model) -> RequestId {
    let request = open(model);
    for finding in findings() {
        arrive(model, request, Some(finding));
    }
    arrive(model, request, None);
    request
}

#[test]
fn the_checks_can_be_read_at_every_size() {
    let mut model = busy();
    all(&mut model);
    for (width, height) in [(120, 40), (80, 24), (60, 15)] {
        let text = resized_screen(&mut model, second(4), width, height);
        assert_snapshot!(format!("doctor_{width}x{height}"), text);
    }
}

#[test]
fn a_finding_is_shown_when_it_arrives_and_one_of_an_earlier_run_is_not() {
    let mut model = busy();
    let request = open(&mut model);
    arrive(&mut model, request, findings().pop());
    let text = screen(&model, second(4), 120, 40);
    assert!(
        text.contains("checking … 0 bad, 0 warnings, 1 good"),
        "{text}"
    );
    let [Effect::Cancel(cancelled)] = press(&mut model, "q", second(4))[..] else {
        panic!("what still runs is cancelled");
    };
    assert_eq!(cancelled, request);
    let again = open(&mut model);
    arrive(&mut model, request, findings().pop());
    assert!(screen(&model, second(4), 120, 40).contains("0 good"));
    arrive(&mut model, again, None);
    let [Effect::Diagnose(third)] = press(&mut model, "r", second(4))[..] else {
        panic!("they run again");
    };
    assert_ne!(third, again);
    assert!(is_top::<State>(&model));
}

#[test]
fn the_lines_are_copied_as_text() {
    let mut model = busy();
    all(&mut model);
    let effects = press(&mut model, "y", second(4));
    let [Effect::Copy { text, .. }] = &effects[..] else {
        panic!("{effects:?}");
    };
    let text = text.expose();
    assert!(text.starts_with("good program: tilldeck 0.1.0 on linux x86_64\nwarning state: ~/"));
    assert!(
        text.contains("\n    run `chmod 700 ~/.local/state/tilldeck`\n"),
        "{text}"
    );
}
