//! Gauss-Newton and empirical Fisher against the ground truth and against each other's forms; invariances.

use super::fixture::{Fixture, distance, relative, top};
use breakeven::curvature::{Block, Objective, Precision, Scope, SymmetricOperator};
use breakeven::parallel::Threads;
use faer::{Mat, Side};

fn extremes(a: &Mat<f64>) -> (f64, f64) {
    let values = a.self_adjoint_eigenvalues(Side::Lower).unwrap();
    (values[0], values[values.len() - 1])
}

/// Extreme eigenvalue and Frobenius norm of GGN and EF, whole and by block; and their low-rank forms.
#[test]
fn gauss_newton_and_fisher_have_the_true_spectra() {
    let threads = Threads::new(2).unwrap();
    for name in ["mlp_relu_small", "mlp_tanh_digits", "cnn_digits"] {
        let fixture = Fixture::open(name, "model_legacy17.onnx");
        for snapshot in fixture.snapshots() {
            let truth = &fixture.truth["snapshots"][&snapshot];
            if truth["ggn"].is_null() {
                continue;
            }
            let prepared = fixture.prepared(&snapshot, Precision::F64, &threads);
            let full = &prepared.blocks(&Scope::Full).unwrap()[0];
            let close = |what: &str, a: f64, b: &serde_json::Value| {
                let b = b.as_f64().unwrap();
                assert!((a - b).abs() <= 1e-9 * b.abs(), "{name}/{snapshot} {what}: {a} instead of {b}");
            };
            let ggn = prepared.gauss_newton(full).unwrap();
            let dense = ggn.to_dense().unwrap();
            close("GGN norm", dense.norm_l2(), &truth["ggn_fro"]);
            close("GGN λ_max", extremes(&dense).1, &truth["ggn"]["lambda_max"]);
            let factor = ggn.factor().unwrap();
            let error = distance(&(&factor * factor.transpose()), &dense);
            assert!(error <= 1e-13 * top(&dense), "{name}/{snapshot} GGN factor off by {error:e}");

            let ef = prepared.empirical_fisher(full).unwrap();
            let dense = ef.to_dense().unwrap();
            close("EF norm", dense.norm_l2(), &truth["ef_fro"]);
            close("EF λ_max", extremes(&dense).1, &truth["ef"]["lambda_max"]);
            // the mean of the samples' gradients is the gradient
            let n = ef.rank_bound();
            let mean: Vec<f64> =
                (0..ef.dim()).map(|i| ef.factor().row(i).iter().sum::<f64>() / (n as f64).sqrt()).collect();
            assert!(relative(&mean, prepared.loss_and_gradient().1) <= 1e-10);

            for block in prepared.blocks(&Scope::Layers).unwrap() {
                for (key, dense) in [
                    ("ggn_blocks", prepared.gauss_newton(&block).unwrap().to_dense().unwrap()),
                    ("ef_blocks", prepared.empirical_fisher(&block).unwrap().to_dense().unwrap()),
                    ("blocks", prepared.hessian(&block).to_dense().unwrap()),
                ] {
                    let truth = &truth[key][&block.name];
                    if truth["lambda_max"].is_number() {
                        close(&format!("{key} {} λ_max", block.name), extremes(&dense).1, &truth["lambda_max"]);
                    }
                }
            }
        }
    }
}

/// Outputs with positions (batch × time × classes), in both exports: GGN and EF of blocks against the truth, and the
/// factor against the products.
#[test]
fn curvatures_of_transformers() {
    let threads = Threads::new(2).unwrap();
    for (name, snapshot) in [("gpt_char", "adam_0600"), ("bert_char", "adam_1500")] {
        for graph in ["model_legacy17.onnx", "model_dynamo18.onnx"] {
            let fixture = Fixture::open(name, graph);
            let prepared = fixture.prepared(snapshot, Precision::F64, &threads);
            let blocks = prepared.blocks(&Scope::Layers).unwrap();
            // Biases of keys have no effect (a softmax ignores shifts), so nothing relative can be said of them.
            let small = blocks.iter().filter(|b| b.len <= 64 && !b.name.contains("key")).take(2);
            let mut seen = 0;
            for block in small {
                let ggn = prepared.gauss_newton(block).unwrap();
                let dense = ggn.to_dense().unwrap();
                let factor = ggn.factor().unwrap();
                let error = distance(&(&factor * factor.transpose()), &dense);
                assert!(error <= 1e-13 * top(&dense), "{name} {graph} {}: {error:e}", block.name);
                assert!(extremes(&dense).0 >= -1e-13 * top(&dense) * block.len as f64);
                assert!(top(&dense) > 0.0);
                let ef = prepared.empirical_fisher(block).unwrap();
                let n = ef.rank_bound() as f64;
                let mean: Vec<f64> = (0..ef.dim()).map(|i| ef.factor().row(i).iter().sum::<f64>() / n.sqrt()).collect();
                assert!(relative(&mean, &prepared.block_gradient(block)) <= 1e-10);
                seen += 1;
            }
            assert_eq!(seen, 2);
            // The last linear map: there the GGN is the Hessian, since the output is linear in it.
            let last = if name == "gpt_char" { "ln_f.bias" } else { "cls.bias" };
            let block = blocks.iter().find(|b| b.name == last).unwrap();
            let ggn = prepared.gauss_newton(block).unwrap().to_dense().unwrap();
            let hessian = prepared.hessian(block).to_dense().unwrap();
            assert!(distance(&ggn, &hessian) <= 1e-12 * top(&hessian), "{name} {graph} {last}");
        }
    }
}

/// A block's Hessian is the block of the Hessian.
#[test]
fn blocks_are_blocks_of_the_whole() {
    let threads = Threads::new(2).unwrap();
    let fixture = Fixture::open("mlp_tanh_digits", "model_dynamo18.onnx");
    let prepared = fixture.prepared("adam_0050", Precision::F64, &threads);
    let whole = prepared.hessian(&prepared.blocks(&Scope::Full).unwrap()[0]).to_dense().unwrap();
    let mut offset = 0;
    for block in prepared.blocks(&Scope::Module).unwrap() {
        let own = prepared.hessian(&block).to_dense().unwrap();
        let part = whole.submatrix(offset, offset, block.len, block.len).to_owned();
        assert!(distance(&own, &part) <= 1e-14 * top(&whole), "{}", block.name);
        offset += block.len;
    }
    assert_eq!(offset, whole.nrows());
}

/// Adding one vector to every row of the last layer leaves the loss alone: a null space of dimension fan-in + 1.
#[test]
fn softmax_shifts_are_null_vectors() {
    let threads = Threads::new(2).unwrap();
    let fixture = Fixture::open("mlp_relu_digits", "model_legacy17.onnx");
    let prepared = fixture.prepared("sgd_0080", Precision::F64, &threads);
    let full = Block::full(fixture.network.params());
    let hessian = prepared.hessian(&full);
    let [weight, bias] = &full.tensors[full.tensors.len() - 2..] else { panic!("two tensors") };
    let (rows, cols) = (weight.shape[0], weight.shape[1]);
    let mut x = Mat::<f64>::zeros(full.len, cols + 1);
    for r in 0..rows {
        for c in 0..cols {
            x[(weight.offset + r * cols + c, c)] = 1.0;
        }
        x[(bias.offset + r, cols)] = 1.0;
    }
    let mut y = Mat::zeros(full.len, cols + 1);
    hessian.apply_many(x.as_ref(), y.as_mut()).unwrap();
    let scale = top(&hessian.to_dense().unwrap());
    assert!(top(&y) <= 1e-13 * scale * rows as f64, "{:e}", top(&y));
}

/// Scaling a ReLU unit's input weights by 1 + t and its output weights by 1/(1 + t) leaves the loss alone. With Aθ the
/// generator of that scaling, gᵀAθ = 0 and, differentiating once more, H·Aθ = −Aᵀg.
#[test]
fn relu_rescaling_identity() {
    let threads = Threads::new(2).unwrap();
    let fixture = Fixture::open("mlp_relu_small", "model_legacy17.onnx");
    for snapshot in ["sgd_0010", "sgd_1000", "newton_0005"] {
        let prepared = fixture.prepared(snapshot, Precision::F64, &threads);
        let full = Block::full(fixture.network.params());
        let theta: Vec<f64> = {
            let params = fixture.values(snapshot);
            params.into_iter().flatten().collect()
        };
        let (_, g) = prepared.loss_and_gradient();
        let [w0, b0, w1, _] = &full.tensors[..] else { panic!("four tensors") };
        let (units, inputs, outputs) = (w0.shape[0], w0.shape[1], w1.shape[0]);
        let hessian = prepared.hessian(&full);
        for unit in 0..units {
            // the diagonal of A: +1 on what enters the unit, −1 on what leaves it
            let mut a = vec![0.0; full.len];
            a[w0.offset + unit * inputs..w0.offset + (unit + 1) * inputs].fill(1.0);
            a[b0.offset + unit] = 1.0;
            for o in 0..outputs {
                a[w1.offset + o * units + unit] = -1.0;
            }
            let x = Mat::from_fn(full.len, 1, |i, _| a[i] * theta[i]);
            let mut y = Mat::zeros(full.len, 1);
            hessian.apply_many(x.as_ref(), y.as_mut()).unwrap();
            let (mut worst, mut scale) = (0.0f64, 0.0f64);
            for i in 0..full.len {
                worst = worst.max((y[(i, 0)] + a[i] * g[i]).abs());
                scale = scale.max(y[(i, 0)].abs());
            }
            assert!(worst <= 1e-11 * scale.max(1e-3), "{snapshot} unit {unit}: {worst:e} of {scale:e}");
        }
    }
}

/// The objective's loss and gradient by central differences, and the Hessian by differences of the gradient.
#[test]
fn finite_differences() {
    let threads = Threads::new(2).unwrap();
    for (name, snapshot) in [("mlp_tanh_digits", "sgd_0200"), ("bert_char", "sgd_0050"), ("gpt_char", "sgd_0050")] {
        let fixture = Fixture::open(name, "model_dynamo18.onnx");
        let prepared = fixture.prepared(snapshot, Precision::F64, &threads);
        let full = Block::full(fixture.network.params());
        let objective = prepared.objective(&full);
        let n = full.len;
        let direction: Vec<f64> =
            (0..n).map(|i| ((i * 7919 % 1009) as f64 / 1009.0 - 0.5).signum() / (n as f64).sqrt()).collect();
        let h = 1e-4;
        let at = |s: f64| direction.iter().map(|d| s * d).collect::<Vec<f64>>();
        let slope = (objective.loss_at(&at(h)).unwrap() - objective.loss_at(&at(-h)).unwrap()) / (2.0 * h);
        let (loss, g) = objective.gradient_at(&at(0.0)).unwrap();
        assert_eq!(loss.to_bits(), prepared.loss_and_gradient().0.to_bits());
        let exact: f64 = g.iter().zip(&direction).map(|(a, b)| a * b).sum();
        let size = g.iter().map(|v| v * v).sum::<f64>().sqrt();
        assert!((slope - exact).abs() <= 1e-6 * size, "{name}: slope {slope} instead of {exact}");
        let (_, up) = objective.gradient_at(&at(h)).unwrap();
        let (_, down) = objective.gradient_at(&at(-h)).unwrap();
        let numeric: Vec<f64> = up.iter().zip(&down).map(|(a, b)| (a - b) / (2.0 * h)).collect();
        let mut y = Mat::zeros(n, 1);
        prepared.hessian(&full).apply_many(Mat::from_fn(n, 1, |i, _| direction[i]).as_ref(), y.as_mut()).unwrap();
        let product: Vec<f64> = (0..n).map(|i| y[(i, 0)]).collect();
        let error = relative(&numeric, &product);
        assert!(error <= 1e-5, "{name}: product off by {error:e}");
    }
}
