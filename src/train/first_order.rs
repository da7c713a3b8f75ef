//! Stochastic gradient descent with momentum, and Adam.

use super::config::Optimizer;

/// What a first-order rule remembers between steps.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Moments {
    /// Momentum, or Adam's mean of the gradients; empty before the first step.
    pub first: Vec<f64>,
    /// Adam's mean of their squares; empty before the first step.
    pub second: Vec<f64>,
}

/// θ ← θ + update of step `t` (counted from 1), elementwise. Newton rules leave θ alone.
pub(super) fn update(rule: &Optimizer, theta: &mut [f64], gradient: &[f64], moments: &mut Moments, t: u64) {
    match *rule {
        Optimizer::Sgd { lr, momentum } => {
            if momentum == 0.0 {
                theta.iter_mut().zip(gradient).for_each(|(x, g)| *x -= lr * g);
                return;
            }
            if moments.first.is_empty() {
                moments.first = gradient.to_vec();
            } else {
                moments.first.iter_mut().zip(gradient).for_each(|(v, g)| *v = momentum * *v + g);
            }
            theta.iter_mut().zip(&moments.first).for_each(|(x, v)| *x -= lr * v);
        }
        Optimizer::Adam { lr, beta1, beta2, epsilon } => {
            moments.first.resize(theta.len(), 0.0);
            moments.second.resize(theta.len(), 0.0);
            let power = i32::try_from(t).unwrap_or(i32::MAX);
            let (c1, c2) = (1.0 - beta1.powi(power), 1.0 - beta2.powi(power));
            let averages = moments.first.iter_mut().zip(&mut moments.second);
            for ((x, g), (m, v)) in theta.iter_mut().zip(gradient).zip(averages) {
                *m = beta1 * *m + (1.0 - beta1) * g;
                *v = beta2 * *v + (1.0 - beta2) * g * g;
                *x -= lr * (*m / c1) / ((*v / c2).sqrt() + epsilon);
            }
        }
        Optimizer::Newton(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn momentum_sums_past_gradients() {
        let rule = Optimizer::Sgd { lr: 0.1, momentum: 0.5 };
        let (mut x, mut moments) = (vec![1.0], Moments::default());
        for (t, expected) in [(1, 0.9), (2, 0.75), (3, 0.575)] {
            update(&rule, &mut x, &[1.0], &mut moments, t);
            // v = 1, 1.5, 1.75
            assert!((x[0] - expected).abs() < 1e-15, "{t}: {}", x[0]);
        }
    }

    #[test]
    fn adam_follows_its_published_recursion() {
        // the first step is −η·g/(|g| + ε·…), whatever the gradient; the second by hand from Algorithm 1
        let rule = Optimizer::adam(0.01);
        let (mut x, mut moments) = (vec![0.5, 0.5], Moments::default());
        update(&rule, &mut x, &[3.0, -1e-3], &mut moments, 1);
        assert!((x[0] - 0.49).abs() < 1e-9 && (x[1] - 0.51).abs() < 1e-6);
        let before = x[0];
        update(&rule, &mut x, &[1.0, 0.0], &mut moments, 2);
        let (m, v) = (0.9 * 0.1 * 3.0 + 0.1, 0.999 * 0.001 * 9.0 + 0.001);
        let expected = before - 0.01 * (m / (1.0 - 0.81)) / ((v / (1.0 - 0.999f64.powi(2))).sqrt() + 1e-8);
        assert!((x[0] - expected).abs() < 1e-15);
    }
}
