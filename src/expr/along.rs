//! A formula along one variable: what does not depend on it is computed once.

use super::enclose::Intervals;
use super::evaluate::Numbers;
use super::graph::{Graph, Id, Node};
use super::machine::{Checked, Domain, run_all, run_from};
use super::slope::{Slopes, flat};
use super::{Expr, Interval, Slope};
use std::sync::Arc;

/// A formula of which one variable moves and the others stay. Values, enclosures and slopes are those of
/// [`Expr::evaluate`], [`Expr::evaluate_interval`] and [`Expr::evaluate_slope`], sooner.
#[derive(Debug, Clone)]
pub struct Along {
    graph: Arc<Graph>,
    variable: String,
    /// The nodes that move, in order; those inside sums are left to the sums.
    moving: Vec<Id>,
    numbers: Vec<Checked<f64>>,
    intervals: Vec<Checked<Interval>>,
    slopes: Vec<Checked<Slope>>,
}

/// There is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nothing {
    /// Nowhere on the interval; else it may have one on a part.
    pub certain: bool,
}

impl Along {
    /// Fixes every variable but `variable`, at a number and within an enclosure of it.
    pub fn new(
        formula: &Expr,
        variable: &str,
        number: &dyn Fn(&str) -> Option<f64>,
        enclosure: &dyn Fn(&str) -> Option<Interval>,
    ) -> Along {
        let graph = Arc::clone(&formula.graph);
        let mut moves: Vec<bool> = Vec::with_capacity(graph.nodes.len());
        for node in &graph.nodes {
            let (children, count) = node.children();
            let own = matches!(node, Node::Variable(name) if graph.names[*name as usize] == variable);
            moves.push(own || children[..count].iter().any(|child| moves[*child as usize]));
        }
        let closed = |id: &Id| graph.free[*id as usize].is_empty();
        let moving = (0..graph.nodes.len() as Id).filter(|id| moves[*id as usize]).filter(closed).collect();
        let numbers = run_all(&graph, Numbers { env: number });
        let intervals = run_all(&graph, Intervals { env: enclosure });
        let slopes = intervals.iter().map(|value| value.map(flat)).collect();
        Along { variable: variable.to_string(), moving, numbers, intervals, slopes, graph }
    }

    fn run<D: Domain>(&self, domain: D, start: &[Checked<D::Value>]) -> Result<D::Value, Nothing> {
        let values = run_from(&self.graph, domain, start.to_vec(), &self.moving);
        values[self.graph.root() as usize].map_err(|fault| Nothing { certain: fault.certain })
    }

    /// The value at a point.
    pub fn value(&self, x: f64) -> Option<f64> {
        self.run(Numbers { env: &|_| Some(x) }, &self.numbers).ok()
    }

    /// Contains every value over an interval.
    ///
    /// # Errors
    /// When the formula has no value somewhere in it.
    pub fn over(&self, x: Interval) -> Result<Interval, Nothing> {
        self.run(Intervals { env: &|_| Some(x) }, &self.intervals)
    }

    /// Contains every value and every slope over an interval.
    ///
    /// # Errors
    /// As for [`Along::over`].
    pub fn slope(&self, x: Interval) -> Result<Slope, Nothing> {
        self.run(Slopes { env: &|_| Some(x), variable: &self.variable }, &self.slopes)
    }
}
