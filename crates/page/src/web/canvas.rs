//! What all pictures need: a canvas as sharp as the screen, and the colours of the style sheet.

use raft_core::Term;
use wasm_bindgen::JsCast;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, HtmlElement};

use super::wall;

/// The colours of the style sheet, as they are now.
pub(super) struct Palette {
    pub(super) panel: String,
    pub(super) line: String,
    pub(super) ink: String,
    pub(super) dim: String,
    pub(super) faint: String,
    terms: [String; 5],
}

impl Palette {
    /// Reads the colours.
    pub(super) fn read() -> Palette {
        let root = wall::document().document_element().expect("a document has a root");
        let style = wall::window().get_computed_style(&root).ok().flatten();
        let colour = |name: &str| {
            let value = style
                .as_ref()
                .and_then(|style| style.get_property_value(name).ok())
                .unwrap_or_default();
            value.trim().to_owned()
        };
        Palette {
            panel: colour("--panel"),
            line: colour("--line"),
            ink: colour("--ink"),
            dim: colour("--dim"),
            faint: colour("--faint"),
            terms: ["--t0", "--t1", "--t2", "--t3", "--t4"].map(colour),
        }
    }

    /// A term's hue. Terms next to each other differ.
    pub(super) fn term(&self, term: Term) -> &str {
        &self.terms[(term.0 % 5) as usize]
    }
}

/// A colour of the style sheet as it is in the theme that holds.
pub(super) fn resolved(name: &str) -> String {
    let document = wall::document();
    let probe = document.create_element("span").ok().zip(document.body());
    let Some((probe, body)) = probe else {
        return String::new();
    };
    let probe: HtmlElement = probe.unchecked_into();
    let _ = probe.style().set_property("color", &format!("var({name})"));
    let _ = body.append_child(&probe);
    let style = wall::window().get_computed_style(&probe).ok().flatten();
    let colour = style.and_then(|style| style.get_property_value("color").ok());
    probe.remove();
    colour.unwrap_or_default()
}

/// Which colours hold: what the person chose, and what the system says. Colours are read anew when it differs.
pub(super) fn theme() -> String {
    let window = wall::window();
    let root = wall::document().document_element();
    let chosen = root
        .and_then(|root| root.get_attribute("data-theme"))
        .unwrap_or_default();
    let dark = window
        .match_media("(prefers-color-scheme: dark)")
        .ok()
        .flatten()
        .is_some_and(|query| query.matches());
    format!("{chosen} {dark}")
}

/// A term's hue as the style sheet names it.
pub(super) fn term_variable(term: Term) -> String {
    format!("var(--t{})", term.0 % 5)
}

/// Readies a canvas for drawing: as many pixels as the screen has for it, wiped. Returns its context, and its width and height
/// in CSS pixels; nothing, if it is not shown.
pub(super) fn ready(canvas: &HtmlCanvasElement) -> Option<(CanvasRenderingContext2d, f64, f64)> {
    let scale = wall::window().device_pixel_ratio().max(1.0);
    let (width, height) = (f64::from(canvas.client_width()), f64::from(canvas.client_height()));
    if width < 1.0 || height < 1.0 {
        return None;
    }
    let pixels = ((width * scale) as u32, (height * scale) as u32);
    if (canvas.width(), canvas.height()) != pixels {
        canvas.set_width(pixels.0);
        canvas.set_height(pixels.1);
    }
    let context: CanvasRenderingContext2d = canvas.get_context("2d").ok()??.dyn_into().ok()?;
    let _ = context.set_transform(scale, 0.0, 0.0, scale, 0.0, 0.0);
    context.clear_rect(0.0, 0.0, width, height);
    Some((context, width, height))
}

/// Draws a straight line.
pub(super) fn line(context: &CanvasRenderingContext2d, from: (f64, f64), to: (f64, f64)) {
    context.begin_path();
    context.move_to(from.0, from.1);
    context.line_to(to.0, to.1);
    context.stroke();
}

/// Sets dashes, or none.
pub(super) fn dashes(context: &CanvasRenderingContext2d, lengths: &[f64]) {
    let list: js_sys::Array = lengths
        .iter()
        .map(|&length| wasm_bindgen::JsValue::from_f64(length))
        .collect();
    let _ = context.set_line_dash(&list);
}
