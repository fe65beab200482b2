//! Drawing without memory: lines, lists, bars, boxes and forms; and two that remember where they are, a
//! text to be read and one to be written. Knows the theme and the screen, no pane.

pub mod bar;
pub mod boxes;
pub mod editor;
pub mod form;
pub mod json;
pub mod list;
pub mod reader;
pub mod sheet;
pub mod text;
