//! Play, pause, a single step of time, and how fast it runs.

use cluster::clock::{RATE_MAX, RATE_MIN};
use leptos::prelude::*;

use super::app::{STEP, app};
use super::{view, wall};

/// The bar's left part.
#[component]
pub(super) fn Transport() -> impl IntoView {
    let stopped = app().stopped;
    let settings = app().settings;
    // Tenths of milliseconds change faster than anybody reads; the number is renewed with the picture.
    let now = view::watch(|app| {
        app.model
            .borrow()
            .nodes()
            .filter_map(|node| node.status.as_ref())
            .count();
        app.now().0 / 1_000
    });
    view! {
        <button class=move || if stopped.get() { "on" } else { "" }
            aria-label=move || if stopped.get() { "Play" } else { "Pause" }
            title="Stop time, or let it run (Space)"
            on:click=move |_| { let app = app(); app.set_stopped(!stopped.get_untracked()); }>
            {move || if stopped.get() { "▶" } else { "❚❚" }}
        </button>
        <button aria-label="Step" title=format!("Let {:.0} ms of time pass, then stop (.)", STEP.as_millis_f64())
            on:click=|_| app().step_time()>"▶|"</button>
        <output class="num time" aria-label="Virtual time">{move || format!("{:.3} s", now.get() as f64 / 1000.0)}</output>
        <label class="stat speed">"speed"
            <input type="range" min="-3" max="1" step="0.01" aria-label="Speed"
                aria-valuetext=move || format!("{} times", rate_text(settings.get().rate))
                prop:value=move || settings.get().rate.log10().to_string()
                on:input=|event| {
                    if let Some(power) = wall::number(&event_target_value(&event)) {
                        app().set_rate(snapped(10_f64.powf(power)));
                    }
                } />
        </label>
        <button class="num speed-value" title="Back to real time (0)" on:click=|_| app().set_rate(1.0)>
            {move || format!("{} ×", rate_text(settings.get().rate))}
        </button>
    }
}

/// The nearest speed with two digits, which is all that a slider can aim at.
fn snapped(rate: f64) -> f64 {
    let unit = 10_f64.powf(rate.log10().floor() - 1.0);
    ((rate / unit).round() * unit).clamp(RATE_MIN, RATE_MAX)
}

fn rate_text(rate: f64) -> String {
    let text = format!("{rate:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
