//! The numbers behind the figures, as plain data: whoever computed the costs fills them, the report only draws.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything the figures need beyond the cases themselves; what is absent is not drawn.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct FigureData {
    /// Seconds over N, all else held as measured in one case; one figure for each scenario given.
    #[serde(default)]
    pub break_even: Vec<CurveFigure>,
    /// log10(classical time / quantum time) over κ and d; one figure for each scenario given.
    #[serde(default)]
    pub kappa_d: Vec<MapFigure>,
    /// How far each assumption moves the break-even point.
    #[serde(default)]
    pub tornado: Vec<TornadoFigure>,
}

/// What an axis carries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct AxisSpec {
    /// Name, for example `size N`.
    pub name: String,
    /// Unit, for example `s`; `1` or empty when there is none.
    pub unit: String,
    /// Logarithmic.
    pub log: bool,
}

impl AxisSpec {
    /// A logarithmic axis.
    pub fn log(name: impl Into<String>, unit: impl Into<String>) -> Self {
        AxisSpec { name: name.into(), unit: unit.into(), log: true }
    }

    /// A linear axis.
    pub fn linear(name: impl Into<String>, unit: impl Into<String>) -> Self {
        AxisSpec { name: name.into(), unit: unit.into(), log: false }
    }

    /// Name with the unit in brackets.
    pub fn label(&self) -> String {
        if self.unit.is_empty() || self.unit == "1" {
            self.name.clone()
        } else {
            format!("{} [{}]", self.name, self.unit)
        }
    }
}

/// Which side a series or a model belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// A quantum linear solver.
    Quantum,
    /// A classical rival.
    Classical,
    /// Neither.
    #[default]
    Other,
}

/// One point of a curve; the ends of the band where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct CurvePoint {
    /// Place.
    pub x: f64,
    /// Value; `null` leaves a gap (out of the model's domain).
    pub value: Option<f64>,
    /// Lower end of the band.
    pub low: Option<f64>,
    /// Upper end of the band.
    pub high: Option<f64>,
}

/// A curve with its band.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct CurveSeries {
    /// Model id; dots of the cases use the same colour.
    pub id: String,
    /// What the legend says.
    pub title: String,
    /// Side.
    pub side: Side,
    /// Kind of bound: `exact`, `proven-upper`, `proven-lower`, `measured`, `leading-order`.
    #[serde(default)]
    pub bound: String,
    /// In rising order of x.
    pub points: Vec<CurvePoint>,
}

/// A single marked point: a case of this run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Dot {
    /// Id of the series whose colour it takes.
    pub series: String,
    /// Case id or another label.
    pub label: String,
    /// Place.
    pub x: f64,
    /// Value.
    pub y: f64,
    /// Lower end of its whisker.
    #[serde(default)]
    pub low: Option<f64>,
    /// Upper end of its whisker.
    #[serde(default)]
    pub high: Option<f64>,
}

/// A place on the x axis worth a label: a crossover, a preset.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct AxisMark {
    /// Place.
    pub at: f64,
    /// Lower end of the interval that contains it.
    #[serde(default)]
    pub low: Option<f64>,
    /// Upper end.
    #[serde(default)]
    pub high: Option<f64>,
    /// What it says.
    pub label: String,
}

/// Curves over one variable.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct CurveFigure {
    /// Scenario id; empty when it belongs to none.
    #[serde(default)]
    pub scenario: String,
    /// Horizontal axis.
    pub x: AxisSpec,
    /// Vertical axis.
    pub y: AxisSpec,
    /// The curves.
    pub series: Vec<CurveSeries>,
    /// Cases of the run.
    #[serde(default)]
    pub dots: Vec<Dot>,
    /// Crossovers.
    #[serde(default)]
    pub marks: Vec<AxisMark>,
    /// Ranges of x in which the quantum side is cheaper than every classical series; shaded.
    #[serde(default)]
    pub advantage: Vec<[f64; 2]>,
    /// What is held fixed, at which values and from which case; stands in the caption.
    #[serde(default)]
    pub held: String,
}

/// A value over two variables.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct MapFigure {
    /// Scenario id; empty when it belongs to none.
    #[serde(default)]
    pub scenario: String,
    /// Quantum model id.
    #[serde(default)]
    pub quantum: String,
    /// Classical model id.
    #[serde(default)]
    pub classical: String,
    /// Horizontal axis.
    pub x: AxisSpec,
    /// Vertical axis.
    pub y: AxisSpec,
    /// What the colour means, for example `log10(classical time / quantum time)`.
    pub z_name: String,
    /// Grid places along x, rising.
    pub xs: Vec<f64>,
    /// Grid places along y, rising.
    pub ys: Vec<f64>,
    /// One row for each of `ys`, one value for each of `xs`; `null` out of the domain.
    pub z: Vec<Vec<Option<f64>>>,
    /// What is held fixed; stands in the caption.
    #[serde(default)]
    pub held: String,
}

/// One assumption varied between two ends.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TornadoBar {
    /// The assumption.
    pub lever: String,
    /// Result at its lower end; `null` when there is no break-even there.
    pub low: Option<f64>,
    /// Result at its upper end.
    pub high: Option<f64>,
    /// The lower end with its source.
    pub low_label: String,
    /// The upper end with its source.
    pub high_label: String,
}

/// The assumptions by how far they move one result.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TornadoFigure {
    /// Scenario id; empty when it belongs to none.
    #[serde(default)]
    pub scenario: String,
    /// The result and its unit, for example `break-even gate time [s]`.
    pub x: AxisSpec,
    /// The result with nothing varied.
    pub base: f64,
    /// The bars; the report draws the longest first.
    pub bars: Vec<TornadoBar>,
    /// What is held fixed; stands in the caption.
    #[serde(default)]
    pub held: String,
}
