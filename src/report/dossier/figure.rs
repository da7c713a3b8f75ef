//! The drawings of a dossier as plain data.

use serde::{Deserialize, Serialize};

use crate::report::figure_data::AxisSpec;
use crate::report::plot::scene::Scene;
use crate::report::plot::{decisions, lines};

/// What is drawn.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "form")]
pub enum Drawing {
    /// Nothing.
    #[default]
    Nothing,
    /// Lines over one variable.
    Lines(Lines),
    /// A decision per step and block.
    Strip(Strip),
}

impl Drawing {
    /// The drawing; `None` without a single number.
    pub fn scene(&self, alt: &str) -> Option<Scene> {
        match self {
            Drawing::Nothing => None,
            Drawing::Lines(data) => lines(data, alt),
            Drawing::Strip(data) => decisions(data, alt),
        }
    }
}

/// The side that a series stands for; decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Quantum: cool.
    Quantum,
    /// Classical: warm.
    Classical,
    /// A scheduler, or a quantity without a side.
    #[default]
    Other,
}

/// Lines over one variable.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Lines {
    /// Horizontal axis.
    pub x: AxisSpec,
    /// Vertical axis.
    pub y: AxisSpec,
    /// The lines.
    pub series: Vec<LineSeries>,
    /// Places on the horizontal axis worth a label.
    #[serde(default)]
    pub vertical: Vec<Mark>,
    /// Places on the vertical axis worth a label.
    #[serde(default)]
    pub horizontal: Vec<Mark>,
    /// Values beyond these are clipped, where the data spans more than a reader can use.
    #[serde(default)]
    pub y_range: Option<[f64; 2]>,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LineSeries {
    /// In the legend.
    pub name: String,
    /// Its side.
    pub part: Part,
    /// (x, y) in rising order of x; a missing y leaves a gap.
    pub points: Vec<(f64, Option<f64>)>,
    /// Marks on the points.
    #[serde(default)]
    pub marked: bool,
    /// Dashed, for bounds and references.
    #[serde(default)]
    pub dashed: bool,
    /// Marks without a line, for scattered points.
    #[serde(default)]
    pub loose: bool,
}

/// A place on an axis.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Mark {
    /// Where.
    pub at: f64,
    /// What it says.
    pub label: String,
}

/// A decision per step and block.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Strip {
    /// Names of the blocks, from the top.
    pub rows: Vec<String>,
    /// Names of the steps, from the left.
    pub columns: Vec<String>,
    /// One row for each block; `None` where no such solve exists.
    pub cells: Vec<Vec<Option<StripCell>>>,
    /// What the columns are.
    pub across: String,
}

/// A decision.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct StripCell {
    /// Sent to the quantum solver.
    pub quantum: bool,
    /// log10(classical time / quantum time); `None` without a quantum price.
    pub decades: Option<f64>,
}
