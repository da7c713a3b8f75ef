//! Assembly and products of curvature matrices, timed on a run directory, for comparison with the peers.
//!
//! `benches/peers/curvature.py` calls this program beside the peers on the same weights, batch, precision and threads:
//!
//! ```text
//! cargo bench --bench curvature -- make mlp:784-16-16-10 2048 DIR        writes a run directory
//! cargo bench --bench curvature -- hessian DIR f32|f64 THREADS REPEATS    seconds per full Hessian, its memory kept
//! cargo bench --bench curvature -- fresh DIR f32|f64 THREADS REPEATS      the same into new memory each time
//! cargo bench --bench curvature -- product DIR f32|f64 THREADS REPEATS LANES
//! cargo bench --bench curvature -- gemm f32|f64 THREADS REPEATS            a product of 3000 × 3000 matrices by faer
//! cargo bench --bench curvature -- values DIR FILE THREADS                 the full Hessian in f64 as a .npy file
//! cargo bench --bench curvature -- plan DIR f32|f64                        routes, operations and bytes of the pairs
//! ```
//!
//! REPEATS may be `-`: then it says `ready N` and answers every line read, a number of repetitions, with their mean
//! seconds and the floating-point operations of one. `values` also says how far the f64 matrix is from its columns and
//! from its transpose, and the f32 matrix from it, relative to the largest entry.
//!
//! Built with `--features mpi` and started by `mpirun` it spreads the batch over the ranks (docs/mpi.md); THREADS are those of
//! each rank.
//!
//! Without arguments it assembles one small Hessian, so that `cargo bench` stays short.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use breakeven::curvature::{Block, Network, Precision, Prepared, Shards, SymmetricOperator, serve};
use breakeven::parallel::Threads;
use breakeven::parallel::ranks::Ranks;
use breakeven::snapshot::array::{Array, Dtype, Values};
use breakeven::snapshot::{Input, OpenOptions, write};
use faer::{Mat, MatMut};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let ranks = Arc::new(Ranks::start()?);
    // every rank but the first answers until that one ends
    serve(&ranks)?;
    let outcome = if ranks.rank() == 0 { first(&ranks) } else { Ok(()) };
    ranks.stop();
    outcome
}

fn first(ranks: &Arc<Ranks>) -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        [] => {
            let folder = tempfile::tempdir()?;
            make("mlp:64-16-10", 256, folder.path(), None)?;
            hessian(ranks, folder.path(), "f64", 0, "3", false)
        }
        ["make", network, batch, folder] => make(network, batch.parse()?, Path::new(folder), None),
        ["make", network, batch, folder, data] => make(network, batch.parse()?, Path::new(folder), Some(data)),
        [what @ ("hessian" | "fresh"), folder, precision, threads, repeats] => {
            hessian(ranks, Path::new(folder), precision, threads.parse()?, repeats, what == "fresh")
        }
        ["product", folder, precision, threads, repeats, lanes] => {
            product(ranks, Path::new(folder), precision, threads.parse()?, repeats, lanes.parse()?)
        }
        ["values", folder, file, threads] => values(ranks, Path::new(folder), Path::new(file), threads.parse()?),
        ["plan", folder, precision] => with_run(ranks, Path::new(folder), precision, 0, |prepared| {
            let block = Block::full(prepared.network().params());
            for pair in prepared.hessian(&block).plan() {
                let (from, to) = &pair.tensors;
                println!("{from} {to} {} {:.3e} {:.3e} {}", pair.route, pair.flops, pair.bytes, pair.why);
            }
            Ok(())
        }),
        ["gemm", precision, threads, repeats] => match precision {
            "f32" => gemm::<f32>(threads.parse()?, repeats),
            _ => gemm::<f64>(threads.parse()?, repeats),
        },
        _ => Err("see the head of benches/curvature.rs".into()),
    }
}

/// Writes graph, weights (seed 0), batch and loss of a fresh network; MLPs whose input no data set fits get Gaussian
/// inputs.
fn make(network: &str, batch: usize, folder: &Path, data: Option<&str>) -> Outcome {
    use breakeven::train::{data, network::Interface, network::Network, onnx_writer};
    let parsed = Network::parse(network)?;
    let (x, y, interface) = match (data, &parsed) {
        (Some(source), _) => {
            let d = data::load(source, &parsed, batch, 0)?;
            (d.x, d.y, d.interface)
        }
        (None, Network::Mlp(widths, _)) => {
            let (features, classes) = (widths[0], widths[widths.len() - 1]);
            let mut state = 1u64;
            let mut uniform = move || {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 40) as f32 / (1u64 << 24) as f32
            };
            let x = (0..batch * features).map(|_| f64::from(uniform() * 2.0 - 1.0)).collect();
            let y = (0..batch).map(|i| (i * 7 % classes) as i64).collect();
            (
                Array { dtype: Dtype::F32, shape: vec![batch, features], values: Values::Float(x) },
                Array { dtype: Dtype::I64, shape: vec![batch], values: Values::Int(y) },
                Interface::Vectors { features, side: None, classes },
            )
        }
        _ => return Err("name a data set".into()),
    };
    let (model, params) = parsed.build(&interface, 0)?;
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("model.onnx"), onnx_writer::to_bytes(&model, "bench"))?;
    let views: Vec<write::Tensor<'_>> =
        params.iter().map(|(name, a)| (name.as_str(), a.shape.as_slice(), a.floats().unwrap_or_default())).collect();
    std::fs::write(folder.join("step_0000.safetensors"), write::safetensors(&views, write::Width::F32)?)?;
    let npy = |a: &Array| match &a.values {
        Values::Int(list) => write::npy_ints(&a.shape, list),
        _ => write::npy(&a.shape, a.floats().unwrap_or_default(), write::Width::F32),
    };
    std::fs::write(folder.join("batch.npz"), write::npz(&[("x", npy(&x)), ("y", npy(&y))])?)?;
    Ok(())
}

/// Opens a run directory at its last snapshot and hands it to `work`.
fn with_run(
    ranks: &Arc<Ranks>,
    folder: &Path,
    precision: &str,
    threads: usize,
    work: impl FnOnce(&Prepared<'_>) -> Outcome,
) -> Outcome {
    let Input::Run(run) = breakeven::snapshot::open(folder, &OpenOptions::default())? else {
        return Err("not a run directory".into());
    };
    let threads = Threads::new(threads)?.with_ranks(ranks);
    let precision = if precision == "f32" { Precision::F32 } else { Precision::F64 };
    let snapshot = run.snapshots.last().ok_or("no snapshot")?;
    let shapes: Vec<(String, Vec<usize>)> = snapshot.params.iter().map(|(n, a)| (n.clone(), a.shape.clone())).collect();
    let mut batch = run.batch.inputs.clone();
    batch.extend(run.batch.target.clone());
    let network = Arc::new(Network::new(&run.model, &run.bindings, &shapes, &batch, &run.loss)?);
    let prepared = match Shards::new(&network, &threads)? {
        Some(shards) => Prepared::spread(&shards, &snapshot.params, precision, &threads)?,
        None => Prepared::new(network, &snapshot.params, precision, &threads)?,
    };
    work(&prepared)
}

/// Does the work as often as asked and prints the seconds; the work returns its floating-point operations.
fn measure(
    what: &str,
    n: usize,
    repeats: &str,
    mut work: impl FnMut() -> Result<f64, Box<dyn std::error::Error>>,
) -> Outcome {
    let flops = std::cell::Cell::new(0.0);
    let mut timed = || -> Result<f64, Box<dyn std::error::Error>> {
        let start = Instant::now();
        flops.set(work()?);
        Ok(start.elapsed().as_secs_f64())
    };
    if repeats == "-" {
        timed()?;
        println!("ready {n}");
        for line in std::io::stdin().lines() {
            let count: u32 = line?.trim().parse().unwrap_or(1);
            let mut sum = 0.0;
            for _ in 0..count {
                sum += timed()?;
            }
            println!("{:e} {:e}", sum / f64::from(count.max(1)), flops.get());
        }
        return Ok(());
    }
    let seconds = (0..repeats.parse()?).map(|_| timed().map(|s| format!("{s:e}"))).collect::<Result<Vec<_>, _>>()?;
    let flops = flops.get();
    println!("{{\"what\": \"{what}\", \"n\": {n}, \"flops\": {flops:e}, \"seconds\": [{}]}}", seconds.join(", "));
    Ok(())
}

/// The full Hessian into memory that is kept from one to the next, or into new memory each time.
fn hessian(ranks: &Arc<Ranks>, folder: &Path, precision: &str, threads: usize, repeats: &str, fresh: bool) -> Outcome {
    with_run(ranks, folder, precision, threads, |prepared| match precision {
        "f32" => hessian_in::<f32>(prepared, repeats, fresh),
        _ => hessian_in::<f64>(prepared, repeats, fresh),
    })
}

fn hessian_in<T: breakeven::tensor::Real>(prepared: &Prepared<'_>, repeats: &str, fresh: bool) -> Outcome {
    let block = Block::full(prepared.network().params());
    let n = block.len;
    let mut out = vec![T::ZERO; n * n];
    measure("hessian", n, repeats, || {
        if fresh {
            out = Vec::new();
            out = vec![T::ZERO; n * n];
        }
        let target = MatMut::from_column_major_slice_mut(&mut out, n, n);
        let flops = prepared.hessian(&block).assemble(target, None, &|_, _| {})?;
        black_box(&out);
        Ok(flops as f64)
    })
}

/// Writes the full Hessian in f64 and compares it with its columns and with the Hessian in f32.
fn values(ranks: &Arc<Ranks>, folder: &Path, file: &Path, threads: usize) -> Outcome {
    let mut tensors = Vec::new();
    let mut dense = |precision: &str, columns: bool| -> Result<Mat<f64>, Box<dyn std::error::Error>> {
        let mut matrix = Mat::zeros(0, 0);
        with_run(ranks, folder, precision, threads, |prepared| {
            let block = Block::full(prepared.network().params());
            let hessian = prepared.hessian(&block);
            tensors = block.tensors.iter().map(|t| format!("[\"{}\", {}]", t.name, t.size)).collect();
            matrix = if columns { hessian.to_dense_by_columns()? } else { hessian.to_dense_with(None, &|_, _| {})? };
            Ok(())
        })?;
        Ok(matrix)
    };
    let h = dense("f64", false)?;
    let n = h.nrows();
    let top = h.col_iter().flat_map(|c| c.iter().copied()).fold(0.0f64, |t, v| t.max(v.abs()));
    let apart = |a: &Mat<f64>| {
        (0..n).flat_map(|j| (0..n).map(move |i| (i, j))).fold(0.0f64, |t, (i, j)| t.max((a[(i, j)] - h[(i, j)]).abs()))
    };
    let asymmetry =
        (0..n).flat_map(|j| (0..j).map(move |i| (i, j))).fold(0.0f64, |t, (i, j)| t.max((h[(i, j)] - h[(j, i)]).abs()));
    let columns = apart(&dense("f64", true)?) / top;
    let narrow = apart(&dense("f32", false)?) / top;
    let tensors = tensors.join(", ");
    println!(
        "{{\"n\": {n}, \"top\": {top:e}, \"columns\": {columns:e}, \"asymmetry\": {asymmetry:e}, \"f32\": {narrow:e}, \
         \"tensors\": [{tensors}]}}"
    );
    let flat: Vec<f64> = h.col_iter().flat_map(|c| c.iter().copied()).collect();
    std::fs::write(file, write::npy(&[n, n], &flat, write::Width::F64))?;
    Ok(())
}

fn product(ranks: &Arc<Ranks>, folder: &Path, precision: &str, threads: usize, repeats: &str, lanes: usize) -> Outcome {
    with_run(ranks, folder, precision, threads, |prepared| {
        let block = Block::full(prepared.network().params());
        let hessian = prepared.hessian(&block);
        let x = Mat::from_fn(block.len, lanes, |i, j| ((i * 31 + j * 17) % 101) as f64 / 101.0 - 0.5);
        let mut y = Mat::zeros(block.len, lanes);
        let flops = (hessian.product_flops() * lanes as u64) as f64;
        measure("product", block.len, repeats, || {
            hessian.apply_many(x.as_ref(), y.as_mut())?;
            black_box(&y);
            Ok(flops)
        })
    })
}

/// What the machine's products of matrices are worth: one of 3000 × 3000.
fn gemm<T: breakeven::tensor::Real>(threads: usize, repeats: &str) -> Outcome {
    const N: usize = 3000;
    let threads = Threads::new(threads)?;
    let fill = |k: usize| (0..N * N).map(|i| T::of((i * k % 1013) as f64 / 1013.0 - 0.5)).collect::<Vec<T>>();
    let (a, b) = (fill(7919), fill(104_729));
    let mut out = vec![T::ZERO; N * N];
    measure("gemm", N, repeats, || {
        let view = |x| faer::MatRef::from_column_major_slice(x, N, N);
        let target = MatMut::from_column_major_slice_mut(&mut out, N, N);
        threads.run(|| T::product(target, false, view(&a), view(&b), threads.faer()));
        black_box(&out);
        Ok(2.0 * (N as f64).powi(3))
    })
}
