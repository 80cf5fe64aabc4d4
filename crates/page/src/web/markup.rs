//! Parts of the page that are only read, as text of HTML: written whole when they differ, without a widget for each word.

use std::fmt::{Display, Write};

/// HTML that grows.
#[derive(Default)]
pub(super) struct Markup(String);

impl Markup {
    /// An element with a text in it.
    pub(super) fn element(&mut self, tag: &str, class: &str, text: impl Display) {
        self.open(tag, class);
        self.text(text);
        self.close(tag);
    }

    /// The beginning of an element.
    pub(super) fn open(&mut self, tag: &str, class: &str) {
        self.0.push('<');
        self.0.push_str(tag);
        if !class.is_empty() {
            self.0.push_str(" class=\"");
            self.0.push_str(class);
            self.0.push('"');
        }
        self.0.push('>');
    }

    /// The end of an element.
    pub(super) fn close(&mut self, tag: &str) {
        self.0.push_str("</");
        self.0.push_str(tag);
        self.0.push('>');
    }

    /// A text, whatever it holds.
    pub(super) fn text(&mut self, text: impl Display) {
        let mut plain = String::new();
        let _ = write!(plain, "{text}");
        for letter in plain.chars() {
            match letter {
                '<' => self.0.push_str("&lt;"),
                '&' => self.0.push_str("&amp;"),
                letter => self.0.push(letter),
            }
        }
    }

    /// A name and a value of a description list.
    pub(super) fn pair(&mut self, name: &str, value: impl Display) {
        self.element("dt", "", name);
        self.element("dd", "", value);
    }

    /// All of it.
    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// The options of a list of nodes: one that stands for none of them in particular, then each.
pub(super) fn node_options(none: &str, members: &[raft_core::NodeId]) -> String {
    let mut html = format!("<option value=\"\">{none}</option>");
    for id in members {
        let _ = write!(html, "<option value=\"{}\">{id}</option>", id.0);
    }
    html
}
