//! The timeline on a canvas.

use js_sys::Array;
use picture::{Line, Pen, Surface};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{OffscreenCanvas, OffscreenCanvasRenderingContext2d as Context};

const FONT: &str = "11px system-ui, sans-serif";
const SMALL: &str = "10px system-ui, sans-serif";

/// A canvas that is being drawn on.
pub(crate) struct Canvas {
    context: Context,
    clipped: bool,
    /// The colour and the transparency that the context has: to set them is most of what a small shape costs.
    fill: String,
    stroke: String,
    alpha: f64,
    dashed: bool,
}

/// A canvas with its context. The context is asked for once: of a canvas that a page has handed over, Firefox gives it no second time.
pub(crate) struct Sheet {
    canvas: OffscreenCanvas,
    context: Context,
}

impl Sheet {
    /// `None` where the browser draws on no such canvas.
    pub(crate) fn new(canvas: OffscreenCanvas) -> Option<Sheet> {
        let context = canvas.get_context("2d").ok()??.dyn_into().ok()?;
        Some(Sheet { canvas, context })
    }

    /// What was drawn on it.
    pub(crate) fn canvas(&self) -> &OffscreenCanvas {
        &self.canvas
    }

    /// Readies it: as many dots as the screen has for it, wiped. `None` if there is no room.
    pub(crate) fn ready(&self, (width, height, ratio): (f64, f64, f64)) -> Option<Canvas> {
        let dots = ((width * ratio) as u32, (height * ratio) as u32);
        if dots.0 == 0 || dots.1 == 0 {
            return None;
        }
        if (self.canvas.width(), self.canvas.height()) != dots {
            self.canvas.set_width(dots.0);
            self.canvas.set_height(dots.1);
        }
        let context = self.context.clone();
        let _ = context.set_transform(ratio, 0.0, 0.0, ratio, 0.0, 0.0);
        context.clear_rect(0.0, 0.0, width, height);
        context.set_font(FONT);
        context.set_global_alpha(1.0);
        Some(Canvas {
            context,
            clipped: false,
            fill: String::new(),
            stroke: String::new(),
            alpha: 1.0,
            dashed: false,
        })
    }
}

impl Canvas {
    fn stroke_with(&mut self, pen: Pen<'_>) {
        if self.stroke != pen.colour {
            self.stroke = pen.colour.to_owned();
            self.context.set_stroke_style_str(pen.colour);
        }
        self.context.set_line_width(pen.width);
        self.set_alpha(pen.alpha);
        if self.dashed != pen.dashed {
            self.dashed = pen.dashed;
            let dashes: &[f64] = if pen.dashed { &[4.0, 3.0] } else { &[] };
            let dashes: Array = dashes.iter().map(|length| JsValue::from_f64(*length)).collect();
            let _ = self.context.set_line_dash(&dashes);
        }
    }

    fn fill_with(&mut self, pen: Pen<'_>) {
        if self.fill != pen.colour {
            self.fill = pen.colour.to_owned();
            self.context.set_fill_style_str(pen.colour);
        }
        self.set_alpha(pen.alpha);
    }

    fn set_alpha(&mut self, alpha: f64) {
        if self.alpha != alpha {
            self.alpha = alpha;
            self.context.set_global_alpha(alpha);
        }
    }

    /// What the context had at its last save, it has again.
    fn restore(&mut self) {
        self.context.restore();
        (self.fill, self.stroke) = (String::new(), String::new());
        (self.alpha, self.dashed) = (f64::NAN, true);
    }
}

impl Surface for Canvas {
    fn rectangle(&mut self, pen: Pen<'_>, [x, y, width, height]: [f64; 4]) {
        self.fill_with(pen);
        self.context.fill_rect(x, y, width, height);
    }

    fn rectangles(&mut self, pen: Pen<'_>, rectangles: &[[f64; 4]]) {
        if rectangles.is_empty() {
            return;
        }
        self.fill_with(pen);
        self.context.begin_path();
        for [x, y, width, height] in rectangles {
            self.context.rect(*x, *y, *width, *height);
        }
        self.context.fill();
    }

    fn lines(&mut self, pen: Pen<'_>, lines: &[Line]) {
        if lines.is_empty() {
            return;
        }
        self.stroke_with(pen);
        self.context.begin_path();
        for [x0, y0, x1, y1] in lines {
            self.context.move_to(*x0, *y0);
            self.context.line_to(*x1, *y1);
        }
        self.context.stroke();
    }

    fn polygons(&mut self, pen: Pen<'_>, polygons: &[&[(f64, f64)]]) {
        if polygons.is_empty() {
            return;
        }
        self.fill_with(pen);
        self.context.begin_path();
        for polygon in polygons {
            for (place, (x, y)) in polygon.iter().enumerate() {
                match place {
                    0 => self.context.move_to(*x, *y),
                    _ => self.context.line_to(*x, *y),
                }
            }
            self.context.close_path();
        }
        self.context.fill();
    }

    fn text(&mut self, pen: Pen<'_>, text: &str, x: f64, y: f64) {
        self.fill_with(pen);
        let _ = self.context.fill_text(text, x, y);
    }

    fn text_along(&mut self, pen: Pen<'_>, halo: &str, text: &str, middle: (f64, f64), (ux, uy): (f64, f64)) {
        self.context.save();
        self.context.set_font(SMALL);
        self.context.set_text_align("center");
        let _ = self.context.transform(ux, uy, -uy, ux, middle.0, middle.1);
        self.stroke_with(Pen::new(halo).wide(4.0));
        let _ = self.context.stroke_text(text, 0.0, -4.0);
        self.fill_with(pen);
        let _ = self.context.fill_text(text, 0.0, -4.0);
        self.restore();
    }

    fn clip(&mut self, rectangle: Option<[f64; 4]>) {
        if std::mem::take(&mut self.clipped) {
            self.restore();
        }
        if let Some([x, y, width, height]) = rectangle {
            self.clipped = true;
            self.context.save();
            self.context.begin_path();
            self.context.rect(x, y, width, height);
            self.context.clip();
        }
    }
}
