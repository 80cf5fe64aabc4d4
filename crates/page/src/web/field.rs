//! Fields in which a person types. None is written to while somebody is in it: what they type is theirs until they are done.

use leptos::html::Input;
use leptos::prelude::*;
use web_sys::HtmlInputElement;

use super::view::{self, flag, text};
use super::{settings, wall};
use crate::model::settings::Range;

/// A field for a number: it shows what holds, takes what is in its range, and says what it takes where it refuses.
pub(super) fn number(range: Range, holds: Box<dyn Fn() -> f64 + Send + Sync>, take: Box<dyn Fn(f64)>) -> impl IntoView {
    let holds = StoredValue::new(holds);
    let holds = move || holds.with_value(|holds| holds());
    let input = NodeRef::<Input>::new();
    let refused = RwSignal::new(String::new());
    let typed = view::on(move |_: web_sys::Event| {
        let Some(field) = input.get_untracked() else { return };
        let said = field.value();
        refused.set(match range.take(settings::number(&said)) {
            Ok(value) => {
                take(value);
                String::new()
            }
            // What is no number at all, the browser keeps to itself.
            Err(why) if said.is_empty() => format!("{why}; {} holds.", holds()),
            Err(why) => format!("{said} is refused: {why}; {} holds.", holds()),
        });
        if refused.with_untracked(String::is_empty) {
            // The timers may have been changed to go together.
            show(&field, &holds().to_string());
        }
    });
    let left = view::on(move |_| {
        if let Some(field) = input.get_untracked() {
            field.set_value(&holds().to_string());
        }
    });
    view! {
        <label class="row"><span>{range.label}</span>
            <input node_ref=input type="number" min=range.least.to_string() max=range.most.to_string() step=if range.whole { "1" } else { "any" }
                aria-label=range.label aria-invalid=text(move |_| refused.with(|why| !why.is_empty()).to_string())
                on:change=typed on:blur=left />
            " " {range.unit}
            {kept(input, Box::new(move || {
                let text = holds().to_string();
                // What was said of it is over, too.
                refused.set(String::new());
                text
            }))}
        </label>
        <p class="refused" role="alert" hidden=flag(move |_| refused.with(String::is_empty))>{text(move |_| refused.get())}</p>
    }
}

/// Keeps a field at what holds, whenever that has changed.
pub(super) fn kept(input: NodeRef<Input>, holds: Box<dyn Fn() -> String + Send>) -> Box<dyn FnMut() + Send> {
    Box::new(move || {
        let text = holds();
        if let Some(field) = input.get() {
            show(&field, &text);
        }
    })
}

/// Shows this in a field in which nobody is.
fn show(field: &HtmlInputElement, text: &str) {
    let is_in_it = wall::document().active_element().as_ref() == Some(field);
    if !is_in_it && field.value() != text {
        field.set_value(text);
    }
}
