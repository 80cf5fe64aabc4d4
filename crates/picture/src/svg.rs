//! The timeline as an SVG.

use std::fmt::Write;

use crate::surface::{Line, Pen, Surface};

/// A picture that grows.
#[derive(Debug)]
pub struct Svg {
    body: String,
    size: (f64, f64),
    clips: usize,
    clipped: bool,
}

impl Svg {
    /// An empty picture of this size, in pixels. Its background is what is painted on it first.
    pub fn new(width: f64, height: f64) -> Svg {
        Svg {
            body: String::new(),
            size: (width, height),
            clips: 0,
            clipped: false,
        }
    }

    /// All of it.
    pub fn finish(mut self) -> String {
        self.clip(None);
        let (width, height) = self.size;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             font-family=\"system-ui, sans-serif\" font-size=\"11\">\n{}</svg>\n",
            self.body
        )
    }

    fn stroke(&mut self, pen: Pen<'_>, path: &str) {
        let dashes = if pen.dashed { " stroke-dasharray=\"4 3\"" } else { "" };
        let _ = writeln!(
            self.body,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" stroke-opacity=\"{}\"{dashes}/>",
            escaped(pen.colour),
            pen.width,
            pen.alpha
        );
    }
}

impl Surface for Svg {
    fn rectangle(&mut self, pen: Pen<'_>, [x, y, width, height]: [f64; 4]) {
        let _ = writeln!(
            self.body,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\" fill-opacity=\"{}\"/>",
            width.max(0.0),
            height.max(0.0),
            escaped(pen.colour),
            pen.alpha
        );
    }

    fn lines(&mut self, pen: Pen<'_>, lines: &[Line]) {
        let mut path = String::new();
        for [x0, y0, x1, y1] in lines {
            let _ = write!(path, "M{x0:.1} {y0:.1}L{x1:.1} {y1:.1}");
        }
        if !path.is_empty() {
            self.stroke(pen, &path);
        }
    }

    fn polygons(&mut self, pen: Pen<'_>, polygons: &[&[(f64, f64)]]) {
        let mut path = String::new();
        for polygon in polygons {
            for (place, (x, y)) in polygon.iter().enumerate() {
                let _ = write!(path, "{}{x:.1} {y:.1}", if place == 0 { 'M' } else { 'L' });
            }
            path.push('Z');
        }
        if !path.is_empty() {
            let _ = writeln!(
                self.body,
                "<path d=\"{path}\" fill=\"{}\" fill-opacity=\"{}\"/>",
                escaped(pen.colour),
                pen.alpha
            );
        }
    }

    fn text(&mut self, pen: Pen<'_>, text: &str, x: f64, y: f64) {
        let _ = writeln!(
            self.body,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{}\" fill-opacity=\"{}\">{}</text>",
            escaped(pen.colour),
            pen.alpha,
            escaped(text)
        );
    }

    fn text_along(&mut self, pen: Pen<'_>, halo: &str, text: &str, middle: (f64, f64), direction: (f64, f64)) {
        let degrees = direction.1.atan2(direction.0).to_degrees();
        let _ = writeln!(
            self.body,
            "<text transform=\"translate({:.1} {:.1}) rotate({degrees:.1})\" y=\"-4\" text-anchor=\"middle\" font-size=\"10\" \
             paint-order=\"stroke\" stroke=\"{}\" stroke-width=\"4\" fill=\"{}\">{}</text>",
            middle.0,
            middle.1,
            escaped(halo),
            escaped(pen.colour),
            escaped(text)
        );
    }

    fn clip(&mut self, rectangle: Option<[f64; 4]>) {
        if std::mem::take(&mut self.clipped) {
            self.body.push_str("</g>\n");
        }
        if let Some([x, y, width, height]) = rectangle {
            self.clips += 1;
            self.clipped = true;
            let _ = writeln!(
                self.body,
                "<clipPath id=\"c{0}\"><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/></clipPath>\n\
                 <g clip-path=\"url(#c{0})\">",
                self.clips
            );
        }
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            // Not to be had in XML.
            letter if letter.is_control() => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}
