//! What a person has set, from the last visit and from the address, kept for the next visit.

use js_sys::Array;
use wasm_bindgen::JsValue;
use web_sys::UrlSearchParams;

use super::wall;
use crate::model::settings::Settings;

/// What was set at the last visit, with what the address says laid over it; and what was not taken of that, in words. `answered` says
/// whether the cluster that the address names, if it names one, was taken or refused already.
pub(super) fn load(key: &str, answered: bool) -> (Settings, Option<String>) {
    let stored = storage().and_then(|storage| storage.get_item(key).ok().flatten());
    let (settings, _) = Settings::default().with(&fields(&stored.unwrap_or_default()), number);
    let (settings, _) = settings.taken();
    let address = fields(&wall::window().location().search().unwrap_or_default());
    let (settings, mut said) = settings.with(&address, number);
    let (settings, changed) = settings.taken();
    if !answered && address.iter().any(|(name, _)| name == "cluster") {
        said.push("cluster: this browser has no cluster of that name; the page shows its own.".to_owned());
    }
    if !said.is_empty() {
        said.insert(0, "Not all that the address asks for was taken.".to_owned());
    }
    said.extend(changed);
    (settings, Some(said.join(" ")).filter(|said| !said.is_empty()))
}

/// Keeps them for the next visit; silently not, where the browser keeps nothing. They are kept as they could stand in the
/// address.
pub(super) fn store(settings: &Settings, key: &str) {
    if let Some(storage) = storage() {
        let _ = storage.set_item(key, &settings.fields());
    }
}

/// Whether the address says this of a name.
pub(super) fn address_says(name: &str, value: &str) -> bool {
    let address = wall::window().location().search().unwrap_or_default();
    fields(&address)
        .iter()
        .any(|(known, said)| known == name && said == value)
}

/// The names and values in an address.
fn fields(query: &str) -> Vec<(String, String)> {
    let text = |field: &Array, place| field.get(place).as_string().unwrap_or_default();
    let pairs = UrlSearchParams::new_with_str(query).map_or_else(|_| Array::new(), |query| Array::from(&query));
    let pairs = pairs.iter().map(|pair| Array::from(&pair));
    pairs.map(|pair| (text(&pair, 0), text(&pair, 1))).collect()
}

/// The number that a text is, all of it. The browser's parser is there already; Rust's would have to be fetched.
pub(super) fn number(text: &str) -> Option<f64> {
    // Nothing but spaces would be 0 to JavaScript.
    let value = JsValue::from_str(text).unchecked_into_f64();
    (!value.is_nan() && !text.trim().is_empty()).then_some(value)
}

/// The browser's store, if it has one that may be used.
pub(super) fn storage() -> Option<web_sys::Storage> {
    wall::window().local_storage().ok().flatten()
}
