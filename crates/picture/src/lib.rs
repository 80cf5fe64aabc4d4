//! The space-time timeline of a run: lanes of clients and nodes on an axis of virtual time, messages as arrows between them.
//!
//! A [`Record`] files what happened. A [`Scene`] says which part of it is looked at, and how. [`paint`] draws it on a [`Surface`]:
//! a canvas in a browser, an [`Svg`] in a file, a list of shapes in a test.
//!
//! Everything is kept in lists by time, and counts are differences of places in them. So what lies outside of the view costs nothing,
//! and a view of a million events costs as many searches as the picture has columns.
//!
//! *Architecture Invariant:* no clock, no browser, nothing decided about Raft: what is drawn has been told.

#![deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros)]

mod axis;
mod causes;
mod layout;
mod paint;
mod record;
mod scene;
mod subject;
mod surface;
mod svg;
mod viewport;

pub use axis::{Axis, AxisMode};
pub use causes::{Cone, life, quorum};
pub use layout::{LEFT, Layout, OVERVIEW, RIGHT};
pub use paint::paint;
pub use record::{ClientOperation, Fault, Flight, FlightEnd, Mark, MarkKind, Outcome, Record, Span};
pub use scene::{Hit, Jump, Kinds, Look, Scene};
pub use subject::{Subject, seconds};
pub use surface::{Line, Palette, Pen, Surface};
pub use svg::Svg;
pub use viewport::{SPAN_US_MAX, SPAN_US_MIN, Tick, Viewport};
