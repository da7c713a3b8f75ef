//! Figures: each is a function from plain data to a [`Scene`]; a scene becomes SVG or PNG.

pub mod axis;
pub mod canvas;
mod clip;
mod contour;
mod curves;
mod decisions;
pub mod font;
pub mod frame;
mod gate_time;
pub mod ink;
mod labels;
mod lines;
mod map;
mod pruning;
pub mod scene;
mod spectrum;
mod timeline;
mod tornado;
mod verification;

pub use curves::curves;
pub use decisions::decisions;
pub use gate_time::{GateTimeRow, gate_times};
pub use lines::lines;
pub use map::{MOST_TRAILS, TrailPoint, map};
pub use pruning::pruning;
pub use spectrum::{SpectrumMark, spectrum};
pub use timeline::{MOST_SERIES, TimelinePoint, class_style, timeline};
pub use tornado::tornado;
pub use verification::{Compared, verification};

use crate::error::Result;
use scene::Scene;

/// A finished figure with its words.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// File stem under `plots/`.
    pub name: String,
    /// Heading.
    pub title: String,
    /// What the reader sees, with what was held fixed.
    pub caption: String,
    /// The drawing.
    pub scene: Scene,
}

impl Figure {
    /// A standalone SVG on white.
    ///
    /// # Errors
    /// When the drawing library fails.
    pub fn svg(&self) -> Result<String> {
        canvas::svg(&self.scene)
    }

    /// An SVG element for a page with light and dark themes.
    ///
    /// # Errors
    /// When the drawing library fails.
    pub fn svg_inline(&self) -> Result<String> {
        canvas::svg_inline(&self.scene)
    }

    /// A PNG on white, two pixels per logical pixel.
    ///
    /// # Errors
    /// When the drawing library fails.
    pub fn png(&self) -> Result<Vec<u8>> {
        canvas::png(&self.scene)
    }
}

#[cfg(test)]
mod tests;
