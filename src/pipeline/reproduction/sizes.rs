//! What is trained, at which sizes, and whose choice each is.

use serde::{Deserialize, Serialize};

/// The paper's damping factor η.
pub const ETA: f64 = 5e-3;
/// What the published code adds to max|h| before it multiplies by η.
pub const FLOOR: f64 = 1e-6;
/// Tolerance of a solve where no loss was asked: 1 % of the step.
pub const EPS: f64 = 1e-2;

/// Samples of a step of the paper's MLPs.
pub const PUBLISHED_BATCH: usize = 2048;

/// A training of the reproduction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// `digits`, `text`, `mnist:DIR`.
    pub data: String,
    /// As `train --network` takes it.
    pub network: String,
    /// Samples of a step.
    pub batch: usize,
    /// Updates.
    pub steps: u64,
    /// `hessian` or `empirical-fisher`.
    pub curvature: String,
    /// η of λ = η·max|h|.
    pub eta: f64,
    /// Ratio of entries kept in each row.
    pub keep: f64,
    /// Of everything random.
    pub seed: u64,
}

impl Training {
    /// `mnist` of `mnist:DIR`.
    pub fn kind(&self) -> &str {
        self.data.split(':').next().unwrap_or(&self.data)
    }
}

/// All sizes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sizes {
    /// The training whose every solve is scheduled.
    pub run: Training,
    /// Its solves are measured in full every so many steps.
    pub measured_every: u64,
    /// The training of the sweeps over keep and η.
    pub sweep: Training,
    /// Ratios of entries kept.
    pub keeps: Vec<f64>,
    /// Damping factors.
    pub etas: Vec<f64>,
    /// Hidden widths h of the MLP in-h-h-10.
    pub hidden: Vec<usize>,
    /// The training of the scaling; its network is overwritten.
    pub scaling: Training,
    /// Exact Hessian blocks of the paper's smallest MLP, where data of its size are given.
    pub published: Option<Training>,
    /// Networks of several kinds under the empirical Fisher matrix, with the kind's name.
    pub families: Vec<(String, Training)>,
    /// Most updates of SGD and Adam.
    pub most_updates: u64,
}

impl Sizes {
    /// The sizes of `--quick` (two cores, under two minutes) and of the full form. `data` replaces the digits where
    /// published sizes are wanted; `inputs` is the number of its features.
    pub fn new(quick: bool, data: &str, inputs: usize, seed: u64) -> Self {
        let training = |network: String, batch: usize, steps: u64| Training {
            data: "digits".into(),
            network,
            batch,
            steps,
            curvature: "hessian".into(),
            eta: ETA,
            keep: 1.0,
            seed,
        };
        let fisher = |data: &str, network: &str, batch: usize, steps: u64| Training {
            data: data.into(),
            curvature: "empirical-fisher".into(),
            ..training(network.into(), batch, steps)
        };
        let given = data != "digits";
        let kind = |name: &str, training: Training| (name.to_string(), training);
        if quick {
            return Sizes {
                run: training("mlp:64-16-16-10".into(), 256, 20),
                measured_every: 5,
                sweep: training("mlp:64-10-10-10".into(), 256, 10),
                keeps: vec![1.0, 0.5, 0.25, 0.1, 0.05, 0.025],
                etas: vec![1e-3, 5e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e4],
                hidden: vec![16, 24, 34, 44, 54],
                scaling: training(String::new(), 128, 1),
                published: None,
                families: vec![
                    kind("DNN", fisher("digits", "mlp:64-54-54-10", 128, 2)),
                    kind("CNN", fisher("digits", "cnn", 128, 2)),
                    kind("BERT", fisher("text", "bert:32,1,4,128", 32, 2)),
                    kind("GPT", fisher("text", "gpt:32,1,4,128", 32, 2)),
                ],
                most_updates: 1_500,
            };
        }
        let mut families = vec![
            kind("DNN", fisher("digits", "mlp:64-54-54-10", 1024, 10)),
            kind("CNN", fisher("digits", "cnn", 512, 10)),
            kind("BERT", fisher("text", "bert:64,3,4,256", 128, 10)),
            kind("GPT", fisher("text", "gpt:64,3,4,256", 128, 10)),
        ];
        if given {
            families
                .push(kind("DNN, published size", fisher(data, &format!("mlp:{inputs}-54-54-10"), PUBLISHED_BATCH, 4)));
        }
        Sizes {
            run: training("mlp:64-16-16-10".into(), 1024, 120),
            measured_every: 12,
            sweep: training("mlp:64-16-16-10".into(), 1024, 40),
            keeps: vec![1.0, 0.75, 0.5, 0.25, 0.1, 0.05, 0.025],
            etas: vec![1e-3, 5e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3, 1e4],
            hidden: vec![16, 24, 34, 44, 54],
            scaling: training(String::new(), 1024, 3),
            published: given.then(|| Training {
                data: data.into(),
                ..training(format!("mlp:{inputs}-16-16-10"), PUBLISHED_BATCH, 3)
            }),
            families,
            most_updates: 10_000,
        }
    }

    /// The same with data by kind alone, without a path: what a report shows.
    #[must_use]
    pub fn without_paths(&self) -> Self {
        let mut all = self.clone();
        let families = all.families.iter_mut().map(|(_, t)| t);
        let single = [&mut all.run, &mut all.sweep, &mut all.scaling];
        for t in single.into_iter().chain(&mut all.published).chain(families) {
            t.data = t.kind().to_owned();
        }
        all
    }

    /// The MLP of the scaling with hidden width h.
    pub fn scaled(&self, h: usize) -> Training {
        Training { network: format!("mlp:64-{h}-{h}-10"), ..self.scaling.clone() }
    }
}
