//! Matrix Market exchange files: coordinate and array; real, integer and pattern; general and symmetric.
//!
//! Format: R. F. Boisvert, R. Pozo, K. A. Remington, "The Matrix Market Exchange Formats", NISTIR 5935 (1996).

use crate::error::{Error, Result};
use crate::snapshot::limits::Limits;
use crate::snapshot::matrix::{Entries, RawMatrix, check_dense, damaged};
use faer::Mat;
use nalgebra_sparse::{CooMatrix, CsrMatrix};
use std::collections::HashSet;

#[derive(Clone, Copy, PartialEq)]
enum Field {
    Real,
    Integer,
    Pattern,
}

struct Header {
    coordinate: bool,
    field: Field,
    symmetric: bool,
}

/// Reads a Matrix Market file; symmetric storage is mirrored.
///
/// # Errors
/// Input errors with the line at fault: unknown headers, skew-symmetric, Hermitian and complex matrices, wrong
/// counts, indices out of range, entries given twice, numbers that are none.
pub fn read(bytes: &[u8], place: &str, limits: &Limits) -> Result<RawMatrix> {
    let text = std::str::from_utf8(bytes).map_err(|_| damaged(place, "not a text file"))?;
    let mut lines = text.lines().enumerate().map(|(i, line)| (i + 1, line.trim()));
    let header = match lines.next() {
        Some((_, line)) => read_header(line, place)?,
        None => return Err(damaged(place, "an empty file")),
    };
    let mut content = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('%'));
    let Some((number, size)) = content.next() else {
        return Err(damaged(place, "no line with the size"));
    };
    let sizes: Option<Vec<usize>> = size.split_whitespace().map(|t| t.parse().ok()).collect();
    let at = format!("{place}, line {number}");
    match (sizes.as_deref(), header.coordinate) {
        (Some(&[rows, columns, count]), true) => coordinate(&header, rows, columns, count, content, place, limits),
        (Some(&[rows, columns]), false) => array(&header, rows, columns, content, place, limits),
        (_, true) => Err(damaged(&at, format!("'{size}' is not 'rows columns entries'"))),
        (_, false) => Err(damaged(&at, format!("'{size}' is not 'rows columns'"))),
    }
}

fn read_header(line: &str, place: &str) -> Result<Header> {
    let at = format!("{place}, line 1");
    let words: Vec<String> = line.split_whitespace().map(str::to_ascii_lowercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [banner, object, format, field, symmetry] = words[..] else {
        return Err(damaged(&at, "not a header like '%%MatrixMarket matrix coordinate real symmetric'"));
    };
    if banner != "%%matrixmarket" || object != "matrix" {
        return Err(damaged(&at, "not a header like '%%MatrixMarket matrix coordinate real symmetric'"));
    }
    let coordinate = match format {
        "coordinate" => true,
        "array" => false,
        other => return Err(damaged(&at, format!("the storage '{other}' is neither coordinate nor array"))),
    };
    let unfit = |what: String| {
        Err(Error::input("matrix::kind", &at, what, "a Hessian is real and symmetric: give such a matrix"))
    };
    let symmetric = match symmetry {
        "general" => false,
        "symmetric" => true,
        "skew-symmetric" => return unfit("a skew-symmetric matrix is never a Hessian".into()),
        "hermitian" => return unfit("a Hermitian matrix is complex".into()),
        other => return Err(damaged(&at, format!("the symmetry '{other}' is unknown"))),
    };
    let field = match field {
        "real" | "double" => Field::Real,
        "integer" => Field::Integer,
        "pattern" if coordinate => Field::Pattern,
        "pattern" => return Err(damaged(&at, "a pattern cannot be stored as an array")),
        "complex" => return unfit("a complex matrix".into()),
        other => return Err(damaged(&at, format!("the field '{other}' is unknown"))),
    };
    Ok(Header { coordinate, field, symmetric })
}

fn coordinate<'a>(
    header: &Header,
    rows: usize,
    columns: usize,
    count: usize,
    lines: impl Iterator<Item = (usize, &'a str)>,
    place: &str,
    limits: &Limits,
) -> Result<RawMatrix> {
    check_square(rows, columns, place)?;
    let bytes = (rows as u64).saturating_mul(8).saturating_add((count as u64).saturating_mul(48));
    if bytes > limits.memory {
        return Err(Error::resource(
            "matrix::memory",
            place,
            format!("N = {rows} with {count} entries needs about {bytes} bytes, above the limit of {}", limits.memory),
            format!("raise --max-memory above {bytes}"),
        ));
    }
    let mut matrix = CooMatrix::new(rows, columns);
    let mut seen = HashSet::new();
    let mut found = 0usize;
    for (number, line) in lines {
        let at = || format!("{place}, line {number}");
        found += 1;
        if found > count {
            return Err(damaged(&at(), format!("more entries than the {count} that the size line promises")));
        }
        let mut words = line.split_whitespace();
        let mut index = |extent: usize| {
            let word = words.next().unwrap_or("");
            match word.parse::<usize>() {
                Ok(i) if (1..=extent).contains(&i) => Ok(i - 1),
                _ => Err(damaged(&at(), format!("the index '{word}' is not between 1 and {extent}"))),
            }
        };
        let (i, j) = (index(rows)?, index(columns)?);
        let value = match header.field {
            Field::Pattern => 1.0,
            field => number_of(words.next().unwrap_or(""), field, &at)?,
        };
        if let Some(word) = words.next() {
            return Err(damaged(&at(), format!("'{word}' is one word too many")));
        }
        // In symmetric storage [i, j] and [j, i] are one entry.
        let key = if header.symmetric { (i.max(j), i.min(j)) } else { (i, j) };
        if !seen.insert(key) {
            return Err(damaged(&at(), format!("the entry ({}, {}) is given twice", i + 1, j + 1)));
        }
        matrix.push(i, j, value);
        if header.symmetric && i != j {
            matrix.push(j, i, value);
        }
    }
    if found != count {
        return Err(damaged(place, format!("{found} entries instead of the {count} that the size line promises")));
    }
    Ok(RawMatrix { rows, columns, entries: Entries::Sparse(CsrMatrix::from(&matrix)) })
}

fn array<'a>(
    header: &Header,
    rows: usize,
    columns: usize,
    lines: impl Iterator<Item = (usize, &'a str)>,
    place: &str,
    limits: &Limits,
) -> Result<RawMatrix> {
    check_square(rows, columns, place)?;
    check_dense(place, rows, limits.memory)?;
    let count = if header.symmetric { rows * (rows + 1) / 2 } else { rows * columns };
    // Grows with the file, never with what the size line claims.
    let mut values = Vec::new();
    for (number, line) in lines {
        let at = || format!("{place}, line {number}");
        for word in line.split_whitespace() {
            if values.len() == count {
                return Err(damaged(&at(), format!("more values than the {count} of this size")));
            }
            values.push(number_of(word, header.field, &at)?);
        }
    }
    if values.len() != count {
        return Err(damaged(place, format!("{} values instead of the {count} of this size", values.len())));
    }
    let mut matrix = Mat::zeros(rows, columns);
    let mut values = values.into_iter();
    for j in 0..columns {
        let first = if header.symmetric { j } else { 0 };
        for (i, value) in (first..rows).zip(values.by_ref().take(rows - first)) {
            matrix[(i, j)] = value;
            if header.symmetric {
                matrix[(j, i)] = value;
            }
        }
    }
    Ok(RawMatrix { rows, columns, entries: Entries::Dense(matrix) })
}

fn check_square(rows: usize, columns: usize, place: &str) -> Result<()> {
    if rows != columns {
        return Err(damaged(place, format!("a matrix of {rows} rows and {columns} columns is not square")));
    }
    if rows == 0 {
        return Err(damaged(place, "a matrix without rows"));
    }
    Ok(())
}

fn number_of(word: &str, field: Field, at: &dyn Fn() -> String) -> Result<f64> {
    let wrong = || damaged(&at(), format!("'{word}' is not a number"));
    if field == Field::Integer {
        let value: i64 = word.parse().map_err(|_| wrong())?;
        if value.unsigned_abs() > 1 << 53 {
            return Err(damaged(&at(), format!("the integer {value} has no exact double")));
        }
        return Ok(value as f64);
    }
    // Fortran writes exponents with D.
    let value: f64 = word.replace(['d', 'D'], "e").parse().map_err(|_| wrong())?;
    if !value.is_finite() {
        return Err(damaged(&at(), format!("'{word}' is not a finite number")));
    }
    Ok(value)
}
