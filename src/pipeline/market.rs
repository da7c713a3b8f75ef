//! What cases are priced with: the catalogue, the scenarios and the machines of a run.

use std::collections::BTreeSet;

use super::calibration;
use super::plan::Plan;
use crate::catalog::{self, Catalog, CiteSource, Family, Hardware, HardwareKind, Model, Status};
use crate::cost::{CostRow, Scenario, check_scenarios, tabulate};
use crate::crossover;
use crate::error::Result;
use crate::measurement::Measurement;
use crate::parallel::Threads;
use crate::report::document::{Case, InputDigest, MachineNote, ModelNote};
use crate::report::figure_data::Side;

/// The machine that is calibrated on the spot.
pub const THIS_MACHINE: &str = "this-machine";

/// Catalogue, scenarios and machines, opened and checked before anything is measured.
#[derive(Debug)]
pub struct Market {
    /// The models and machines.
    pub catalog: Catalog,
    /// The scenarios of the run.
    pub scenarios: Vec<Scenario>,
    /// Ids of the machines of the run; at least one of each kind.
    pub machines: Vec<String>,
}

impl Market {
    /// Opens what the plan names.
    ///
    /// # Errors
    /// Faulty model files, unknown machines or scenarios.
    pub fn open(plan: &Plan, threads: &Threads) -> Result<Self> {
        let mut catalog = catalog::load(plan.models.as_deref())?;
        let scenarios = check_scenarios(&plan.scenarios)?;
        if plan.hardware.iter().any(|id| id == THIS_MACHINE) && catalog.machine(THIS_MACHINE).is_err() {
            catalog.add_machine(calibration::calibrate(threads)?);
        }
        let named = catalog.machines(&plan.hardware)?;
        let mut machines: Vec<String> = Vec::new();
        let defaults = catalog.machines(&[])?;
        for machine in &named {
            if !machines.contains(&machine.id) {
                machines.push(machine.id.clone());
            }
        }
        // A comparison needs both sides: the default machines of a kind that was not named.
        for kind in [HardwareKind::Quantum, HardwareKind::Classical] {
            if !named.iter().any(|h| h.kind == kind) {
                machines.extend(defaults.iter().filter(|h| h.kind == kind).map(|h| h.id.clone()));
            }
        }
        Ok(Market { catalog, scenarios, machines })
    }

    /// The machines of the run.
    pub fn machines(&self) -> Vec<&Hardware> {
        self.machines.iter().filter_map(|id| self.catalog.machine(id).ok()).collect()
    }

    /// Those of one kind.
    pub fn machines_of(&self, kind: HardwareKind) -> Vec<&Hardware> {
        self.machines().into_iter().filter(|h| h.kind == kind).collect()
    }

    /// The costs alone of a measured case.
    pub fn costs(&self, measurement: &Measurement) -> Vec<CostRow> {
        tabulate(measurement, &self.catalog, &self.scenarios, &self.machines())
    }

    /// A measured case with its costs, break-even points and verdicts.
    pub fn price(&self, measurement: Measurement) -> Case {
        let machines = self.machines();
        let costs = tabulate(&measurement, &self.catalog, &self.scenarios, &machines);
        let crossovers = crossover::find(&measurement, &self.catalog, &self.scenarios, &machines);
        let verdicts = crossover::verdicts(&measurement, &self.catalog, &self.scenarios, &machines);
        let verdict = crossover::headline(&verdicts);
        Case { measurement, costs, crossovers, verdicts, verdict, ..Case::default() }
    }

    /// The files of models and machines that prices rest on.
    pub fn inputs(&self) -> Vec<InputDigest> {
        let machines: BTreeSet<&str> = self.machines.iter().map(String::as_str).collect();
        let hardware = self.catalog.hardware.iter().filter(|h| machines.contains(h.id.as_str()));
        let models = self.catalog.models.iter().map(|m| (&m.file, &m.digest));
        let mut list: Vec<InputDigest> = models
            .chain(hardware.map(|h| (&h.file, &h.digest)))
            .map(|(path, blake3)| InputDigest { path: path.clone(), blake3: blake3.clone() })
            .collect();
        list.sort_by(|a, b| a.path.cmp(&b.path));
        list
    }

    /// What the report says about the models.
    pub fn model_notes(&self) -> Vec<ModelNote> {
        self.catalog.models.iter().filter(|m| m.family() != Family::Encoding).map(|m| self.model_note(m)).collect()
    }

    fn model_note(&self, model: &Model) -> ModelNote {
        let main = model.main();
        ModelNote {
            id: model.id().to_string(),
            title: model.source.title.clone(),
            side: match model.family() {
                Family::Quantum => Side::Quantum,
                Family::Classical => Side::Classical,
                Family::Encoding => Side::Other,
            },
            status: match model.source.status {
                Status::Verified => "verified".into(),
                Status::Unverified => "unverified".into(),
            },
            status_why: model.source.status_why.clone(),
            formula: main.map(|q| format!("{} = {}", q.id, q.text)).unwrap_or_default(),
            cite: main.map(|q| self.cited(&q.cite)).unwrap_or_default(),
            omits: model.source.omits.clone(),
        }
    }

    /// What the report says about the machines.
    pub fn machine_notes(&self) -> Vec<MachineNote> {
        let note = |h: &Hardware| MachineNote {
            id: h.id.clone(),
            title: h.title.clone(),
            side: match h.kind {
                HardwareKind::Quantum => Side::Quantum,
                HardwareKind::Classical => Side::Classical,
            },
            gate_time: h.gate_time.as_ref().map(|r| r.value),
            flops_per_second: h.flops_per_second.as_ref().map(|r| r.value),
            matvec_flops_per_second: h.matvec_flops_per_second.as_ref().map(|r| r.value),
            assumptions: h.assumptions.clone(),
            source: self.cited(&h.cite),
        };
        self.machines().into_iter().map(note).collect()
    }

    /// Sources with their places: `Dalzell et al. 2024, arXiv:2406.12086, Eq. (48)`.
    fn cited(&self, list: &[CiteSource]) -> String {
        let one = |c: &CiteSource| {
            let work = self.catalog.bibliography.get(&c.key);
            let who = work.map(|w| format!("{} {}, ", w.authors, w.year)).unwrap_or_default();
            format!("{who}{}, {}", c.key, c.place)
        };
        list.iter().map(one).collect::<Vec<_>>().join("; ")
    }
}
