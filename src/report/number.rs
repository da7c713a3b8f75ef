//! Numbers as a reader wants them: few digits on the page, all digits in the tooltip.

/// Four significant digits; plain between 1e-3 and 1e5, otherwise with an exponent.
pub fn real(x: f64) -> String {
    digits(x, 4)
}

/// A chosen number of significant digits (at least one).
pub fn digits(x: f64, significant: usize) -> String {
    if x == 0.0 {
        return "0".into();
    }
    if !x.is_finite() {
        return "—".into();
    }
    let p = significant.max(1) - 1;
    let scientific = format!("{x:.p$e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let e: i32 = exponent.parse().unwrap_or(0);
    if (-3..5).contains(&e) {
        let decimals = (p as i32 - e).max(0) as usize;
        return trim(&format!("{x:.decimals$}"));
    }
    format!("{}e{e}", trim(mantissa))
}

fn trim(text: &str) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text.to_string() }
}

/// An optional number; a dash when there is none.
pub fn optional(x: Option<f64>) -> String {
    x.map_or_else(|| "—".into(), real)
}

/// The shortest text that reads back as the same number.
pub fn exact(x: f64) -> String {
    serde_json::Number::from_f64(x).map_or_else(|| "—".into(), |n| n.to_string())
}

/// A count with groups of three digits.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A count that may be fractional or too large for an integer: grouped below a million, otherwise with an exponent.
pub fn count_real(x: f64) -> String {
    if x.fract() == 0.0 && (0.0..1e6).contains(&x) { count(x as u64) } else { real(x) }
}

/// `[low, high]`, open where an end is unknown.
pub fn interval(low: Option<f64>, high: Option<f64>) -> String {
    match (low, high) {
        (Some(a), Some(b)) => {
            // As many digits as it takes to tell the ends apart.
            let n = (4..=16).find(|&n| a == b || digits(a, n) != digits(b, n)).unwrap_or(17);
            format!("[{}, {}]", digits(a, n), digits(b, n))
        }
        (Some(a), None) => format!("[{}, no upper end]", real(a)),
        (None, Some(b)) => format!("[no lower end, {}]", real(b)),
        (None, None) => "—".into(),
    }
}

/// A time in seconds with a unit that a person can picture: `3.2e9 s (101 years)`.
pub fn seconds(x: f64) -> String {
    match picture(x) {
        Some(p) => format!("{} s ({p})", real(x)),
        None => format!("{} s", real(x)),
    }
}

fn picture(x: f64) -> Option<String> {
    const YEAR: f64 = 365.25 * 86_400.0;
    let size = x.abs();
    let (unit, name) = match size {
        s if s == 0.0 || !s.is_finite() => return None,
        s if s < 1e-16 => return None,
        s if s < 1e-12 => (1e-15, "fs"),
        s if s < 1e-9 => (1e-12, "ps"),
        s if s < 1e-6 => (1e-9, "ns"),
        s if s < 1e-3 => (1e-6, "µs"),
        s if s < 1.0 => (1e-3, "ms"),
        s if s < 120.0 => return None,
        s if s < 7200.0 => (60.0, "minutes"),
        s if s < 172_800.0 => (3600.0, "hours"),
        s if s < 2.0 * YEAR => (86_400.0, "days"),
        _ => (YEAR, "years"),
    };
    Some(format!("{} {name}", digits(x / unit, 3)))
}

/// A value with its unit; seconds get a picture, the unit `1` is left out.
pub fn with_unit(x: f64, unit: &str) -> String {
    match unit {
        "s" | "seconds" => seconds(x),
        "" | "1" => real(x),
        unit => format!("{} {unit}", real(x)),
    }
}

/// `3·10⁻⁷`, `10⁶`, `200`: a tick of a logarithmic axis; `plain` where the whole axis can do without powers.
pub fn power_of_ten(mantissa: i32, exponent: i32, plain: bool) -> String {
    if (0..=1).contains(&exponent) || (plain && (-3..=5).contains(&exponent)) {
        let value = f64::from(mantissa) * 10_f64.powi(exponent);
        return if exponent >= 3 { count(value as u64) } else { digits(value, 1) };
    }
    let power = format!("10{}", superscript(exponent));
    if mantissa == 1 { power } else { format!("{mantissa}·{power}") }
}

fn superscript(n: i32) -> String {
    n.to_string()
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            '0' => '⁰',
            d => char::from_u32('⁰' as u32 + d.to_digit(10).unwrap_or(0)).unwrap_or(d),
        })
        .collect()
}

/// A tick of a linear axis with the decimals that its step needs.
pub fn tick(value: f64, step: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let size = value.abs();
    if !(1e-4..1e7).contains(&size) {
        return digits(value, 3);
    }
    let decimals = (-(step.abs().log10() + 1e-9).floor()).clamp(0.0, 9.0) as usize;
    let decimals = if (step * 10_f64.powi(decimals as i32)).fract() > 1e-6 { decimals + 1 } else { decimals };
    let text = format!("{value:.decimals$}");
    if decimals == 0 && size >= 10_000.0 {
        let grouped = count(size as u64);
        return if value < 0.0 { format!("−{grouped}") } else { grouped };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_digits_on_the_page() {
        for (x, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (1234.5678, "1235"),
            (999_999.9, "1e6"),
            (12_345.6, "12346"),
            (123_456.0, "1.235e5"),
            (0.001, "0.001"),
            (0.000_999_96, "0.001"),
            (0.000_123_4, "1.234e-4"),
            (-2.5e-10, "-2.5e-10"),
            (6.022_140_76e23, "6.022e23"),
        ] {
            assert_eq!(real(x), text, "{x:e}");
        }
        assert_eq!(real(f64::NAN), "—");
    }

    #[test]
    fn all_digits_in_the_tooltip() {
        for x in [0.1, 1.0 / 3.0, 1e300, 5e-324, 348_543.245_278_163_64] {
            assert_eq!(exact(x).parse::<f64>().unwrap(), x);
        }
    }

    #[test]
    fn times_have_pictures() {
        assert_eq!(seconds(1.0), "1 s");
        assert_eq!(seconds(3e-9), "3e-9 s (3 ns)");
        assert_eq!(seconds(86_400.0), "86400 s (24 hours)");
        assert_eq!(seconds(3.155_76e10), "3.156e10 s (1000 years)");
        assert_eq!(seconds(2e-18), "2e-18 s");
    }

    #[test]
    fn ticks_and_counts() {
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(12), "12");
        assert_eq!(power_of_ten(1, -18, true), "10⁻¹⁸");
        assert_eq!(power_of_ten(5, 12, false), "5·10¹²");
        assert_eq!(power_of_ten(1, 0, false), "1");
        assert_eq!(power_of_ten(2, 3, true), "2,000");
        assert_eq!(power_of_ten(2, 3, false), "2·10³");
        assert_eq!(power_of_ten(1, -2, true), "0.01");
        assert_eq!(tick(0.25, 0.25), "0.25");
        assert_eq!(tick(20_000.0, 10_000.0), "20,000");
        assert_eq!(interval(Some(1.0), None), "[1, no upper end]");
        assert_eq!(interval(Some(0.598_12), Some(0.598_14)), "[0.59812, 0.59814]");
        assert_eq!(interval(Some(2.0), Some(2.0)), "[2, 2]");
    }
}
