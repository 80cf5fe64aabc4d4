//! HTML that grows: what the panel is made of.

use std::fmt::{Display, Write};

use trace::lockstep::LIVE;

use super::{Comparison, RunInfo};

/// HTML that grows.
#[derive(Default)]
pub(super) struct Html(pub(super) String);

impl Html {
    /// HTML as it stands.
    pub(super) fn raw(&mut self, text: &str) {
        self.0.push_str(text);
    }

    /// A text, whatever it holds.
    pub(super) fn text(&mut self, text: impl Display) {
        let mut plain = String::new();
        let _ = write!(plain, "{text}");
        for letter in plain.chars() {
            match letter {
                '<' => self.0.push_str("&lt;"),
                '&' => self.0.push_str("&amp;"),
                '"' => self.0.push_str("&quot;"),
                letter => self.0.push(letter),
            }
        }
    }

    /// An attribute of the element that is open.
    pub(super) fn attribute(&mut self, name: &str, value: &str) {
        self.0.push(' ');
        self.0.push_str(name);
        self.0.push_str("=\"");
        self.text(value);
        self.0.push('"');
    }

    /// A button, and what it does.
    pub(super) fn button(&mut self, does: &str, label: &str, title: &str) {
        self.raw("<button");
        self.attribute("data-do", does);
        if !title.is_empty() {
            self.attribute("title", title);
        }
        self.raw(">");
        self.text(label);
        self.raw("</button>");
    }

    /// What is being done, how many hundredths of it are, and the way out; nothing, if nothing is.
    pub(super) fn progress(&mut self, class: &str, does: &str, what: Option<(&str, u32)>, cancels: &str) {
        let Some((what, percent)) = what else { return };
        self.raw("<div");
        self.attribute("class", &format!("instant {class}"));
        self.raw("><span role=\"status\">");
        self.text(format_args!("{does} {what}"));
        self.raw("</span><progress max=\"100\"");
        self.attribute("aria-label", &format!("{does} {what}: done so far"));
        self.attribute("value", &percent.to_string());
        self.raw("></progress><span class=\"num\">");
        self.text(format_args!("{percent} %"));
        self.raw("</span>");
        self.button(&format!("cancel-{class}"), "Cancel", cancels);
        self.raw("</div>");
    }

    /// A button that is pressed where it is what is chosen.
    pub(super) fn choice(&mut self, does: &str, label: &str, title: &str, is_chosen: bool) {
        self.raw("<button");
        self.attribute("data-do", does);
        self.attribute("aria-pressed", if is_chosen { "true" } else { "false" });
        self.attribute("title", title);
        self.raw(">");
        self.text(label);
        self.raw("</button>");
    }

    /// A field, and what it says.
    pub(super) fn field(&mut self, says: &str, label: &str, value: &str) {
        self.raw("<input type=\"text\" maxlength=\"200\"");
        self.attribute("data-say", says);
        self.attribute("aria-label", label);
        self.attribute("placeholder", label);
        self.attribute("value", value);
        self.raw(">");
    }

    /// A short text in a frame.
    pub(super) fn pill(&mut self, class: &str, label: &str, title: &str) {
        self.raw("<span class=\"verdict ");
        self.raw(class);
        self.raw("\"");
        self.attribute("title", title);
        self.raw(">");
        self.text(label);
        self.raw("</span>");
    }

    /// A run, to be chosen.
    pub(super) fn run(&mut self, run: &RunInfo) {
        let title = match (&run.leaves, run.acts.as_slice()) {
            (Some((_, at)), acts) if !acts.is_empty() => {
                format!("leaves at {:.3} s: {}", at.0 as f64 / 1e6, acts.join("; "))
            }
            _ if run.id == LIVE => "What the Workers do".to_owned(),
            _ => format!(
                "{:.3} s to {:.3} s, {:.1} MB",
                run.first.0 as f64 / 1e6,
                run.end.0 as f64 / 1e6,
                run.bytes as f64 / 1e6
            ),
        };
        self.raw("<button");
        self.attribute("data-do", &format!("show {}", run.id.0));
        self.attribute("aria-pressed", if run.shown { "true" } else { "false" });
        self.attribute("title", &title);
        self.raw(">");
        if let Some((_, at)) = run.leaves {
            self.text(format_args!("↳ {} ", run.name));
            self.raw("<small>");
            self.text(format_args!("from {:.1} s", at.0 as f64 / 1e6));
            self.raw("</small>");
        } else {
            self.text(&run.name);
        }
        self.raw("</button>");
    }

    /// Two runs side by side.
    pub(super) fn comparison(&mut self, comparison: &Comparison) {
        self.raw("<div class=\"comparison\" role=\"region\" aria-label=\"Comparison\"><table><caption>");
        self.text(format_args!("At {:.3} s ", comparison.at.0 as f64 / 1e6));
        self.button("compare", "×", "Close the comparison");
        self.raw("</caption><thead><tr><th>node</th><th>what</th><th>here</th><th>");
        self.text(&comparison.name);
        self.raw("</th></tr></thead><tbody>");
        if comparison.rows.is_empty() {
            self.raw("<tr><td colspan=\"4\">no difference</td></tr>");
        }
        for (node, what, here, there) in &comparison.rows {
            self.raw("<tr>");
            for cell in [&node.to_string(), what, here, there] {
                self.raw("<td>");
                self.text(cell);
                self.raw("</td>");
            }
            self.raw("</tr>");
        }
        self.raw("</tbody></table></div>");
    }
}
