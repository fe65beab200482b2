//! Draws the console: the header, the visible panes, the top window, the footer.

use std::time::Duration;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::component::ViewContext;
use super::hits::Hits;
use super::pane::Pane;
use super::store::Phase;
use super::widgets::boxes::{Framed, padded};
use super::widgets::text::width;
use super::{Model, ages, chrome, panes};
use crate::domain::Now;

/// Draws the console at any size, even if the size changed since the last update. Returns the monotonic time at which the
/// screen changes by itself.
pub fn view(model: &Model, now: Now, frame: &mut Frame) -> Option<Duration> {
    let screen = frame.area();
    let hits = Hits::default();
    let cursor = draw(model, now, Some(&hits), frame.buffer_mut());
    if let Some(at) = cursor.filter(|at| screen.contains(*at)) {
        frame.set_cursor_position(at);
    }
    let changes = hits.changes.get()?;
    Some(ages::whole_second(now.mono + changes))
}

/// Draws the console and notes what can be clicked; returns the cursor.
pub fn draw(model: &Model, now: Now, hits: Option<&Hits>, buf: &mut Buffer) -> Option<Position> {
    let screen = buf.area;
    let ctx = ViewContext {
        hits,
        ..model.ctx(now, false)
    };
    let Some(areas) = model.arranged(screen) else {
        // A question that a key has opened here is no less a question.
        match model.question() {
            Some(question) => question.draw_alone(ctx, screen, buf),
            None => chrome::draw_too_small(ctx, screen, buf),
        }
        model.theme.finish(buf);
        return None;
    };
    chrome::draw_header(ctx, areas.header, buf);
    let mut cursor = None;
    if let Phase::Failed(problem) = &model.store.phase {
        chrome::draw_failed(problem, ctx, areas.body, buf);
    } else {
        if !areas.tabs.is_empty() {
            let tabs = chrome::Tabs {
                panes: &model.tabs(),
                focus: model.focus,
            };
            tabs.draw(ctx, areas.tabs, buf);
        }
        for pane in Pane::ALL {
            cursor = cursor.or(draw_pane(model, pane, areas.pane(pane), ctx, buf));
        }
    }
    let mut before = None;
    if let Some(top) = model.overlays.last() {
        if let Some(hits) = hits {
            hits.clear();
        }
        buf.set_style(areas.tabs, model.theme.behind_window());
        buf.set_style(areas.body, model.theme.behind_window());
        let over = Rect {
            height: screen.height - 1,
            ..screen
        };
        before = (!model.store.notices.is_empty()).then(|| buf.clone());
        cursor = top.view(ctx, over, buf);
    }
    let failed = matches!(model.store.phase, Phase::Failed(_));
    if !failed || model.store.flash.is_some() {
        let place = chrome::NoticePlace {
            area: areas.notice,
            before: before.as_ref(),
            escape: model.escape_word(),
        };
        chrome::draw_notice(ctx, &place, buf);
    }
    chrome::draw_footer(model, ctx, areas.footer, buf);
    model.theme.finish(buf);
    cursor
}

fn draw_pane(
    model: &Model,
    pane: Pane,
    area: Rect,
    ctx: ViewContext<'_>,
    buf: &mut Buffer,
) -> Option<Position> {
    if area.is_empty() {
        return None;
    }
    let focused = model.focus == pane;
    let ctx = ViewContext { focused, ..ctx };
    let component = model.panes.get(pane);
    if component.draws_frames() {
        return component.view(ctx, area, buf);
    }
    let title = pane.title();
    let room = area.width.saturating_sub(width(&title) + 9);
    // A short note replaces the hidden Callbacks pane.
    let has_callbacks = model.store.recording.is_none();
    let hides = has_callbacks && pane == Pane::Requests && !model.shows(Pane::Callbacks);
    let brief = || hides.then(|| panes::callbacks::listener::brief(ctx));
    let note = component.note(ctx, room).or_else(brief);
    let inner = Framed {
        theme: &model.theme,
        focused,
        live: model.store.is_live(),
        title: &title,
        note,
    }
    .draw(area, buf);
    component.view(ctx, padded(inner), buf)
}
