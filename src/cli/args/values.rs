//! How single values are written: sizes, numbers, assignments, sweeps, ranges, damping and pruning rules.

use std::str::FromStr;

/// A finite number as in Rust or Python: `1e-9`, `50.0`, `1_000`.
///
/// # Errors
/// A message for clap.
pub fn parse_number(text: &str) -> Result<f64, String> {
    let trimmed = text.trim();
    let ok_underscores = trimmed.split('_').all(|part| !part.is_empty())
        && trimmed.as_bytes().windows(3).all(|w| w[1] != b'_' || (w[0].is_ascii_digit() && w[2].is_ascii_digit()));
    let plain: String = if ok_underscores { trimmed.replace('_', "") } else { trimmed.to_string() };
    match plain.parse::<f64>() {
        Ok(x) if x.is_finite() => Ok(x),
        Ok(_) => Err(format!("`{text}` is not a finite number")),
        Err(_) => Err(format!("`{text}` is not a number (write it as 1e-9, 50.0 or 1_000)")),
    }
}

/// A number of bytes: `8GiB`, `512MiB`, `1.5GB`, `1000000`.
///
/// # Errors
/// A message for clap.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let trimmed = text.trim();
    let split = trimmed.find(|c: char| c.is_ascii_alphabetic() && c != 'e' && c != 'E').unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(split);
    let scale: f64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kib" | "k" => 1024.0,
        "mib" | "m" => 1024.0 * 1024.0,
        "gib" | "g" => 1024.0 * 1024.0 * 1024.0,
        "tib" | "t" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        _ => return Err(format!("`{unit}` is no unit of memory (write 8GiB, 512MiB or 1.5GB)")),
    };
    let bytes = parse_number(number)? * scale;
    if (1.0..=1e18).contains(&bytes) {
        Ok(bytes as u64)
    } else {
        Err(format!("`{text}` is not a possible amount of memory"))
    }
}

/// `name=value` of `--set`.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// Variable.
    pub name: String,
    /// Value, in SI units.
    pub value: f64,
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is not of the form name=value"))?;
        Ok(Assignment { name: variable_name(name)?, value: parse_number(value)? })
    }
}

/// `kappa=50:400` of `--uncertain`: the interval of a variable.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    /// Variable.
    pub name: String,
    /// Lower end, above 0.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl FromStr for Interval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("`{text}` is not of the form name=low:high");
        let (name, rest) = text.split_once('=').ok_or_else(form)?;
        let (low, high) = rest.split_once(':').ok_or_else(form)?;
        let (low, high) = (parse_number(low)?, parse_number(high)?);
        if low <= 0.0 || low >= high {
            return Err(format!("the interval `{text}` must rise from above 0"));
        }
        Ok(Interval { name: variable_name(name)?, low, high })
    }
}

/// The assignments in force: a later one of the same name wins; order of first mention is kept.
pub fn last_wins(assignments: &[Assignment]) -> Vec<(String, f64)> {
    let mut kept: Vec<(String, f64)> = Vec::new();
    for a in assignments {
        match kept.iter_mut().find(|(name, _)| *name == a.name) {
            Some(slot) => slot.1 = a.value,
            None => kept.push((a.name.clone(), a.value)),
        }
    }
    kept
}

/// `kappa=1:1e8:log:200` of `--sweep`: a variable over a grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    /// Variable.
    pub name: String,
    /// First value.
    pub low: f64,
    /// Last value.
    pub high: f64,
    /// Equal ratios rather than equal steps.
    pub logarithmic: bool,
    /// Number of points, both ends included.
    pub points: usize,
}

/// Most points of one sweep.
pub const MAX_SWEEP_POINTS: usize = 1_000_000;

impl FromStr for Sweep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("`{text}` is not of the form name=low:high[:log|:lin[:points]]");
        let (name, rest) = text.split_once('=').ok_or_else(form)?;
        let mut parts = rest.split(':');
        let low = parse_number(parts.next().ok_or_else(form)?)?;
        let high = parse_number(parts.next().ok_or_else(form)?)?;
        let logarithmic = match parts.next() {
            None | Some("lin" | "linear") => false,
            Some("log") => true,
            Some(other) => return Err(format!("`{other}` is neither `log` nor `lin` in `{text}`")),
        };
        let points = match parts.next() {
            None => 50,
            Some(n) => n.parse::<usize>().map_err(|_| format!("`{n}` is not a number of points in `{text}`"))?,
        };
        if parts.next().is_some() {
            return Err(form());
        }
        if !(2..=MAX_SWEEP_POINTS).contains(&points) {
            return Err(format!("a sweep has 2 to {MAX_SWEEP_POINTS} points, not {points}"));
        }
        if low >= high {
            return Err(format!("the sweep `{text}` must rise from low to high"));
        }
        if logarithmic && low <= 0.0 {
            return Err(format!("a logarithmic sweep starts above 0, not at {low}"));
        }
        Ok(Sweep { name: variable_name(name)?, low, high, logarithmic, points })
    }
}

impl Sweep {
    /// The grid, with both ends exact.
    pub fn values(&self) -> Vec<f64> {
        let last = (self.points - 1) as f64;
        // Base 10, so that whole decades come out as such.
        let (from, to) = if self.logarithmic { (self.low.log10(), self.high.log10()) } else { (self.low, self.high) };
        (0..self.points)
            .map(|i| {
                if i == 0 {
                    self.low
                } else if i + 1 == self.points {
                    self.high
                } else {
                    let x = from + (to - from) * (i as f64 / last);
                    if self.logarithmic { 10f64.powf(x).clamp(self.low, self.high) } else { x }
                }
            })
            .collect()
    }
}

/// `low:high` of `--range`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (low, high) = text.split_once(':').ok_or_else(|| format!("`{text}` is not of the form low:high"))?;
        let range = Range { low: parse_number(low)?, high: parse_number(high)? };
        if range.low < range.high { Ok(range) } else { Err(format!("the range `{text}` must rise from low to high")) }
    }
}

fn variable_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    let ok = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if ok { Ok(name.to_string()) } else { Err(format!("`{text}` is not the name of a variable")) }
}

#[cfg(test)]
mod tests;
