//! What the timeline is drawn on.

use raft_core::Term;

/// The colours of the timeline, as style sheets write them.
#[derive(Clone, Debug, PartialEq)]
pub struct Palette {
    /// Behind everything.
    pub panel: String,
    /// Lines of the axis.
    pub line: String,
    /// Text and marks.
    pub ink: String,
    /// Quiet text.
    pub dim: String,
    /// What is hardly seen.
    pub faint: String,
    /// Operations, and what is chosen.
    pub accent: String,
    /// Commits.
    pub ok: String,
    /// Faults.
    pub warn: String,
    /// Broken promises, and nothing else.
    pub bad: String,
    /// The hues of terms; those next to each other differ.
    pub terms: [String; 5],
}

impl Palette {
    /// A term's hue.
    pub fn term(&self, term: Term) -> &str {
        &self.terms[(term.0 % 5) as usize]
    }

    /// These colours, in the order of [`trace::lockstep::COLOURS`]; what is missing is as in the light theme.
    pub fn of(colours: &[String]) -> Palette {
        let light = Palette::default();
        let colour = |place: usize, otherwise: &String| {
            let given = colours.get(place).filter(|colour| !colour.is_empty());
            given.unwrap_or(otherwise).clone()
        };
        Palette {
            panel: colour(0, &light.panel),
            line: colour(1, &light.line),
            ink: colour(2, &light.ink),
            dim: colour(3, &light.dim),
            faint: colour(4, &light.faint),
            accent: colour(5, &light.accent),
            ok: colour(6, &light.ok),
            warn: colour(7, &light.warn),
            bad: colour(8, &light.bad),
            terms: [10, 11, 12, 13, 14].map(|place| colour(place, &light.terms[place - 10])),
        }
    }
}

impl Default for Palette {
    /// The light theme. The hues are told apart by the colour-blind, too.
    fn default() -> Palette {
        Palette {
            panel: "#ffffff".into(),
            line: "#dfe3e8".into(),
            ink: "#15191e".into(),
            dim: "#5b6672".into(),
            faint: "#75808c".into(),
            accent: "#0b63ce".into(),
            ok: "#0a7d4f".into(),
            warn: "#8a5200".into(),
            bad: "#c41e3a".into(),
            terms: ["#0072b2", "#a86400", "#00795b", "#9a3f83", "#6a5acd"].map(String::from),
        }
    }
}

/// How something is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Pen<'a> {
    /// Its colour.
    pub colour: &'a str,
    /// How much of it covers what is below, from 0 to 1.
    pub alpha: f64,
    /// The width of lines, in pixels.
    pub width: f64,
    /// Whether lines are dashed.
    pub dashed: bool,
}

impl<'a> Pen<'a> {
    /// A pen that covers, with fine lines.
    pub fn new(colour: &'a str) -> Pen<'a> {
        Pen {
            colour,
            alpha: 1.0,
            width: 1.2,
            dashed: false,
        }
    }

    /// The same, half transparent.
    pub fn faded(self, alpha: f64) -> Pen<'a> {
        Pen { alpha, ..self }
    }

    /// The same, with lines so wide.
    pub fn wide(self, width: f64) -> Pen<'a> {
        Pen { width, ..self }
    }

    /// The same, dashed.
    pub fn dashed(self) -> Pen<'a> {
        Pen { dashed: true, ..self }
    }
}

/// A line from one place to another.
pub type Line = [f64; 4];

/// Something to draw on. Places are pixels from the left and the top.
pub trait Surface {
    /// Fills a rectangle: left, top, width, height.
    fn rectangle(&mut self, pen: Pen<'_>, rectangle: [f64; 4]);
    /// Fills rectangles that do not overlap, all alike.
    fn rectangles(&mut self, pen: Pen<'_>, rectangles: &[[f64; 4]]) {
        for rectangle in rectangles {
            self.rectangle(pen, *rectangle);
        }
    }
    /// Draws lines, all alike.
    fn lines(&mut self, pen: Pen<'_>, lines: &[Line]);
    /// Fills polygons, all alike.
    fn polygons(&mut self, pen: Pen<'_>, polygons: &[&[(f64, f64)]]);
    /// Writes from a place on, small or not.
    fn text(&mut self, pen: Pen<'_>, text: &str, x: f64, y: f64);
    /// Writes in the middle of a place, in the direction of (`ux`, `uy`), with a halo of another colour, so that it is read on lines.
    fn text_along(&mut self, pen: Pen<'_>, halo: &str, text: &str, middle: (f64, f64), direction: (f64, f64));
    /// From now on, nothing is drawn outside of this rectangle; or anywhere again.
    fn clip(&mut self, rectangle: Option<[f64; 4]>);
}
