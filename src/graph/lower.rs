//! From the plain ONNX graph, one batch and a loss to a program.
//!
//! Everything that can be refused is refused here, by operator, node and remedy, never later: control flow, random
//! operators, dropout and batch statistics in training form, integer values that depend on parameters, dynamic shapes.
//! Shape arithmetic is folded: integer values are plain data (`Value::Int`), never nodes. The integers of the
//! batch (token ids, targets) are data too, so a program belongs to one batch; parameter values are its only variables.
//! Float constants are taken as stored and widened exactly.
//!
//! | file | what |
//! |---|---|
//! | `value` | what a name stands for during lowering, and its layout operations |
//! | `context` | one node: typed access to inputs and attributes, errors that name it |
//! | `elementwise` | arithmetic, comparisons, activations, casts, `Where` |
//! | `integer` | folded integer arithmetic |
//! | `layout` | reshapes, slices, concatenation, gathers |
//! | `sequence` | sequences of tensors |
//! | `linear` | Gemm, MatMul, Einsum |
//! | `normal` | normalisations |
//! | `window` | convolution and pooling |
//! | `reduce` | reductions, softmax |
//! | `loss` | the loss on top of the output |
//! | `support` | the list of operators |

mod context;
mod elementwise;
mod integer;
mod layout;
mod linear;
mod loss;
mod normal;
mod reduce;
mod sequence;
pub mod support;
mod value;
mod window;

use super::operator::{Func, Op};
use super::program::{NodeId, Program};
use crate::error::{Error, Result};
use crate::snapshot::array::{Array, Values};
use crate::snapshot::loss::LossSpec;
use crate::snapshot::onnx_graph::{OnnxModel, OnnxNode};
use crate::snapshot::placing::Binding;
use crate::tensor::strides::MAX_RANK;
use context::Node;
use std::collections::{BTreeMap, HashMap};
use value::Value;

/// Largest number of elements of one value; beyond it a graph is taken for hostile.
const MAX_ELEMENTS: usize = 1 << 29;

/// Names under which a batch may hold its targets.
pub const TARGETS: [&str; 3] = ["y", "labels", "target"];

/// What a program is lowered from.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The graph.
    pub model: &'a OnnxModel,
    /// Which parameter feeds which initializer.
    pub bindings: &'a [Binding],
    /// Names and extents of the parameters, in state_dict order.
    pub params: &'a [(String, Vec<usize>)],
    /// The batch: arrays named as the graph's inputs, plus the targets.
    pub batch: &'a [(String, Array)],
    /// The loss that is applied to the output.
    pub loss: &'a LossSpec,
}

/// A program with the nodes that matter.
#[derive(Debug, Clone)]
pub struct Lowered {
    /// The program.
    pub program: Program,
    /// Parameter tensors, in the order of the source.
    pub params: Vec<NodeId>,
    /// Data of the input leaves.
    pub inputs: Vec<Vec<f64>>,
    /// The graph's output to which the loss is applied.
    pub output: NodeId,
    /// The loss, a scalar.
    pub loss: NodeId,
    /// What each sample contributes to the loss, \[samples\]; `None` where the graph computes the loss itself.
    pub samples: Option<NodeId>,
    /// Weight of each position (cross-entropy) or element (other losses) of the output, the normaliser included.
    pub weights: Vec<f64>,
    /// Values whose sign decides a derivative: arguments of ReLU, steps and absolute values.
    pub kinks: Vec<NodeId>,
    /// How often each operator occurs.
    pub operators: BTreeMap<String, usize>,
}

/// Lowers a graph.
///
/// # Errors
/// When an operator, attribute, shape or type is outside what is supported, when the batch does not fit the graph, or
/// when the output does not fit the loss; the message names the node and the remedy.
pub fn lower(source: &Source<'_>) -> Result<Lowered> {
    let mut lowering = Lowering {
        program: Program::new(),
        values: HashMap::new(),
        sequences: HashMap::new(),
        inputs: Vec::new(),
        fixed: HashMap::new(),
    };
    let params = lowering.parameters(source)?;
    lowering.batch(source)?;
    let mut operators = BTreeMap::new();
    for node in &source.model.nodes {
        *operators.entry(node.op_type.clone()).or_insert(0) += 1;
        lowering.node(node)?;
    }
    let head = loss::apply(&mut lowering, source)?;
    let program = lowering.program;
    let kinks = kinks(&program, head.loss);
    Ok(Lowered {
        program,
        params,
        inputs: lowering.inputs,
        output: head.output,
        loss: head.loss,
        samples: head.samples,
        weights: head.weights,
        kinks,
        operators,
    })
}

/// The state of a lowering.
struct Lowering {
    program: Program,
    values: HashMap<String, Value>,
    sequences: HashMap<String, Vec<Value>>,
    inputs: Vec<Vec<f64>>,
    /// Constant nodes whose output is fed by a parameter.
    fixed: HashMap<String, NodeId>,
}

impl Lowering {
    fn parameters(&mut self, source: &Source<'_>) -> Result<Vec<NodeId>> {
        let mut params = Vec::new();
        let mut index = HashMap::new();
        for (i, (name, shape)) in source.params.iter().enumerate() {
            if shape.len() > MAX_RANK {
                return Err(Error::input(
                    "graph::rank",
                    format!("parameter `{name}`"),
                    format!("{} axes; at most {MAX_RANK} are supported", shape.len()),
                    "",
                ));
            }
            params.push(self.program.param(i, shape));
            index.insert(name.as_str(), i);
        }
        let mut fed: HashMap<&str, NodeId> = HashMap::new();
        for b in source.bindings {
            let Some(&i) = index.get(b.parameter.as_str()) else {
                return Err(Error::input(
                    "graph::binding",
                    format!("initializer `{}`", b.initializer),
                    format!("is fed by `{}`, which the snapshot does not hold", b.parameter),
                    "",
                ));
            };
            let node = params[i];
            let rank = self.program.shape(node).len();
            if b.transposed && rank != 2 {
                return Err(Error::input(
                    "graph::binding",
                    format!("parameter `{}`", b.parameter),
                    format!("is to be transposed but has {rank} axes"),
                    "",
                ));
            }
            fed.insert(&b.initializer, if b.transposed { self.program.transpose(node) } else { node });
        }
        for (name, array) in &source.model.initializers {
            let value = match fed.remove(name.as_str()) {
                Some(node) => Value::Float(self.fit(node, name, &array.shape)?),
                None => self.literal(array, &format!("initializer `{name}`"))?,
            };
            self.values.insert(name.clone(), value);
        }
        // what is left feeds the outputs of Constant nodes
        self.fixed = fed.into_iter().map(|(k, v)| (k.to_string(), v)).collect();
        Ok(params)
    }

    /// A parameter in the extents of its initializer (exporters add axes of extent 1 to folded tables).
    fn fit(&mut self, node: NodeId, name: &str, shape: &[usize]) -> Result<NodeId> {
        let from = self.program.shape(node);
        let squeeze = |s: &[usize]| s.iter().copied().filter(|&n| n != 1).collect::<Vec<_>>();
        if squeeze(from) != squeeze(shape) || shape.len() > MAX_RANK {
            return Err(Error::input(
                "graph::binding",
                format!("initializer `{name}`"),
                format!("has extents {shape:?} but the parameter placed there has {from:?}"),
                "export the graph and the snapshot from the same model",
            ));
        }
        Ok(self.program.reshape(node, shape))
    }

    /// A stored array as a value.
    fn literal(&mut self, array: &Array, place: &str) -> Result<Value> {
        if array.shape.len() > MAX_RANK {
            return Err(Error::input(
                "graph::rank",
                place,
                format!("{} axes; at most {MAX_RANK} are supported", array.shape.len()),
                "",
            ));
        }
        Ok(match &array.values {
            Values::Float(x) => Value::Float(self.program.constant(x.clone(), &array.shape)),
            Values::Int(x) => Value::int(array.shape.clone(), x.clone()),
            Values::Bool(x) => {
                let x = x.iter().map(|&b| f64::from(b)).collect();
                Value::Mask(self.program.constant(x, &array.shape))
            }
        })
    }

    fn batch(&mut self, source: &Source<'_>) -> Result<()> {
        let mut symbols: HashMap<usize, (usize, &str)> = HashMap::new();
        for input in &source.model.inputs {
            let place = format!("graph input `{}`", input.name);
            let Some((_, array)) = source.batch.iter().find(|(name, _)| *name == input.name) else {
                let have: Vec<&str> = source.batch.iter().map(|(n, _)| n.as_str()).collect();
                return Err(Error::input(
                    "batch::missing",
                    place,
                    format!("the batch has no array of this name; it holds {}", have.join(", ")),
                    "name the arrays of the batch as the graph's inputs",
                ));
            };
            if array.shape.contains(&0) {
                return Err(Error::input("batch::empty", place, "the batch is empty", "store at least one sample"));
            }
            if let Some(declared) = &input.shape {
                let fits = declared.len() == array.shape.len()
                    && declared.iter().zip(&array.shape).all(|(d, &n)| d.is_none_or(|d| d == n));
                if !fits {
                    let declared: Vec<String> =
                        declared.iter().map(|d| d.map_or("?".to_string(), |d| d.to_string())).collect();
                    return Err(Error::input(
                        "batch::shape",
                        place,
                        format!("declared as [{}] but the batch has {:?}", declared.join(", "), array.shape),
                        "export the graph with a dynamic batch axis, or with a batch of this size",
                    ));
                }
            }
            if let Some(elem) = input.elem {
                use crate::snapshot::array::Dtype::{Bf16, Bool, F16, F32, F64};
                let float = matches!(elem, F16 | Bf16 | F32 | F64);
                let kind = match &array.values {
                    Values::Float(_) => "floating-point",
                    Values::Int(_) => "integer",
                    Values::Bool(_) => "boolean",
                };
                let fits = match &array.values {
                    Values::Float(_) => float,
                    Values::Int(_) => !float && elem != Bool,
                    Values::Bool(_) => elem == Bool,
                };
                if !fits {
                    return Err(Error::input(
                        "batch::dtype",
                        place,
                        format!("declared as {elem:?} but the batch holds {kind} values"),
                        "store the batch in the type that the graph takes",
                    ));
                }
            }
            if let Some(declared) = &input.shape
                && declared.first() == Some(&None)
            {
                let n = array.shape.first().copied().unwrap_or(1);
                if let Some((m, other)) = symbols.insert(0, (n, &input.name))
                    && m != n
                {
                    return Err(Error::input(
                        "batch::shape",
                        place,
                        format!("has {n} samples, but `{other}` has {m}"),
                        "store the same samples in every array",
                    ));
                }
            }
            let value = match &array.values {
                Values::Float(x) => {
                    if let Some(i) = x.iter().position(|v| !v.is_finite()) {
                        return Err(Error::input(
                            "batch::not_finite",
                            place,
                            format!("element {i} is {}", x[i]),
                            "remove the sample or repair the data",
                        ));
                    }
                    let node = self.program.input(self.inputs.len(), &array.shape);
                    self.inputs.push(x.clone());
                    Value::Float(node)
                }
                _ => self.literal(array, &place)?,
            };
            self.values.insert(input.name.clone(), value);
        }
        Ok(())
    }

    fn node(&mut self, node: &OnnxNode) -> Result<()> {
        let mut cx = Node::new(self, node);
        let Some(rule) = support::rule(&node.op_type).filter(|_| matches!(node.domain.as_str(), "" | "ai.onnx")) else {
            return Err(support::refusal(node));
        };
        rule(&mut cx)?;
        cx.finish()
    }
}

/// Arguments of functions with a kink, among the ancestors of the loss.
fn kinks(program: &Program, loss: NodeId) -> Vec<NodeId> {
    let needed = super::schedule::needed(program, &[loss]);
    let mut found: Vec<NodeId> = program
        .nodes()
        .filter(|(id, node)| {
            needed[id.index()] && matches!(node.op, Op::Map(Func::Relu | Func::Step | Func::Abs | Func::Sign))
        })
        .map(|(_, node)| node.args[0])
        .filter(|&arg| !program.is_constant(arg))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}
