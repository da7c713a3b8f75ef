//! Short cuts give the bits of the long way, on every formula of the catalogue.

use super::catalog::catalog;
use breakeven::expr::{Along, Compiled, Interval};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// Points drawn for each formula.
const POINTS: usize = 12;

#[test]
fn one_variable_moving_and_single_points_agree_with_plain_evaluation() {
    let catalog = catalog();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let (mut values, mut enclosures, mut slopes) = (0, 0, 0);
    for model in &catalog.models {
        for quantity in &model.quantities {
            let formula = &quantity.expression;
            let names: Vec<String> = formula.variables().into_iter().collect();
            let order: Vec<&str> = names.iter().map(String::as_str).collect();
            let compiled = Compiled::new(std::slice::from_ref(formula), &order).unwrap();
            let mut evaluator = compiled.evaluator();
            for _ in 0..POINTS {
                let draw = |name: &String, rng: &mut ChaCha8Rng| {
                    let sample = model.variables.iter().find(|v| v.name == *name).map_or([1.0, 1e3], |v| v.sample);
                    let [low, high] = sample.map(|x| x.max(1e-12).ln());
                    (low + (high - low) * rng.random::<f64>()).exp()
                };
                let at: BTreeMap<&str, f64> = names.iter().map(|n| (n.as_str(), draw(n, &mut rng))).collect();
                let place = || format!("{}.{} at {at:?}", model.id(), quantity.id);
                let plain = formula.evaluate(&|n| at.get(n).copied()).ok();
                let point: Vec<f64> = order.iter().map(|n| at[n]).collect();
                assert_eq!(evaluator.eval(&point).ok().map(|all| all[0]), plain, "{}", place());
                for variable in &order {
                    let stays = |n: &str| (n != *variable).then(|| at.get(n).copied()).flatten();
                    let along = Along::new(formula, variable, &stays, &|n| stays(n).map(Interval::point));
                    let x = at[variable];
                    assert_eq!(along.value(x), plain, "{} along {variable}", place());
                    let wide = Interval::new(x, x * (1.0 + rng.random::<f64>())).unwrap();
                    let moves = |n: &str| if n == *variable { Some(wide) } else { stays(n).map(Interval::point) };
                    let (long, short) = (formula.evaluate_interval(&moves), along.over(wide));
                    assert_eq!(
                        short.map_err(|e| e.certain),
                        long.map_err(|e| e.certain),
                        "{} along {variable}",
                        place()
                    );
                    let (long, short) = (formula.evaluate_slope(&moves, variable).ok(), along.slope(wide).ok());
                    assert_eq!(short, long, "{} along {variable}", place());
                    values += usize::from(plain.is_some());
                    enclosures += usize::from(short.is_some());
                    slopes += usize::from(short.is_some_and(|s| s.derivative.is_some()));
                }
            }
        }
    }
    assert!(values > 3_000 && enclosures > 3_000 && slopes > 2_000, "{values} {enclosures} {slopes}");
}
