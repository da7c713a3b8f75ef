//! The numbers under the formulas: functions against 60 digits, extreme arguments, compiled forms, growth as slopes.

use breakeven::expr::{Compiled, Growth, Interval, Values, parse};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::Path;

/// `tests/data/kernels/kernels.csv`, written by the script beside it.
#[test]
fn functions_against_sixty_digits() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/kernels/kernels.csv");
    let text = std::fs::read_to_string(path).unwrap();
    let forms = [("ln", "ln(x)", 0.9), ("log2", "log2(x)", 0.9), ("exp", "exp(x)", 0.9), ("third", "x^(1/3)", 0.51)];
    let forms: Vec<_> = forms.into_iter().chain([("power", "x^y", 0.9)]).collect();
    for (name, source, bound) in forms {
        let formula = parse(source).unwrap();
        let compiled = Compiled::new(std::slice::from_ref(&formula), &["x", "y"]).unwrap();
        let mut worst = 0.0_f64;
        let (mut xs, mut ys, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for row in text.lines().filter(|row| row.split(',').next() == Some(name)) {
            let numbers: Vec<f64> = row.split(',').skip(1).map(|n| n.parse().unwrap()).collect();
            let [x, y, nearest, missing] = numbers[..] else { panic!("{row}") };
            let value = formula.evaluate(&|n| Some(if n == "x" { x } else { y })).unwrap();
            let ulp = nearest.abs().next_up() - nearest.abs();
            worst = worst.max(((value - nearest) / ulp - missing).abs());
            xs.push(x);
            ys.push(y);
            values.push(Some(value));
        }
        assert!(values.len() > 100 && worst <= bound, "{source}: {worst} units in the last place");
        // Columns give the same bits as single points.
        let columns = compiled.eval_many(&[&xs, &ys]).unwrap();
        assert_eq!(columns.iter(0).collect::<Vec<_>>(), values, "{source}");
    }
}

#[test]
fn enclosures_hold_at_huge_tiny_and_subnormal_values() {
    let mut rng = ChaCha8Rng::seed_from_u64(41);
    let formulas = [
        "x*y",
        "x/y",
        "x + y",
        "x - y",
        "x*y/z",
        "(x*y)/(y*z)",
        "sqrt(x*y)",
        "x^2*y",
        "x^(1/3)/y",
        "ln(x)*y",
        "x^y",
        "exp(ln(x) - ln(y))",
        "1/(1/x + 1/y)",
        "min(x, y) - max(y, z)",
        "cbrt(x)*log2(y)",
        "x^3/z",
        "x^-2*y",
        "ln1p(x)/x",
        "expm1(x)/x",
        "acosh(1 + x)*asinh(y)",
        "ceil(x) - floor(y)",
        "(x + y)^7",
    ];
    let formulas = formulas.map(|source| parse(source).unwrap());
    let (mut met, mut beyond) = (0, 0);
    for _ in 0..4_000 {
        let coordinate = |rng: &mut ChaCha8Rng| match rng.random_range(0..6) {
            0 => f64::from_bits(rng.random_range(1..1 << 52)),
            1 => f64::MIN_POSITIVE * (1.0 + rng.random::<f64>()),
            2 => f64::MAX * (1.0 - 0.9 * rng.random::<f64>()),
            3 => 1.0 + f64::EPSILON * f64::from(rng.random_range(0..4)),
            _ => 10f64.powf(616.0 * rng.random::<f64>() - 308.0),
        };
        let at = [(); 3].map(|()| coordinate(&mut rng));
        let position = |name: &str| ["x", "y", "z"].iter().position(|n| *n == name);
        for formula in &formulas {
            let value = formula.evaluate(&|n| position(n).map(|i| at[i]));
            let point = formula.evaluate_interval(&|n| position(n).map(|i| Interval::point(at[i])));
            let wide = |x: f64| Interval::new(x.next_down().max(0.0), x.next_up().min(f64::MAX));
            let around = formula.evaluate_interval(&|n| position(n).and_then(|i| wide(at[i])));
            match (&value, &point) {
                (Ok(value), Ok(point)) => {
                    assert!(point.contains(*value), "{formula:?} at {at:?}: {value} not in {point}");
                    met += 1;
                }
                (Ok(_), Err(e)) => assert!(!e.certain, "{formula:?} at {at:?}: {e}"),
                (Err(e), Ok(point)) => {
                    // Rounding may overflow where the exact value just does not, never the other way.
                    assert!(point.hi.abs().max(point.lo.abs()) > 1e307, "{formula:?} at {at:?}: {e}, but {point}");
                }
                (Err(_), Err(_)) => beyond += 1,
            }
            if let (Ok(value), Ok(around)) = (&value, &around) {
                assert!(around.contains(*value), "{formula:?} at {at:?}: {value} not in {around}");
            }
        }
    }
    assert!(met > 30_000 && beyond > 5_000, "{met} {beyond}");
}

/// Sums and products of whole numbers beyond 2^53 and of eighths, whose exact value an i128 holds.
#[test]
fn outward_rounding_contains_exact_integers() {
    let mut rng = ChaCha8Rng::seed_from_u64(42);
    let formula = parse("a*b + c*d - a*d").unwrap();
    let mut inexact = 0;
    for _ in 0..20_000 {
        let whole = [(); 4].map(|()| rng.random_range(-(1_i64 << 52)..1 << 52));
        let [a, b, c, d] = whole.map(i128::from);
        let exact = a * b + c * d - a * d;
        let name = |n: &str| ["a", "b", "c", "d"].iter().position(|m| *m == n);
        let found = formula.evaluate_interval(&|n| name(n).map(|i| Interval::point(whole[i] as f64))).unwrap();
        // Each end is a whole number below 2^106, so that it is exact as an i128.
        assert!(found.lo as i128 <= exact && exact <= found.hi as i128, "{whole:?}: {exact} not in {found}");
        inexact += i32::from(!found.is_point());
    }
    assert!(inexact > 19_000);
}

#[test]
fn compiled_forms_of_every_size_agree() {
    // More registers than a short program has, and products that are used twice or subtracted.
    let long: Vec<String> = (0..300).map(|i| format!("ln(x + {i})*(y - {i}*x)")).collect();
    let sources = [
        long.join(" + "),
        "let p = x*y in p + 1/p - p*p".into(),
        "x - x*y".into(),
        "2 - 3*x".into(),
        "x*y/(x - y)".into(),
        "1/(x*1e300*1e300) + y".into(),
        "if(x > y, 1/(x - y), x*y - 0.5*x)".into(),
        "-x*y + x^2 - y^-1 + x^-2 + x^(1/3)".into(),
        "0*x - y".into(),
    ];
    for source in sources {
        let formula = parse(&source).unwrap();
        let compiled = Compiled::new(std::slice::from_ref(&formula), &["x", "y"]).unwrap();
        let mut evaluator = compiled.evaluator();
        let mut rng = ChaCha8Rng::seed_from_u64(43);
        let points: Vec<[f64; 2]> =
            (0..300).map(|_| [(); 2].map(|()| 10f64.powf(6.0 * rng.random::<f64>() - 3.0))).collect();
        let columns = [0, 1].map(|i| points.iter().map(|p| p[i]).collect::<Vec<f64>>());
        let many = compiled.eval_many(&[&columns[0], &columns[1]]).unwrap();
        for (row, point) in points.iter().enumerate() {
            let value = formula.evaluate(&|n| Some(point[usize::from(n == "y")]));
            assert_eq!(value.as_ref().ok().copied(), many.get(0, row), "{source:.60} at {point:?}");
            match (value, evaluator.eval(point)) {
                (Ok(value), Ok([found])) => assert_eq!(value, *found, "{source:.60} at {point:?}"),
                (Err(a), Err(b)) => assert_eq!(a, b),
                (a, b) => panic!("{source:.60} at {point:?}: {a:?} {b:?}"),
            }
        }
        // Values that are not finite are refused where they are used, and the next point is as before.
        for bad in [[f64::INFINITY, 1.0], [1.0, f64::NEG_INFINITY], [f64::NAN, f64::NAN]] {
            let expected = formula.evaluate(&|n| Some(bad[usize::from(n == "y")]));
            assert_eq!(evaluator.eval(&bad).map(|v| v[0]), expected, "{source:.60} at {bad:?}");
        }
        assert_eq!(evaluator.eval(&points[0]).ok().map(|v| v[0]), many.get(0, 0));
    }
}

#[test]
fn memory_of_values_is_used_again() {
    let formulas = ["x + y", "ln(x)"].map(|s| parse(s).unwrap());
    let two = Compiled::new(&formulas, &["x", "y"]).unwrap();
    let one = Compiled::new(&formulas[..1], &["x", "y"]).unwrap();
    let (x, y): (Vec<f64>, Vec<f64>) = (0..1000).map(|i| (f64::from(i), 0.5)).unzip();
    let mut values = Values::default();
    two.eval_many_into(&[&x, &y], &mut values).unwrap();
    assert_eq!((values.missing(0), values.missing(1), values.get(1, 0)), (0, 1, None));
    let rows = |v: &Values| -> Vec<Option<f64>> { v.iter(0).chain(v.iter(1)).collect() };
    assert_eq!(rows(&values), rows(&two.eval_many(&[&x, &y]).unwrap()));
    one.eval_many_into(&[&x[..7], &y[..7]], &mut values).unwrap();
    assert_eq!(rows(&values), rows(&one.eval_many(&[&x[..7], &y[..7]]).unwrap()));
    let before = rows(&values);
    assert!(two.eval_many_into(&[&x, &y[..3]], &mut values).is_err());
    assert_eq!(rows(&values), before);
}

/// The derived leading order against numbers: along x_i = t^w_i, value over leading order settles.
#[test]
fn growth_is_the_numeric_slope_in_several_variables() {
    let formulas = [
        ("d*kappa*ln(n*kappa/eps)", "d kappa n eps"),
        ("3*kappa^2*sqrt(n) + kappa^2*ln(n)^3 + 7*kappa", "kappa n"),
        ("(kappa + n)^3/(1 + kappa)^2", "kappa n"),
        ("ceil(kappa*ln(2/eps)/2)*(5*n^2 + n) + floor(n^1.5)", "kappa n eps"),
        ("sqrt(kappa^2 + 1)*ln(1 + n)^2/eps", "kappa n eps"),
        ("max(n^2*kappa, n^2)*log2(1/eps)", "kappa n eps"),
        ("n^2/(asinh(1/kappa)*(1 - eps))", "kappa n eps"),
        ("2*ceil(ln(2/eps)/(2*atanh(1/kappa)))*(2*n^2 + 14*n)", "kappa n eps"),
    ];
    let mut rng = ChaCha8Rng::seed_from_u64(44);
    for (source, names) in formulas {
        let names: Vec<&str> = names.split(' ').collect();
        let formula = parse(source).unwrap();
        let growth = formula.growth(&names);
        assert!(matches!(growth, Growth::Known(_)), "{source}: {growth}");
        let text = growth.to_string();
        let leading = parse(text.trim_start_matches("Θ(").strip_suffix(')').unwrap()).unwrap();
        for _ in 0..20 {
            let weights: Vec<f64> = names.iter().map(|_| 0.5 + rng.random::<f64>()).collect();
            let ratio = |t: f64| {
                let at = |n: &str| {
                    let i = names.iter().position(|m| *m == n)?;
                    Some(if n == "eps" { t.powf(-weights[i]) } else { t.powf(weights[i]) })
                };
                formula.evaluate(&at).unwrap() / leading.evaluate(&at).unwrap()
            };
            // Where t squares, an order too many or too few would change the ratio without bound.
            let (near, far) = (ratio(1e20), ratio(1e40));
            assert!((0.7..1.43).contains(&(far / near)), "{source} ~ {text}: {near} {far} at {weights:?}");
        }
    }
}
