//! The scenarios: the same system at several levels of honesty.

use crate::catalog::Model;
use crate::error::{Error, Result};

/// The scenarios that this build prices, from the least to the most honest. `end-to-end` and `fault-tolerant` have
/// their places in the model files (`scenarios`) and will be added here.
pub const SCENARIOS: [&str; 2] = ["paper", "oracle"];

/// One scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// Q-Newton's own count: an asymptotic form with constant 1, one gate time a gate, against the inverse's 2N³.
    Paper,
    /// Non-asymptotic query counts at κ_eff, one gate time a query, against the honest rivals.
    Oracle,
}

impl Scenario {
    /// By id.
    ///
    /// # Errors
    /// When this build has no such scenario.
    pub fn from_id(id: &str) -> Result<Self> {
        match id {
            "paper" => Ok(Scenario::Paper),
            "oracle" => Ok(Scenario::Oracle),
            "end-to-end" | "fault-tolerant" => {
                let what = "this build does not price this scenario yet";
                Err(Error::usage("cost::scenario", format!("--scenario {id}"), what, "use paper or oracle"))
            }
            _ => {
                let help = format!("scenarios are {}", SCENARIOS.join(", "));
                Err(Error::usage("cost::scenario", format!("--scenario {id}"), "no such scenario", help))
            }
        }
    }

    /// As written in reports.
    pub fn id(self) -> &'static str {
        match self {
            Scenario::Paper => "paper",
            Scenario::Oracle => "oracle",
        }
    }

    /// The classical model that the verdict is taken against first; `None`: the best one.
    pub fn rival(self) -> Option<&'static str> {
        match self {
            Scenario::Paper => Some("inverse"),
            Scenario::Oracle => None,
        }
    }

    /// Why a model has no value here; `None` when it has one.
    pub fn excludes(self, model: &Model) -> Option<String> {
        if model.in_scenario(self.id()) {
            return None;
        }
        Some(match self {
            Scenario::Oracle if model.in_scenario("paper") => {
                "no proven constant: an asymptotic form has a value in `paper` only".to_string()
            }
            Scenario::Paper => "`paper` counts the paper's own asymptotic forms only".to_string(),
            Scenario::Oracle => "the model does not name this scenario".to_string(),
        })
    }
}

/// The scenarios of these ids, each once; none: all of this build.
///
/// # Errors
/// As for [`Scenario::from_id`].
pub fn check_scenarios(ids: &[String]) -> Result<Vec<Scenario>> {
    if ids.is_empty() {
        return SCENARIOS.iter().map(|id| Scenario::from_id(id)).collect();
    }
    let mut all = Vec::new();
    for id in ids {
        let scenario = Scenario::from_id(id)?;
        if !all.contains(&scenario) {
            all.push(scenario);
        }
    }
    Ok(all)
}
