//! Light, dark, or as the system has it.

use leptos::prelude::*;

use super::app::app;
use super::view::{act, text};
use super::{settings, wall};

/// Where the choice is kept. The page's head reads it too, before the first paint.
const KEY: &str = "ftqueue-theme";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Theme {
    System,
    Light,
    Dark,
}

impl Theme {
    fn name(self) -> &'static str {
        match self {
            Theme::System => "auto",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }

    fn next(self) -> Theme {
        match self {
            Theme::System => Theme::Light,
            Theme::Light => Theme::Dark,
            Theme::Dark => Theme::System,
        }
    }

    fn shown() -> Theme {
        let root = wall::document().document_element().expect("a document has a root");
        match root.get_attribute("data-theme").as_deref() {
            Some("light") => Theme::Light,
            Some("dark") => Theme::Dark,
            _ => Theme::System,
        }
    }

    fn show(self) {
        let root = wall::document().document_element().expect("a document has a root");
        let _ = match self {
            Theme::System => root.remove_attribute("data-theme"),
            Theme::Light | Theme::Dark => root.set_attribute("data-theme", self.name()),
        };
        if let Some(storage) = settings::storage() {
            let _ = storage.set_item(KEY, self.name());
        }
        // What is drawn on canvases has its colours from the style sheet.
        app().touch();
    }
}

/// Goes round light, dark, and what the system has.
#[component]
pub(super) fn ThemeButton() -> impl IntoView {
    view! {
        <button id="theme-button" title="Light, dark, or as the system has it (T)"
            aria-label=text(|_| format!("Theme: {}", Theme::shown().name()))
            on:click=act(|| Theme::shown().next().show())>
            {text(|_| match Theme::shown() { Theme::System => "◐", Theme::Light => "☀", Theme::Dark => "☾" }.to_owned())}
        </button>
    }
}
