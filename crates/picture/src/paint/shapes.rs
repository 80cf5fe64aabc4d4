//! What is worked out of points alone: arrow heads, crosses, bars, directions, and how dense things are.

use crate::surface::Line;

/// How many there are in each bin, where `before` says how many there are before a bin.
pub(super) fn densities(bins: usize, before: impl Fn(usize) -> usize) -> Vec<usize> {
    let mut counts = Vec::with_capacity(bins);
    let mut last = before(0);
    for bin in 1..=bins {
        let next = before(bin);
        counts.push(next.saturating_sub(last));
        last = next;
    }
    counts
}

pub(super) fn head([x0, y0, x1, y1]: Line) -> [(f64, f64); 3] {
    let (ux, uy, _) = direction((x0, y0), (x1, y1));
    let (back, across) = (6.4, 2.7);
    [
        (x1, y1),
        (x1 - back * ux - across * uy, y1 - back * uy + across * ux),
        (x1 - back * ux + across * uy, y1 - back * uy - across * ux),
    ]
}

/// Where a message was lost.
pub(super) fn cross([_, _, x, y]: Line) -> [Line; 2] {
    const ARM: f64 = 3.5;
    [
        [x - ARM, y - ARM, x + ARM, y + ARM],
        [x + ARM, y - ARM, x - ARM, y + ARM],
    ]
}

/// Where a cut link stopped one: a bar across its way.
pub(super) fn barrier([x0, y0, x1, y1]: Line) -> Line {
    const ARM: f64 = 5.0;
    let (ux, uy, _) = direction((x0, y0), (x1, y1));
    [x1 - ARM * uy, y1 + ARM * ux, x1 + ARM * uy, y1 - ARM * ux]
}

/// A direction of length 1, and the length.
pub(super) fn direction(from: (f64, f64), to: (f64, f64)) -> (f64, f64, f64) {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = (dx * dx + dy * dy).sqrt().max(1e-6);
    (dx / length, dy / length, length)
}
