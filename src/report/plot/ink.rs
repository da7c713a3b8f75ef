//! The colours of the figures: one closed palette, with a light and a dark value for each, safe for colour-blind readers.
//!
//! Lines follow Okabe and Ito's palette; the maps use a blue-white-orange ramp. Every ink has a light value of its own, so
//! a finished SVG can be turned into CSS variables without ambiguity.

use std::fmt::Write;

/// A colour by its role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// Labels and titles.
    Text,
    /// Secondary labels.
    Muted,
    /// The frame and its ticks.
    Frame,
    /// Grid lines.
    Grid,
    /// The background.
    Paper,
    /// Halo behind marks.
    Halo,
    /// Quantum series, by running number.
    Quantum(u8),
    /// Classical series, by running number.
    Classical(u8),
    /// A series of training steps, by running number.
    Series(u8),
    /// Something in favour of the quantum solver, or passed.
    Good,
    /// Something against it, or failed.
    Bad,
    /// A verdict against it that is no proof.
    Against,
    /// Undecided.
    Open,
    /// A mark such as λ or a tolerance.
    Mark,
    /// A cell of a map: 0 (classical far cheaper) to [`MAP_LEVELS`] − 1 (quantum far cheaper).
    Map(u8),
    /// A cell where no number exists.
    MapNone,
}

/// Steps of the diverging ramp; odd, so that the middle one means "equal".
pub const MAP_LEVELS: u8 = 13;

const QUANTUM: [(&str, &str); 4] =
    [("#0072B2", "#5AB4F0"), ("#7A4FB5", "#B795F0"), ("#2A9DAF", "#62D2E0"), ("#3D4E9E", "#93A6FF")];
const CLASSICAL: [(&str, &str); 4] =
    [("#D55E00", "#FF9350"), ("#B8860B", "#EBC04B"), ("#8C3B1B", "#D98A6A"), ("#A8326E", "#F08CBC")];
const SERIES: [(&str, &str); 6] = [
    ("#0073B3", "#5BB5F1"),
    ("#D65F01", "#FF9451"),
    ("#009E73", "#3CCB9F"),
    ("#CC79A7", "#E8A5CB"),
    ("#6B6BD6", "#A9A9FF"),
    ("#8A7A00", "#D8C840"),
];
const MAP: [(&str, &str); MAP_LEVELS as usize] = [
    ("#8F3B00", "#FF9A4D"),
    ("#B35910", "#E07F33"),
    ("#D07C33", "#BF6824"),
    ("#E5A266", "#9B531C"),
    ("#F2C79E", "#784018"),
    ("#F9E4D0", "#553018"),
    ("#F5F5F3", "#33343A"),
    ("#DAE8F3", "#1E3A52"),
    ("#B3D1E8", "#1F4F75"),
    ("#83B4DA", "#226699"),
    ("#4F92C6", "#2F80BC"),
    ("#2470AC", "#4A9FDD"),
    ("#0B4F86", "#76C0F7"),
];

impl Ink {
    /// Every ink once.
    pub fn all() -> Vec<Ink> {
        use Ink::*;
        let mut all = vec![Text, Muted, Frame, Grid, Paper, Halo, Good, Bad, Against, Open, Mark, MapNone];
        all.extend((0..QUANTUM.len()).map(|i| Quantum(i as u8)));
        all.extend((0..CLASSICAL.len()).map(|i| Classical(i as u8)));
        all.extend((0..SERIES.len()).map(|i| Series(i as u8)));
        all.extend((0..MAP_LEVELS).map(Map));
        all
    }

    /// Its colours on a light and on a dark page, as `#RRGGBB`.
    pub fn colours(self) -> (&'static str, &'static str) {
        let pick = |table: &'static [(&'static str, &'static str)], i: u8| table[usize::from(i) % table.len()];
        match self {
            Ink::Text => ("#1B1F24", "#E8EAED"),
            Ink::Muted => ("#5B6470", "#A9B1BB"),
            Ink::Frame => ("#6E7781", "#8B949E"),
            Ink::Grid => ("#E3E6EA", "#30363D"),
            Ink::Paper => ("#FFFFFF", "#14171C"),
            Ink::Halo => ("#FEFEFE", "#15181D"),
            Ink::Quantum(i) => pick(&QUANTUM, i),
            Ink::Classical(i) => pick(&CLASSICAL, i),
            Ink::Series(i) => pick(&SERIES, i),
            Ink::Good => ("#0E7C5A", "#45D0A0"),
            Ink::Bad => ("#B3361F", "#FF8A70"),
            Ink::Against => ("#8A5A00", "#E3B341"),
            Ink::Open => ("#8C959F", "#6E7883"),
            Ink::Mark => ("#7D3C98", "#CFA4E8"),
            Ink::Map(i) => pick(&MAP, i.min(MAP_LEVELS - 1)),
            Ink::MapNone => ("#CDD1D6", "#22262B"),
        }
    }

    /// The light colour's channels.
    pub fn rgb(self) -> (u8, u8, u8) {
        let hex = self.colours().0;
        let channel = |i: usize| hex.get(i..i + 2).and_then(|h| u8::from_str_radix(h, 16).ok()).unwrap_or(0);
        (channel(1), channel(3), channel(5))
    }

    /// The CSS variable's name.
    pub fn variable(self) -> String {
        match self {
            Ink::Quantum(i) => format!("--q{}", usize::from(i) % QUANTUM.len()),
            Ink::Classical(i) => format!("--c{}", usize::from(i) % CLASSICAL.len()),
            Ink::Series(i) => format!("--s{}", usize::from(i) % SERIES.len()),
            Ink::Map(i) => format!("--m{i}"),
            Ink::MapNone => "--mn".into(),
            named => format!("--{}", format!("{named:?}").to_lowercase()),
        }
    }
}

/// The declarations of all variables for one theme, to stand inside a `:root { … }`.
pub fn css_variables(dark: bool) -> String {
    let mut css = String::new();
    for ink in Ink::all() {
        let (light_value, dark_value) = ink.colours();
        let value = if dark { dark_value } else { light_value };
        let _ = write!(css, "{}:{value};", ink.variable());
    }
    css
}

/// Replaces literal light colours in an SVG by CSS variables, the light colour being the fallback.
pub fn to_variables(svg: &str) -> String {
    let mut svg = svg.to_string();
    for ink in Ink::all() {
        let light = ink.colours().0;
        svg = svg.replace(&format!("=\"{light}\""), &format!("=\"var({},{light})\"", ink.variable()));
    }
    svg
}
