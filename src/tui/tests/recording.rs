//! A recording in place of a profile.

use super::*;
use crate::domain::Words;

fn recorded(width: u16, height: u16) -> Model {
    let setup = Setup {
        profile: "session.har".into(),
        accounts: Vec::new(),
        recording: Some(Recording {
            path: "my files/session.har".into(),
            notes: Vec::new(),
        }),
        ui: Ui {
            panes: Some(Words {
                words: vec!["requests".into()],
                ..Words::default()
            }),
            ..Ui::default()
        },
        ..sandbox_setup()
    };
    let mut model = sized(setup, width, height);
    let log = (1..6).rev();
    let log = log.map(|at| exchange(at, "/api/pay", Outcome::Status(200)));
    let mut ready = readiness(Vec::new(), log.collect());
    ready.simulator = None;
    ready.verify = Vec::new();
    update(&mut model, second(0), Msg::Ready(ready));
    model
}

#[test]
fn a_recording_is_named_and_fills_the_screen() {
    for (width, height) in [(120, 40), (80, 24), (60, 15)] {
        let mut model = recorded(width, height);
        let text = resized_screen(&mut model, second(0), width, height);
        assert_snapshot!(format!("recording_{width}x{height}"), text);
    }
}

/// A recording with the details of a request open.
fn with_details() -> Model {
    let mut model = recorded(120, 40);
    press(&mut model, "<enter>", second(1));
    assert!(is_top::<overlays::exchange::State>(&model));
    model
}

#[test]
fn no_key_of_a_recording_sends_anything_saves_anything_or_leads_elsewhere() {
    let bindings: Vec<_> = recorded(120, 40).keymap.bindings().collect();
    for open in [|| recorded(120, 40), with_details] {
        for binding in &bindings {
            let mut model = open();
            let mut effects = act(&mut model, keys::Action(binding), second(1));
            // What opened asks first.
            effects.extend(press(&mut model, "<enter>", second(1)));
            effects.retain(|effect| {
                !matches!(
                    effect,
                    Effect::Copy { .. }
                        | Effect::LoadLog(..)
                        | Effect::OpenExchange(..)
                        | Effect::Quit
                        | Effect::Suspend
                )
            });
            assert_eq!(effects, [], "{}", binding.name);
            assert_eq!(model.focus, Pane::Requests, "{}", binding.name);
        }
    }
}

#[test]
fn a_theme_that_is_chosen_in_a_recording_is_not_saved() {
    let mut model = recorded(120, 40);
    let mut effects = press(&mut model, "Tjj", second(1));
    let text = screen(&model, second(1), 120, 40);
    assert!(
        text.contains("Enter uses the theme. A recording saves nothing."),
        "{text}"
    );
    effects.extend(press(&mut model, "<enter>", second(1)));
    assert!(model.overlays.is_empty());
    effects.extend(press(&mut model, ":mono<enter>", second(2)));
    assert!(!model.theme.has_color());
    assert_eq!(effects, []);
}

#[test]
fn the_command_of_a_recording_opens_it() {
    let mut model = recorded(120, 40);
    let copied = act(&mut model, ConsoleAction::CopyCommandLine.into(), second(1));
    let text = Secret::new("tilldeck log --open 'my files/session.har'");
    let what = "the tilldeck command".into();
    assert_eq!(copied, [Effect::Copy { text, what }]);
}

#[test]
fn the_filter_of_a_recording_hides_no_row_while_it_is_typed() {
    for (width, height) in [(160, 40), (80, 24), (60, 15)] {
        let mut model = recorded(width, height);
        let before = screen(&model, second(1), width, height);
        press(&mut model, "/api", second(1));
        let text = screen(&model, second(1), width, height);
        assert!(text.contains("filter / api"), "{text}");
        for word in ["/api/pay", "status"] {
            let count = |text: &str| text.matches(word).count();
            assert_eq!(count(&text), count(&before), "{word}: {text}");
        }
    }
}
