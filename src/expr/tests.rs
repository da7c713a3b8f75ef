//! Unit tests of the formula language.

use super::*;

fn value(source: &str) -> f64 {
    at(source, &[])
}

fn at(source: &str, point: &[(&str, f64)]) -> f64 {
    parse(source)
        .unwrap_or_else(|e| panic!("{}", e.render(source, "test")))
        .evaluate(&|name| point.iter().find(|(n, _)| *n == name).map(|(_, v)| *v))
        .unwrap_or_else(|e| panic!("{}", e.render(source, "test")))
}

#[test]
fn precedence() {
    assert_eq!(value("-2^2"), -4.0);
    assert_eq!(value("(-2)^2"), 4.0);
    assert_eq!(value("2^3^2"), 512.0);
    assert_eq!(value("2^-1"), 0.5);
    assert_eq!(value("8 - 3 - 2"), 3.0);
    assert_eq!(value("8 / 4 / 2"), 1.0);
    assert_eq!(value("1 + 2 * 3"), 7.0);
    assert_eq!(value("-2 * 3 + 1"), -5.0);
    assert_eq!(value("2 ^ -1 ^ 2 * 4"), 2.0);
    assert_eq!(value("if(1 < 2 <= 2 && !(3 == 4) || false, 5, 6)"), 5.0);
    assert_eq!(value("min(3, 1, 2) + max(3, 1, 2)"), 4.0);
    assert_eq!(value("let a = 3 in let b = a * a in b + a"), 12.0);
    assert_eq!(value("sum(k, 1, 4, prod(l, 1, k, l))"), 33.0);
    assert_eq!(value("sum(k, 3, 2, k) + prod(k, 3, 2, k)"), 1.0);
    assert_eq!(value("piecewise(1 > 2, 1, 2 > 1, 7, 9)"), 7.0);
}

#[test]
fn errors_point_at_the_fault() {
    for (source, span, message) in [
        ("1 + log(2)", 4..7, "base"),
        ("2kappa", 0..6, "not a number"),
        ("kappa (3)", 0..5, "no function"),
        ("(1 + 2", 6..6, "expected `)`"),
        ("1 + 2)", 5..6, "closes nothing"),
        ("let a = a in a", 8..9, "by itself"),
        ("ln", 0..2, "needs its argument"),
        ("ln(1, 2)", 0..8, "takes 1"),
        ("1 < 2", 0..5, "a number is needed"),
        ("if(1, 2, 3)", 3..4, "a condition is needed"),
        ("κ + 1", 0..2, "not part"),
        ("1 = 2", 2..3, "stands alone"),
        ("sum(k, 1, 2, sum(k, 1, 2, 3))", 17..18, "already taken"),
        ("", 0..0, "ends"),
        ("1e999", 0..5, "range"),
        ("2 3", 2..3, "operator is missing"),
    ] {
        let error = parse(source).expect_err(source);
        assert_eq!(error.span, span, "{source}: {error}");
        assert!(error.message.contains(message), "{source}: {error}");
        assert!(error.render(source, "f").starts_with("f:1:"), "{source}");
    }
}

#[test]
fn failures_are_typed() {
    use EvalErrorKind as K;
    for (source, kind, span) in [
        ("1 / (2 - 2)", K::DivisionByZero, 0..11),
        ("ln(0 - 1)", K::Domain, 0..9),
        ("exp(1000)", K::Overflow, 0..9),
        ("1 / exp(1000)", K::Overflow, 4..13),
        ("0 ^ -1", K::DivisionByZero, 0..6),
        ("(-8) ^ (1/3)", K::Domain, 0..12),
        ("1 + missing", K::UnknownVariable, 4..11),
        ("sum(k, 0.5, 2, k)", K::Bounds, 0..17),
        ("sum(k, 1, 1e9, k)", K::TooManyTerms, 0..17),
        ("1e308 * 10", K::Overflow, 0..10),
    ] {
        let error = parse(source).unwrap().evaluate(&|_| None).expect_err(source);
        assert_eq!((error.kind, error.span.clone()), (kind, span), "{source}: {error}");
    }
    // The branch not taken may be undefined.
    assert_eq!(value("if(1 > 2, ln(0), 3)"), 3.0);
    assert_eq!(value("if(1 > 2 && ln(0) > 0, 1, 4)"), 4.0);
    assert!(parse("x").unwrap().evaluate(&|_| Some(f64::NAN)).is_err());
}

#[test]
fn nesting_is_refused_cleanly() {
    for source in
        ["(".repeat(60_000), "-".repeat(60_000), "ln(".repeat(20_000), "2^".repeat(30_000) + "2", "(".repeat(100_000)]
    {
        let error = parse(&source).unwrap_err();
        assert!(error.message.contains("deep") || error.message.contains("limit"), "{}", error.message);
        assert!(error.render(&source, "f").len() < 1000);
    }
    // Long flat sums are fine.
    assert_eq!(value(&("1".to_string() + &"+1".repeat(20_000))), 20_001.0);
}

#[test]
fn definitions_share_and_refuse_cycles() {
    let mut scope = Scope::with_variables(["kappa", "eps"]);
    scope.define("l", "ln(2 * kappa + 3)").unwrap();
    scope.define("m", "l^2 + 1").unwrap();
    let m = scope.parse("m * l").unwrap();
    let l = (2.0f64 * 5.0 + 3.0).ln();
    assert_eq!(m.evaluate(&|_| Some(5.0)).unwrap(), (l * l + 1.0) * l);
    assert!(scope.define("x", "x + 1").unwrap_err().message.contains("itself"));
    assert!(scope.define("l", "1").unwrap_err().message.contains("twice"));
    assert!(scope.define("ln", "1").is_err());
    assert_eq!(scope.parse("kapa").unwrap_err().help, "did you mean `kappa`?");
}

#[test]
fn substitution_captures_nothing() {
    let outer = parse("sum(k, 1, 3, x * k)").unwrap();
    let inner = parse("sum(k, 1, 2, k)").unwrap();
    let both = outer.substitute("x", &inner);
    assert_eq!(both, parse("sum(a, 1, 3, sum(b, 1, 2, b) * a)").unwrap());
    assert_eq!(both.evaluate(&|_| None).unwrap(), 18.0);
    let y = parse("k + 1").unwrap();
    let free = outer.substitute("x", &y);
    assert_eq!(free.evaluate(&|_| Some(10.0)).unwrap(), 66.0);
}

/// n_QAA of arXiv:2503.21420, Lemma 13, with the constant tail in closed form.
pub(super) const QAA: &str = "let theta = asin(sqrt(p)) in
    let cap = 1 / sqrt(p0) in
    let last = max(ceil(ln(cap) / ln(6/5)), 1) in
    let m = floor(cap) in
    let ratio = 1/2 + sin(4*(m + 1)*theta) / (4*(m + 1)*sin(2*theta)) in
    sum(k, 1, last, floor(min((6/5)^k, cap)) * prod(l, 1, k - 1,
        1/2 + sin(4*(floor(min((6/5)^l, cap)) + 1)*theta) / (4*(floor(min((6/5)^l, cap)) + 1)*sin(2*theta))))
    + m * prod(l, 1, last,
        1/2 + sin(4*(floor(min((6/5)^l, cap)) + 1)*theta) / (4*(floor(min((6/5)^l, cap)) + 1)*sin(2*theta))) / (1 - ratio)";

/// Theorem 1 of arXiv:2305.11352v1.
pub(super) const JENNINGS: &str = "let L = ln(2*kappa + 3) in
    (1741*alpha*e/500) * sqrt(kappa^2 + 1) * ((133/125 + 4/(25*kappa^(1/3))) * pi * L + 1)
    + (351/50) * L^2 * (ln(451*L^2/eps) + 1) + alpha*kappa*ln(32/eps)";

#[test]
fn worked_values() {
    let close = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-12, "{a} {b}");
    close(at(QAA, &[("p", 1.0 / 400.0), ("p0", 1.0 / 400.0)]), 41.71661102950983);
    close(at(QAA, &[("p", 0.25), ("p0", 0.01)]), 1.7549590708305995);
    close(at(QAA, &[("p", 1e-3), ("p0", 1e-4)]), 73.9007182327274);
    let q = at(JENNINGS, &[("alpha", 1.0), ("kappa", 1e5), ("eps", 1e-10)]);
    assert!((q / 42375661.116832726 - 1.0).abs() < 1e-14);
    assert_eq!(
        at("835.4*kappa + ceil(kappa*ln(2/(sqrt(1 + eps/4) - 1)) + 2)", &[("kappa", 100.0), ("eps", 1e-10)]),
        86122.0
    );
}

#[test]
fn conditions() {
    let domain = parse_condition("kappa >= sqrt(12) && 0 < eps <= 0.24").unwrap();
    let check = |kappa: f64, eps: f64| domain.check(&|n| Some(if n == "kappa" { kappa } else { eps })).unwrap();
    assert!(check(12f64.sqrt(), 0.24) && !check(3.4, 0.1) && !check(4.0, 0.25) && !check(4.0, 0.0));
    let over = |lo: f64, hi: f64| {
        domain
            .check_interval(&|n| Some(if n == "kappa" { Interval { lo, hi } } else { Interval::point(0.125) }))
            .unwrap()
    };
    assert_eq!((over(4.0, 9.0), over(1.0, 9.0), over(1.0, 2.0)), (Truth::True, Truth::Maybe, Truth::False));
}

#[test]
fn intervals_contain_and_stay_tight() {
    let over = |source: &str, lo: f64, hi: f64| parse(source).unwrap().evaluate_interval(&|_| Interval::new(lo, hi));
    assert_eq!(over("x^2 - 2*x + 7", 3.0, 3.0).unwrap(), Interval::point(10.0));
    assert_eq!(over("x^2", -3.0, 2.0).unwrap(), Interval { lo: 0.0, hi: 9.0 });
    assert_eq!(over("ceil(log2(x))", 1024.0, 1024.0).unwrap(), Interval::point(10.0));
    assert_eq!(over("x * x", -1.0, 2.0).unwrap(), Interval { lo: 0.0, hi: 4.0 });
    assert_eq!(over("sum(k, 1, x, k)", 2.0, 4.0).unwrap(), Interval { lo: 3.0, hi: 10.0 });
    assert_eq!(over("if(x > 1, 5, 7)", 0.0, 2.0).unwrap(), Interval { lo: 5.0, hi: 7.0 });
    let tenth = over("0.1", 0.0, 0.0).unwrap();
    assert!(tenth.lo < 0.1 && 0.1 < tenth.hi);
    assert!(!over("1 / x", -1.0, 1.0).unwrap_err().certain);
    assert!(over("ln(x)", -2.0, -1.0).unwrap_err().certain);
    assert!(!over("if(x > 1, ln(0), 3)", 0.0, 2.0).unwrap_err().certain);
    let sine = over("sin(x)", 1.0, 2.0).unwrap();
    assert!(sine.hi == 1.0 && sine.lo < 0.8415 && sine.lo > 0.8414);
    assert_eq!(over("sin(x)", 0.0, 100.0).unwrap(), Interval { lo: -1.0, hi: 1.0 });
}

#[test]
fn growth_of_the_cost_formulas() {
    for (source, variables, wanted) in [
        ("kappa*ln(2/eps)/2", "kappa eps", "kappa*ln(1/eps)"),
        ("d*kappa*ln(n*kappa/eps)", "d kappa n eps", "d*kappa*(ln(1/eps) + ln(n) + ln(kappa))"),
        ("2*ceil(ln(2/eps)/ln((kappa+1)/(kappa-1)))", "kappa eps", "kappa*ln(1/eps)"),
        ("ceil(ln(2/eps)/ln((sqrt(kappa)+1)/(sqrt(kappa)-1)))", "kappa eps", "kappa^(1/2)*ln(1/eps)"),
        ("acosh(1/eps)/acosh(1/cos(1/kappa))", "kappa eps", "kappa*ln(1/eps)"),
        ("2*ceil(acosh(1/eps)/acosh((kappa^2+1)/(kappa^2-1)))-1", "kappa eps", "kappa*ln(1/eps)"),
        ("835.4*kappa + ceil(kappa*ln(2/(sqrt(1 + eps/4) - 1)) + 2)", "kappa eps", "kappa*ln(1/eps)"),
        ("56*kappa + 1.05*kappa*ln(sqrt(1-eps^2)/eps) + 2.78*ln(kappa)^3 + 3.17", "kappa eps", "kappa*ln(1/eps)"),
        (
            "let b = ceil(kappa^2*ln(kappa/eps)) in 2*ceil(sqrt(b*ln(4*b/eps)))+1",
            "kappa eps",
            "kappa*(ln(1/eps) + ln(kappa))",
        ),
        (JENNINGS, "alpha kappa eps", "alpha*kappa*(ln(1/eps) + ln(kappa))"),
        ("2*n*batch^2 + 2/3*batch^3", "n batch", "batch^2*(batch + n)"),
        ("829/84*n^1.5 + 31/4*n*log2(n)", "n", "n^(3/2)"),
        ("ceil(36*n*ln(n)/eps^2)", "n eps", "n*ln(n)/eps^2"),
        ("floor(pi/(4*asin(1/(2*kappa))))", "kappa", "kappa"),
        ("min(n^2, n*ln(n))", "n", "n*ln(n)"),
        ("max(n^2, kappa)", "n kappa", "kappa + n^2"),
        ("if(kappa > 5, kappa^2, 1)", "kappa", "kappa^2"),
        ("2^ceil(log2(n))", "n", "n"),
        ("sqrt(n+1)-sqrt(n)", "n", "1/n^(1/2)"),
        ("asinh(tan(1/kappa))", "kappa", "1/kappa"),
        ("kappa*n - n*kappa", "kappa n", "0"),
        ("n*sum(k, 1, kappa, 3)", "n kappa", "n*kappa"),
        ("ceil(eps)", "eps", "1"),
    ] {
        let variables: Vec<&str> = variables.split(' ').collect();
        let growth = parse(source).unwrap().growth(&variables);
        assert_eq!(growth.to_string(), format!("Θ({wanted})"), "{source}");
        assert_eq!(growth.same(&Growth::parse(wanted, &variables).unwrap()), Some(true), "{source}");
    }
    for source in ["2^n", "min(n, kappa)", "1/(n + kappa)", "sin(n)", "sum(k, 1, n, k)"] {
        assert!(matches!(parse(source).unwrap().growth(&["n", "kappa"]), Growth::Unknown(_)), "{source}");
    }
    let claim = |text: &str| Growth::parse(text, &["kappa", "eps"]).unwrap();
    assert_eq!(claim("kappa*ln(kappa/eps)").same(&claim("kappa*ln(1/eps)")), Some(false));
    assert_eq!(claim("kappa*ln(1/eps)").at_most(&claim("kappa*ln(kappa/eps)")), Some(true));
    assert_eq!(claim("kappa*sqrt(ln(kappa)*ln(1/eps))").at_most(&claim("kappa*ln(kappa/eps)")), Some(true));
    assert_eq!(claim("kappa^2").at_most(&claim("kappa*ln(kappa)^9/eps")), Some(false));
}

#[test]
fn simplified_forms() {
    for (source, wanted) in [
        ("kappa*ln(2/eps)/2 + kappa*ln(2/eps)/2", "kappa*ln(2/eps)"),
        ("sqrt(n)*sqrt(n)/n^2", "1/n"),
        ("2*(a+b)+3*(a+b)", "5*(a + b)"),
        ("3*x - 5*x", "-2*x"),
        ("x^2/x^3*0.5", "0.5/x"),
        ("2/3*n^3 - n^2/2 + 5*n/6", "2*n^3/3 - 0.5*n^2 + 5*n/6"),
        ("exp(ln(x)*2)", "x^2"),
        ("sqrt(12)*x", "2*sqrt(3)*x"),
        ("min(a, b, a, 3, 4)", "min(3, a, b)"),
        ("if(1 < 2, x, y)", "x"),
        ("(x^2)^0.5", "sqrt(x^2)"),
        ("ln(e) + log2(8) + x*0", "4"),
        ("0.1 + 0.2", "0.3"),
        ("(-8)^(1/3)", "(-8)^(1/3)"),
        ("sin(-x) + cos(-x)", "cos(x) - sin(x)"),
        ("x - x", "0"),
    ] {
        let simple = parse(source).unwrap().simplify();
        assert_eq!(simple.to_text(), wanted, "{source}");
        assert_eq!(simple.simplify(), simple, "{source}");
    }
}

#[test]
fn derivatives_and_elasticities() {
    for (source, wanted) in [
        ("x^3", "3*x^2"),
        ("ln(x)*y", "y/x"),
        ("exp(2*x)", "2*exp(2*x)"),
        ("1/(1 - x)", "1/(1 - x)^2"),
        ("sum(k, 1, n, k*x^2)", "sum(k, 1, n, 2*k*x)"),
        ("max(x, 1)", "if(x >= 1, 1, 0)"),
        ("ceil(x) + y", "0"),
    ] {
        assert_eq!(parse(source).unwrap().differentiate("x").to_text(), wanted, "{source}");
    }
    assert_eq!(parse("7*x^2.5/y").unwrap().elasticity("x").to_text(), "2.5");
    assert_eq!(parse("d*kappa*ln(n)").unwrap().elasticity("n").to_text(), "1/ln(n)");
}

#[test]
fn units() {
    use unit::{Unit, check, unit_of};
    let env = |name: &str| {
        Some(
            Unit::parse(match name {
                "gate_time" => "second/gate",
                "query_time" => "second / be_query",
                "queries" => "be_query",
                "oracle" => "sparse_query",
                "steps" => "walk_step",
                "flops" => "flops",
                "rate" => "flop/second",
                "gates_per_query" => "gate/be_query",
                "n" | "kappa" => "1",
                _ => return None,
            })
            .unwrap(),
        )
    };
    let unit = |source: &str| unit_of(&parse(source).unwrap(), &env).map(|u| u.to_string());
    assert_eq!(unit("queries*gates_per_query*gate_time").unwrap(), "second");
    assert_eq!(unit("max(0, flops/rate)").unwrap(), "second");
    assert_eq!(unit("sqrt(flops)*flops^(1/2)").unwrap(), "flop");
    assert_eq!(unit("ceil(2*kappa)*queries").unwrap(), "be_query");
    assert_eq!(unit("1/query_time").unwrap(), "be_query/second");
    for (source, message, span) in [
        ("queries + oracle", "different kinds of queries", 0..16),
        ("n + queries*n + steps", "a pure number and a quantity in be_query", 0..13),
        ("max(queries, steps)", "different kinds of queries", 0..19),
        ("if(oracle > queries, 1, 2)", "different kinds", 3..19),
        ("ln(flops)", "must be a pure number", 3..8),
        ("flops^n", "not a fixed fraction", 0..7),
        ("2^flops", "an exponent", 2..7),
        ("n*zeta", "no unit is declared", 2..6),
        ("prod(k, 1, 3, queries)", "`prod`", 14..21),
    ] {
        let error = unit_of(&parse(source).unwrap(), &env).expect_err(source);
        assert!(error.message.contains(message), "{source}: {error}");
        assert_eq!(error.span, span, "{source}");
    }
    let declared = |source: &str, u: &str| check(&parse(source).unwrap(), &env, Unit::parse(u).unwrap());
    assert!(declared("2/3*n^3", "flop").is_ok() && declared("kappa", "queries").is_ok());
    assert!(declared("2/3*n^3", "second").is_err());
    assert!(declared("queries*gate_time", "second").unwrap_err().help.contains("gate/be_query"));
    assert!(declared("oracle", "be_query").unwrap_err().help.contains("conversion"));
    assert!(Unit::parse("furlong").is_err() && Unit::parse("flop/").is_err() && Unit::parse("flop^1/0").is_err());
    for text in ["1", "flop/second", "be_query^1/2", "second*joule^2/gate^3/byte", "1/second"] {
        assert_eq!(Unit::parse(text).unwrap().to_string(), text);
        assert_eq!(Unit::parse(&Unit::parse(text).unwrap().to_string()), Unit::parse(text));
    }
}

#[test]
fn latex() {
    for (source, wanted) in [
        ("kappa*ln(2/eps)/2", "\\frac{\\kappa \\, \\ln\\left(\\frac{2}{\\varepsilon}\\right)}{2}"),
        ("-(a + b)^2", "-\\left(a + b\\right)^{2}"),
        ("x_norm*2^n", "x_{\\mathrm{norm}} \\cdot 2^{N}"),
        ("3*1e-9", "3 \\cdot 10^{-9}"),
        ("ceil(pi)", "\\left\\lceil \\pi\\right\\rceil"),
    ] {
        assert_eq!(parse(source).unwrap().to_latex(), wanted.replace("\\\\", "\\"), "{source}");
    }
}
