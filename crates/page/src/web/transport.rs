//! Play, pause, a single step of time, and how fast it runs.

use cluster::clock::{RATE_MAX, RATE_MIN};
use js_sys::Math;
use leptos::html::Input;
use leptos::prelude::*;
use web_sys::HtmlInputElement;

use super::app::{App, STEP, app};
use super::view::{act, text};
use super::{view, wall};

/// The bar's left part.
#[component]
pub(super) fn Transport() -> impl IntoView {
    let stopped = app().stopped;
    let settings = app().settings;
    let slider = NodeRef::<Input>::new();
    let said =
        move |slider: &HtmlInputElement| wall::number(&slider.value()).map(|power| snapped(Math::pow(10.0, power)));
    // The slider is a person's while they move it: it goes only where the speed is another than the one that it says.
    let kept: Box<dyn FnMut() + Send> = Box::new(move || {
        let rate = settings.with(|settings| settings.rate);
        if let Some(slider) = slider.get().filter(|slider| said(slider) != Some(rate)) {
            slider.set_value(&Math::log10(rate).to_string());
        }
    });
    let rate = |app: &App| rate_text(app.settings.get().rate);
    let run = act(move || app().set_stopped(!stopped.get_untracked()));
    view! {
        <button class=text(move |_| if stopped.get() { "on" } else { "" }.to_owned())
            aria-label=text(move |_| if stopped.get() { "Play" } else { "Pause" }.to_owned())
            title="Stop time, or let it run (Space)" on:click=run>
            {text(move |_| if stopped.get() { "▶" } else { "❚❚" }.to_owned())}
        </button>
        <button aria-label="Step" title=format!("Let {} ms of time pass, then stop (G)", STEP.0 / 1_000)
            on:click=act(|| app().step_time())>"▶|"</button>
        <output class="num time" aria-label="Virtual time">{text(|app| {
            let now_ms = app.now().0 / 1_000;
            format!("{}.{:03} s", now_ms / 1_000, now_ms % 1_000)
        })}</output>
        <label class="stat speed">"speed"
            <input node_ref=slider type="range" min="-3" max="1" step="0.01" aria-label="Speed"
                aria-valuetext=text(move |app| format!("{} times", rate(app)))
                on:input=view::on(move |_| {
                    if let Some(rate) = slider.get_untracked().and_then(|slider| said(&slider)) {
                        app().set_rate(rate);
                    }
                }) />
            {kept}
        </label>
        <button class="num speed-value" title="Back to real time (0)" on:click=act(|| app().set_rate(1.0))>
            {text(move |app| format!("{} ×", rate(app)))}
        </button>
    }
}

/// The nearest speed with two digits, which is all that a slider can aim at.
fn snapped(rate: f64) -> f64 {
    let unit = Math::pow(10.0, Math::log10(rate).floor() - 1.0);
    ((rate / unit).round() * unit).clamp(RATE_MIN, RATE_MAX)
}

fn rate_text(rate: f64) -> String {
    let text = format!("{rate:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
