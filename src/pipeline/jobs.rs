//! From what was opened to the list of cases: which blocks of which snapshots, how large, how long.

use std::sync::Arc;

use super::curvatures::{Route, route};
use super::memory::{Footprint, MemoryPlan, SampleWise};
use super::opened::Opened;
use super::plan::{Curvature, FULL_SCOPE_LIMIT, Plan, Scope, scope_text};
use crate::curvature::{Block, Network};
use crate::error::Result;
use crate::snapshot::Input;

/// Operations that counting the entries of a factored matrix takes at most, and the vectors of the Krylov spaces.
const COUNT: f64 = 4e11;
const KRYLOV: usize = 700;

/// One opened path, ready to be measured.
#[derive(Debug)]
pub struct Job {
    /// What was opened.
    pub opened: Opened,
    /// The differentiated network; absent for a matrix.
    pub network: Option<Arc<Network>>,
    /// The blocks with their scope names; empty for a matrix.
    pub blocks: Vec<(String, Block)>,
    /// Put before the ids of the cases, so that several inputs do not collide.
    pub prefix: String,
}

/// One case that will be measured.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedCase {
    /// Its id.
    pub id: String,
    /// Unknowns.
    pub n: usize,
    /// Bytes by stage.
    pub memory: MemoryPlan,
    /// Operations that measuring it takes, about.
    pub work: f64,
}

/// The jobs of a plan: lowers every graph and finds the blocks.
///
/// # Errors
/// Unsupported operators, a batch or a loss that does not fit, a scope that names no tensor.
pub fn jobs(opened: Vec<Opened>, plan: &Plan) -> Result<Vec<Job>> {
    let several = opened.len() > 1;
    let mut jobs = Vec::with_capacity(opened.len());
    for opened in opened {
        let prefix = if several { format!("{}/", opened.name) } else { String::new() };
        let (network, blocks) = match &opened.input {
            Input::Matrix(_) => (None, Vec::new()),
            Input::Run(run) => {
                let params: Vec<_> = run.parameters.iter().map(|p| (p.name.clone(), p.shape.clone())).collect();
                let batch: Vec<_> = run.batch.inputs.iter().chain(run.batch.target.iter()).cloned().collect();
                let network = Arc::new(Network::new(&run.model, &run.bindings, &params, &batch, &run.loss)?);
                let default = if run.n <= FULL_SCOPE_LIMIT { Scope::Full } else { Scope::Layers };
                let scope = plan.scope.as_ref().unwrap_or(&default);
                let blocks = network.blocks(scope)?.into_iter().map(|b| (scope_name(&b, scope), b)).collect();
                (Some(network), blocks)
            }
        };
        jobs.push(Job { opened, network, blocks, prefix });
    }
    Ok(jobs)
}

/// `full`, `layer:NAME` or `module:NAME`.
fn scope_name(block: &Block, scope: &Scope) -> String {
    let is_tensor = block.tensors.iter().any(|t| t.name == block.name);
    match scope {
        Scope::Full => scope_text(scope),
        Scope::Layers => format!("layer:{}", block.name),
        Scope::Layer(_) if is_tensor => format!("layer:{}", block.name),
        Scope::Module | Scope::Layer(_) => format!("module:{}", block.name),
    }
}

impl Job {
    /// The id of a case: snapshot, curvature, scope.
    pub fn case_id(&self, snapshot: &str, curvature: &str, scope: &str) -> String {
        format!("{}{snapshot}/{curvature}/{scope}", self.prefix)
    }

    /// What one pass keeps.
    pub fn footprint(&self) -> Footprint {
        self.network.as_ref().map_or(Footprint::default(), |network| {
            let program = network.program();
            let activations: f64 = program.nodes().map(|(id, _)| program.size(id) as f64).sum();
            Footprint { activations, pass: network.pass_elements() as f64, parameters: network.len() as f64 }
        })
    }

    /// The gradients of the samples, where a Fisher matrix is made of them one by one.
    fn by_sample(&self, plan: &Plan) -> Option<SampleWise> {
        let network = self.network.as_ref().filter(|_| plan.curvature == Curvature::EmpiricalFisher)?;
        let kept = network.sample_gradient_elements()? as f64;
        Some(SampleWise { samples: network.samples()? as f64, kept })
    }

    /// The cases of this job.
    pub fn cases(&self, plan: &Plan) -> Vec<PlannedCase> {
        let footprint = self.footprint();
        match &self.opened.input {
            Input::Matrix(matrix) => {
                let id = format!("{}{}", self.prefix, matrix.name);
                let memory = MemoryPlan::dense(matrix.n, footprint);
                vec![PlannedCase { id, n: matrix.n, memory, work: spectrum_work(matrix.n) }]
            }
            Input::Run(run) => {
                let pass = self.network.as_ref().map_or(0.0, |n| n.gradient_flops() as f64);
                let mut cases = Vec::new();
                for snapshot in &run.snapshots {
                    for (scope, block) in &self.blocks {
                        let n = block.len;
                        let route = self.network.as_ref().map_or(Route::Dense, |w| route(plan, w, n));
                        let by_sample = self.by_sample(plan);
                        let thin = |rank| MemoryPlan::thin(n, rank, footprint, by_sample);
                        let (memory, work) = match route {
                            // Columns of the Hessian and of its companions, then losses along directions.
                            Route::Dense => {
                                (MemoryPlan::dense(n, footprint), spectrum_work(n) + pass * (6.0 * n as f64 + 2000.0))
                            }
                            Route::Factored { rank } => (
                                thin(rank),
                                spectrum_work(rank)
                                    + COUNT.min(2.0 * (n as f64).powi(2) * rank as f64)
                                    + 2000.0 * n as f64 * rank as f64
                                    + pass * (2.0 * rank as f64 + 2000.0),
                            ),
                            Route::Products => (thin(KRYLOV), pass * (2.0 * n as f64 + 8000.0)),
                        };
                        let times = 1.0 + plan.subsample.map_or(0.0, |p| p.count as f64);
                        let id = self.case_id(&snapshot.name, &plan.curvature.to_string(), scope);
                        cases.push(PlannedCase { id, n, memory, work: work * times });
                    }
                }
                cases
            }
        }
    }

    /// Refuses the job when a case does not fit.
    ///
    /// # Errors
    /// Exit 4, with the largest N that fits and the alternative.
    pub fn check_memory(&self, plan: &Plan, limit: Option<u64>) -> Result<()> {
        let cases = self.cases(plan);
        let Some(largest) = cases.iter().max_by(|a, b| a.memory.peak().total_cmp(&b.memory.peak())) else {
            return Ok(());
        };
        let tensor = self
            .network
            .as_ref()
            .map_or(0, |n| n.params().iter().map(|(_, shape)| shape.iter().product::<usize>()).max().unwrap_or(0));
        let alternative = if tensor > 0 && tensor < largest.n {
            format!(
                "use --scope layers (largest block N = {tensor}), --scope layer:NAME, --matrix-free, or raise --max-memory"
            )
        } else if tensor > 0 {
            "choose a smaller tensor with --scope layer:NAME, use --matrix-free, or raise --max-memory".to_string()
        } else {
            "give a smaller matrix, or raise --max-memory".to_string()
        };
        largest.memory.check(&self.opened.label, limit, self.footprint(), &alternative)
    }
}

/// Operations of the eigendecompositions and solvers of one dense case.
fn spectrum_work(n: usize) -> f64 {
    let n = n as f64;
    30.0 * n * n * n + 4000.0 * n * n + 1e6
}
