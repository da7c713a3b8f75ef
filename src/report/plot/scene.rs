//! A figure before it is drawn: a list of shapes in logical pixels, with the text measured.
//!
//! Figures build scenes; [`super::canvas`] replays them on a drawing backend. Tests read scenes to find clipped or
//! overlapping labels.

use super::clip;
use super::font;
use super::ink::Ink;

/// A point in logical pixels, y downwards.
pub type Point = (f64, f64);

/// An upright rectangle in logical pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rect {
    /// Left edge.
    pub left: f64,
    /// Upper edge.
    pub top: f64,
    /// Right edge.
    pub right: f64,
    /// Lower edge.
    pub bottom: f64,
}

impl Rect {
    /// From edges.
    pub fn new(left: f64, top: f64, right: f64, bottom: f64) -> Self {
        Rect { left, top, right, bottom }
    }

    /// Width.
    pub fn width(&self) -> f64 {
        self.right - self.left
    }

    /// Height.
    pub fn height(&self) -> f64 {
        self.bottom - self.top
    }

    /// Whether a point lies inside, with some slack.
    pub fn contains(&self, (x, y): Point, slack: f64) -> bool {
        x >= self.left - slack && x <= self.right + slack && y >= self.top - slack && y <= self.bottom + slack
    }

    /// Whether two rectangles share area.
    pub fn overlaps(&self, other: &Rect) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }
}

/// Where a text sits relative to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// The text begins there.
    Start,
    /// It is centred there.
    Middle,
    /// It ends there.
    End,
}

/// The form of a data mark; forms differ so that colour is never the only cue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A disc.
    Disc,
    /// A square.
    Square,
    /// A diamond.
    Diamond,
    /// A triangle pointing up.
    Triangle,
    /// A triangle pointing down.
    Wedge,
    /// A cross.
    Cross,
}

impl Form {
    /// Forms in turn.
    pub fn nth(i: usize) -> Form {
        [Form::Disc, Form::Square, Form::Diamond, Form::Triangle, Form::Wedge, Form::Cross][i % 6]
    }
}

/// The dash of a line, in logical pixels; empty means solid.
pub type Dash = &'static [f64];

/// A solid line.
pub const SOLID: Dash = &[];
/// A dashed line.
pub const DASHED: Dash = &[7.0, 4.0];
/// A dotted line.
pub const DOTTED: Dash = &[2.0, 3.0];
/// A dash-dotted line.
pub const DASH_DOT: Dash = &[8.0, 3.0, 2.0, 3.0];

/// One drawn thing.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A polyline.
    Line {
        /// Its corners.
        points: Vec<Point>,
        /// Colour.
        ink: Ink,
        /// Stroke width.
        width: f64,
        /// Opacity, 0 to 1.
        alpha: f64,
    },
    /// A filled polygon.
    Area {
        /// Its corners.
        points: Vec<Point>,
        /// Colour.
        ink: Ink,
        /// Opacity, 0 to 1.
        alpha: f64,
    },
    /// A filled upright rectangle (whole-pixel edges, so neighbours leave no hairline).
    Box {
        /// Its edges.
        rect: Rect,
        /// Colour.
        ink: Ink,
        /// Opacity, 0 to 1.
        alpha: f64,
    },
    /// A filled disc.
    Disc {
        /// Centre.
        at: Point,
        /// Radius.
        radius: f64,
        /// Colour.
        ink: Ink,
    },
    /// One line of text.
    Text {
        /// Point on the baseline.
        at: Point,
        /// What it says.
        text: String,
        /// Em size.
        em: f64,
        /// Alignment.
        align: Align,
        /// Read from bottom to top.
        vertical: bool,
        /// Colour.
        ink: Ink,
    },
}

/// Em size of tick labels and legends.
pub const EM: f64 = 12.0;

/// A figure as a list of shapes.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// Logical width.
    pub width: f64,
    /// Logical height.
    pub height: f64,
    /// What it shows, for readers that cannot see it.
    pub alt: String,
    /// In drawing order.
    pub shapes: Vec<Shape>,
}

impl Scene {
    /// An empty scene.
    pub fn new(width: f64, height: f64, alt: impl Into<String>) -> Self {
        Scene { width, height, alt: alt.into(), shapes: Vec::new() }
    }

    /// A polyline.
    pub fn line(&mut self, points: Vec<Point>, ink: Ink, width: f64) {
        self.shapes.push(Shape::Line { points, ink, width, alpha: 1.0 });
    }

    /// A polyline clipped to `to`, dashed, with an opacity.
    pub fn curve(&mut self, points: &[Point], to: &Rect, ink: Ink, width: f64, dash: Dash, alpha: f64) {
        for piece in clip::polyline(points, to) {
            for points in clip::dashes(&piece, dash) {
                self.shapes.push(Shape::Line { points, ink, width, alpha });
            }
        }
    }

    /// A filled polygon clipped to `to`.
    pub fn area(&mut self, points: &[Point], to: &Rect, ink: Ink, alpha: f64) {
        let points = clip::polygon(points, to);
        if points.len() > 2 {
            self.shapes.push(Shape::Area { points, ink, alpha });
        }
    }

    /// A filled rectangle.
    pub fn rect(&mut self, rect: Rect, ink: Ink, alpha: f64) {
        self.shapes.push(Shape::Box { rect, ink, alpha });
    }

    /// A data mark with a halo, so that it stands out on bands.
    pub fn mark(&mut self, at: Point, form: Form, size: f64, ink: Ink) {
        self.mark_plain(at, form, size + 1.4, Ink::Halo);
        self.mark_plain(at, form, size, ink);
    }

    fn mark_plain(&mut self, at: Point, form: Form, size: f64, ink: Ink) {
        let (x, y) = at;
        let corners: &[(f64, f64)] = match form {
            Form::Disc => {
                self.shapes.push(Shape::Disc { at, radius: size, ink });
                return;
            }
            Form::Square => &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
            Form::Diamond => &[(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)],
            Form::Triangle => &[(0.0, -1.2), (1.15, 0.85), (-1.15, 0.85)],
            Form::Wedge => &[(0.0, 1.2), (1.15, -0.85), (-1.15, -0.85)],
            Form::Cross => {
                let width = (size * 0.55).max(1.5);
                self.line(vec![(x - size, y - size), (x + size, y + size)], ink, width);
                self.line(vec![(x - size, y + size), (x + size, y - size)], ink, width);
                return;
            }
        };
        let points = corners.iter().map(|&(dx, dy)| (x + dx * size, y + dy * size)).collect();
        self.shapes.push(Shape::Area { points, ink, alpha: 1.0 });
    }

    /// One line of text at a point of its baseline.
    pub fn text(&mut self, at: Point, text: impl Into<String>, em: f64, align: Align, ink: Ink) {
        self.shapes.push(Shape::Text { at, text: text.into(), em, align, vertical: false, ink });
    }

    /// A strip of background behind a text, so that a line below does not cross it.
    pub fn backdrop(&mut self, (x, y): Point, width: f64, em: f64, align: Align) {
        let left = match align {
            Align::Start => x,
            Align::Middle => x - width / 2.0,
            Align::End => x - width,
        };
        self.rect(Rect::new(left - 2.0, y - 0.85 * em, left + width + 2.0, y + 0.28 * em), Ink::Halo, 0.85);
    }

    /// One line of text that reads from bottom to top, centred at a point.
    pub fn text_vertical(&mut self, at: Point, text: impl Into<String>, em: f64, ink: Ink) {
        self.shapes.push(Shape::Text { at, text: text.into(), em, align: Align::Middle, vertical: true, ink });
    }

    /// The boxes that the texts cover, with what they say.
    pub fn text_boxes(&self) -> Vec<(String, Rect)> {
        let mut boxes = Vec::new();
        for shape in &self.shapes {
            if let Shape::Text { at: (x, y), text, em, align, vertical, .. } = shape {
                let w = font::width(text, *em);
                let back = match align {
                    Align::Start => 0.0,
                    Align::Middle => w / 2.0,
                    Align::End => w,
                };
                let rect = if *vertical {
                    Rect::new(x - 0.76 * em, y - w + back, x + 0.22 * em, y + back)
                } else {
                    Rect::new(x - back, y - 0.76 * em, x - back + w, y + 0.22 * em)
                };
                boxes.push((text.clone(), rect));
            }
        }
        boxes
    }
}
