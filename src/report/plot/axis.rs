//! Axes: from a range of data to a scale with about one label per decade, and from a value to its place.

use crate::report::number;

/// How values are placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Evenly.
    Linear,
    /// By their logarithm.
    Log,
}

/// A tick with its label; minor ticks have none.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// Where it stands.
    pub value: f64,
    /// What it says.
    pub label: Option<String>,
}

/// An axis: its scale, its ends, its ticks and its name with the unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// How values are placed.
    pub scale: Scale,
    /// Value at the start.
    pub low: f64,
    /// Value at the end.
    pub high: f64,
    /// Name and unit.
    pub name: String,
    /// Ticks in rising order.
    pub ticks: Vec<Tick>,
}

/// The range of the finite values (positive ones for a log axis); `None` when there are none.
pub fn range(values: impl IntoIterator<Item = f64>, scale: Scale) -> Option<(f64, f64)> {
    let usable = |v: &f64| v.is_finite() && (scale == Scale::Linear || *v > 0.0);
    values.into_iter().filter(usable).fold(None, |seen, v| match seen {
        None => Some((v, v)),
        Some((low, high)) => Some((low.min(v), high.max(v))),
    })
}

impl Axis {
    /// An axis of either scale over `range`, with some air at both ends and at most `labels` labels.
    pub fn new(scale: Scale, name: impl Into<String>, range: (f64, f64), labels: usize) -> Self {
        match scale {
            Scale::Log => Self::log(name, range, labels),
            Scale::Linear => Self::linear(name, range, labels),
        }
    }

    /// A logarithmic axis; ends that are not positive are replaced.
    pub fn log(name: impl Into<String>, (low, high): (f64, f64), labels: usize) -> Self {
        let low = low.clamp(1e-290, 1e290);
        let high = high.clamp(low, 1e290);
        let (mut a, mut b) = (low.log10(), high.log10());
        // A span under a decade has too few ticks to be read.
        if b - a < 1.0 {
            let middle = f64::midpoint(a, b);
            (a, b) = (middle - 0.5, middle + 0.5);
        }
        let air = 0.04 * (b - a);
        (a, b) = ((a - air).max(-300.0), (b + air).min(300.0));
        Axis { scale: Scale::Log, low: exp10(a), high: exp10(b), name: name.into(), ticks: log_ticks(a, b, labels) }
    }

    /// A linear axis.
    pub fn linear(name: impl Into<String>, (low, high): (f64, f64), labels: usize) -> Self {
        let (mut a, mut b) = (low.min(high).max(-1e300), low.max(high).min(1e300));
        if b - a <= 1e-12 * a.abs().max(b.abs()) {
            let half = if a == 0.0 { 1.0 } else { 0.1 * a.abs() };
            (a, b) = (a - half, b + half);
        }
        let air = 0.03 * (b - a);
        (a, b) = (a - air, b + air);
        Axis { scale: Scale::Linear, low: a, high: b, name: name.into(), ticks: linear_ticks(a, b, labels) }
    }

    /// Place of a value as a fraction of the axis; outside [0, 1] when it lies outside the ends.
    pub fn place(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log if value > 0.0 => (value.log10() - self.low.log10()) / (self.high.log10() - self.low.log10()),
            Scale::Log => -1.0,
        }
    }
}

fn exp10(x: f64) -> f64 {
    10_f64.powf(x)
}

fn log_ticks(a: f64, b: f64, labels: usize) -> Vec<Tick> {
    let (first, last) = (a.ceil() as i32, b.floor() as i32);
    let decades = b - a;
    let labels = labels.max(2) as f64;
    let stride =
        [1, 2, 3, 5, 10, 20, 30, 50, 100, 200].into_iter().find(|&s| decades / f64::from(s) <= labels).unwrap_or(400);
    // Within two decades the 2 and the 5 get labels too.
    let inner: &[i32] = if decades <= 2.2 && labels >= 4.0 { &[2, 5] } else { &[] };
    let plain = a >= -3.5 && b <= 5.5;
    let minor = decades <= labels.max(7.0);
    let mut ticks = Vec::new();
    for e in (first - 1)..=last {
        let unit = if e >= 0 { exp10(f64::from(e)) } else { 1.0 / exp10(f64::from(-e)) };
        if e >= first {
            let label = (e.rem_euclid(stride) == 0).then(|| number::power_of_ten(1, e, plain));
            ticks.push(Tick { value: unit, label });
        }
        for m in 2..=9 {
            let value = unit * f64::from(m);
            let at = value.log10();
            if at <= a || at >= b {
                continue;
            }
            if inner.contains(&m) {
                ticks.push(Tick { value, label: Some(number::power_of_ten(m, e, plain)) });
            } else if minor {
                ticks.push(Tick { value, label: None });
            }
        }
    }
    ticks
}

fn linear_ticks(a: f64, b: f64, labels: usize) -> Vec<Tick> {
    let rough = (b - a) / labels.max(2) as f64;
    let unit = exp10(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|m| m * unit).find(|&s| s >= rough).unwrap_or(10.0 * unit);
    let (first, last) = ((a / step).ceil() as i64, (b / step).floor() as i64);
    (first..=last.min(first.saturating_add(60)))
        .map(|i| {
            let value = i as f64 * step;
            Tick { value, label: Some(number::tick(value, step)) }
        })
        .collect()
}
