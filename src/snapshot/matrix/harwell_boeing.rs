//! Harwell-Boeing and Rutherford-Boeing files: assembled, real or pattern, symmetric or general.
//!
//! Format: I. S. Duff, R. G. Grimes, J. G. Lewis, "The Rutherford-Boeing Sparse Matrix Collection", RAL-TR-97-031.

use crate::error::{Error, Result};
use crate::snapshot::limits::Limits;
use crate::snapshot::matrix::{Entries, RawMatrix, damaged};
use nalgebra_sparse::{CooMatrix, CsrMatrix};

/// Reads the matrix of a file; right-hand sides stored with it are left out.
///
/// # Errors
/// Input errors for unknown or unfit types (complex, skew, Hermitian, rectangular, unassembled), formats that are
/// not simple Fortran ones, wrong counts, pointers and indices out of range, entries given twice.
pub fn read(bytes: &[u8], place: &str, limits: &Limits) -> Result<RawMatrix> {
    if !bytes.is_ascii() {
        return Err(damaged(place, "not an ASCII text file"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| damaged(place, "not a text file"))?;
    let mut lines = Lines { lines: text.lines().enumerate().collect(), next: 0, place };
    lines.take()?;
    let cards = lines.take()?;
    let right_hand_side = cards.split_whitespace().nth(4).is_some_and(|w| w.parse::<i64>().is_ok_and(|n| n > 0));
    let kind_line = lines.take()?;
    let (kind, sizes) = kind_line.split_at(kind_line.len().min(3));
    let kind = Kind::of(kind, place)?;
    let sizes: Vec<usize> = sizes.split_whitespace().map_while(|w| w.parse().ok()).collect();
    let &[rows, columns, count, ..] = sizes.as_slice() else {
        return Err(damaged(place, format!("line 3: '{kind_line}' lacks rows, columns and entries")));
    };
    let formats = lines.take()?;
    let column = |from: usize, to: usize| formats.get(from.min(formats.len())..to.min(formats.len())).unwrap_or("");
    let pointer_format = Format::parse(column(0, 16), place)?;
    let index_format = Format::parse(column(16, 32), place)?;
    let value_format = if kind.pattern { None } else { Some(Format::parse(column(32, 52), place)?) };
    if right_hand_side {
        lines.take()?;
    }
    if rows != columns {
        return Err(damaged(place, format!("a matrix of {rows} rows and {columns} columns is not square")));
    }
    if rows == 0 {
        return Err(damaged(place, "a matrix without rows"));
    }
    // Every number takes a character at least.
    if rows >= bytes.len() || count >= bytes.len() {
        return Err(damaged(place, format!("N = {rows} with {count} entries does not fit into {} bytes", bytes.len())));
    }
    let needed = (rows as u64 + count as u64) * 64;
    if needed > limits.memory {
        return Err(Error::resource(
            "matrix::memory",
            place,
            format!("N = {rows} with {count} entries needs about {needed} bytes, above the limit of {}", limits.memory),
            format!("raise --max-memory above {needed}"),
        ));
    }
    let pointers = lines.integers(&pointer_format, columns + 1)?;
    let indices = lines.integers(&index_format, count)?;
    let values = match &value_format {
        Some(format) => lines.reals(format, count)?,
        None => vec![1.0; count],
    };
    assemble(rows, &pointers, &indices, &values, kind.symmetric, place)
}

fn assemble(
    n: usize,
    pointers: &[usize],
    indices: &[usize],
    values: &[f64],
    symmetric: bool,
    place: &str,
) -> Result<RawMatrix> {
    let sorted = pointers.windows(2).all(|w| w[0] <= w[1]);
    if pointers.first() != Some(&1) || pointers.last() != Some(&(indices.len() + 1)) || !sorted {
        return Err(damaged(place, "the column pointers do not rise from 1 to the number of entries plus 1"));
    }
    let mut matrix = CooMatrix::new(n, n);
    let mut last_seen = vec![usize::MAX; n];
    for (column, ends) in pointers.windows(2).enumerate() {
        for at in ends[0] - 1..ends[1] - 1 {
            let row = match indices[at].checked_sub(1) {
                Some(row) if row < n => row,
                _ => {
                    return Err(damaged(
                        place,
                        format!("column {}: the row index {} is not between 1 and {n}", column + 1, indices[at]),
                    ));
                }
            };
            if symmetric && row < column {
                return Err(damaged(
                    place,
                    format!("entry ({}, {}) lies above the diagonal of a symmetric matrix", row + 1, column + 1),
                ));
            }
            if last_seen[row] == column {
                return Err(damaged(place, format!("the entry ({}, {}) is given twice", row + 1, column + 1)));
            }
            last_seen[row] = column;
            matrix.push(row, column, values[at]);
            if symmetric && row != column {
                matrix.push(column, row, values[at]);
            }
        }
    }
    Ok(RawMatrix { rows: n, columns: n, entries: Entries::Sparse(CsrMatrix::from(&matrix)) })
}

struct Kind {
    pattern: bool,
    symmetric: bool,
}

impl Kind {
    /// The three letters: real/complex/pattern/integer, symmetry, assembled or elemental.
    fn of(letters: &str, place: &str) -> Result<Self> {
        let unfit = |what: &str| {
            Err(Error::input(
                "matrix::kind",
                format!("{place}, line 3"),
                format!("type '{letters}': {what}"),
                "a Hessian is real and symmetric: give an assembled matrix of type RSA",
            ))
        };
        let lower = letters.to_ascii_lowercase();
        let [field, symmetry, storage] = lower.as_bytes() else {
            return unfit("three letters are expected");
        };
        let pattern = match field {
            b'r' | b'i' => false,
            b'p' => true,
            b'c' => return unfit("a complex matrix"),
            _ => return unfit("an unknown field"),
        };
        let symmetric = match symmetry {
            b's' => true,
            b'u' => false,
            b'z' => return unfit("a skew-symmetric matrix is never a Hessian"),
            b'h' => return unfit("a Hermitian matrix is complex"),
            b'r' => return unfit("a rectangular matrix"),
            _ => return unfit("an unknown symmetry"),
        };
        match storage {
            b'a' => Ok(Kind { pattern, symmetric }),
            b'e' => unfit("an unassembled matrix"),
            _ => unfit("an unknown storage"),
        }
    }
}

/// A Fortran format of one repeated field: `(16I5)`, `(1P,5E16.8)`, `(4D20.12)`.
struct Format {
    per_line: usize,
    width: usize,
    decimals: i32,
    scale: i32,
}

impl Format {
    fn parse(text: &str, place: &str) -> Result<Self> {
        let wrong =
            || damaged(place, format!("line 4: the Fortran format '{}' is not a simple repeated field", text.trim()));
        let upper: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_uppercase();
        let inner = upper.strip_prefix('(').and_then(|t| t.strip_suffix(')')).ok_or_else(wrong)?;
        let (scale, field) = match inner.split_once('P') {
            Some((scale, rest)) => (scale.parse::<i32>().map_err(|_| wrong())?, rest.strip_prefix(',').unwrap_or(rest)),
            None => (0, inner),
        };
        let letter = field.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let per_line = if letter == 0 { 1 } else { field[..letter].parse().map_err(|_| wrong())? };
        if !matches!(field.as_bytes()[letter], b'I' | b'E' | b'D' | b'F' | b'G') {
            return Err(wrong());
        }
        let mut rest = &field[letter + 1..];
        // `E16.8E3` gives the exponent its own width, which reading does not need.
        if let Some((head, _)) = rest.split_once('E') {
            rest = head;
        }
        let (width, decimals) = rest.split_once('.').unwrap_or((rest, "0"));
        let width: usize = width.parse().map_err(|_| wrong())?;
        let decimals: i32 = decimals.parse().map_err(|_| wrong())?;
        let fits = (1..=1000).contains(&per_line) && (1..=1000).contains(&width);
        if !fits || !(0..=1000).contains(&decimals) || scale.abs() > 300 {
            return Err(wrong());
        }
        Ok(Format { per_line, width, decimals, scale })
    }
}

struct Lines<'a> {
    lines: Vec<(usize, &'a str)>,
    next: usize,
    place: &'a str,
}

impl<'a> Lines<'a> {
    fn take(&mut self) -> Result<&'a str> {
        let line = self.lines.get(self.next).map(|(_, line)| *line);
        self.next += 1;
        line.ok_or_else(|| damaged(self.place, "the file ends too early"))
    }

    /// Calls `read` with each of `count` fixed-width fields.
    ///
    /// A line whose columns do not fit the format, but that has exactly the numbers it should when split at blanks, is
    /// read so: SciPy's `hb_write` announces a width one larger than it writes.
    fn fields<T>(
        &mut self,
        format: &Format,
        count: usize,
        read: impl Fn(&str) -> Option<T>,
        what: &str,
    ) -> Result<Vec<T>> {
        let mut values = Vec::new();
        while values.len() < count {
            let line = self.take()?;
            let wanted = format.per_line.min(count - values.len());
            let before = values.len();
            for i in 0..wanted {
                let from = (i * format.width).min(line.len());
                let to = (from + format.width).min(line.len());
                let field = line.get(from..to).unwrap_or("").trim();
                match read(field) {
                    Some(value) => values.push(value),
                    None => {
                        let spaced: Option<Vec<T>> = line.split_whitespace().map(&read).collect();
                        if let Some(spaced) = spaced.filter(|s| s.len() == wanted) {
                            values.truncate(before);
                            values.extend(spaced);
                            break;
                        }
                        return Err(damaged(
                            &format!("{}, line {}", self.place, self.next),
                            format!("field {} '{field}' is not {what}", i + 1),
                        ));
                    }
                }
            }
        }
        Ok(values)
    }

    fn integers(&mut self, format: &Format, count: usize) -> Result<Vec<usize>> {
        self.fields(format, count, |field| field.parse().ok(), "a natural number")
    }

    fn reals(&mut self, format: &Format, count: usize) -> Result<Vec<f64>> {
        self.fields(format, count, |field| real(field, format), "a finite number")
    }
}

/// A Fortran real: `D` exponents, exponents without a letter, implied decimal point, scale factor.
fn real(field: &str, format: &Format) -> Option<f64> {
    if field.is_empty() {
        return None;
    }
    let mut text = field.to_ascii_lowercase().replace('d', "e");
    let mut exponent = text.contains('e');
    if !exponent && let Some(sign) = text[1..].find(['+', '-']) {
        text.insert(sign + 1, 'e');
        exponent = true;
    }
    if text.bytes().any(|b| !matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e')) {
        return None;
    }
    if !text.contains('.') && format.decimals > 0 {
        let end = text.find('e').unwrap_or(text.len());
        let power: i32 = text.get(end + 1..).filter(|t| !t.is_empty()).map_or(Some(0), |t| t.parse().ok())?;
        text = format!("{}e{}", &text[..end], power.checked_sub(format.decimals)?);
    }
    if !exponent && format.scale != 0 {
        let end = text.find('e').unwrap_or(text.len());
        let power: i32 = text.get(end + 1..).filter(|t| !t.is_empty()).map_or(Some(0), |t| t.parse().ok())?;
        text = format!("{}e{}", &text[..end], power.checked_sub(format.scale)?);
    }
    text.parse::<f64>().ok().filter(|v| v.is_finite())
}
