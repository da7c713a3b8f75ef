//! Writes ONNX graphs by hand: fresh value names, constants, and the compositions that networks are made of.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::snapshot::array::{Array, Dtype, Values};
use crate::snapshot::onnx_graph::{Attribute, OnnxModel, OnnxNode, OnnxValue};

/// A graph under construction together with its initial parameters.
pub struct GraphBuilder {
    nodes: Vec<OnnxNode>,
    constants: Vec<(String, Array)>,
    parameters: Vec<(String, Array)>,
    random: ChaCha8Rng,
}

impl GraphBuilder {
    /// An empty graph; `seed` determines the initial parameters.
    pub fn new(seed: u64) -> Self {
        GraphBuilder {
            nodes: Vec::new(),
            constants: Vec::new(),
            parameters: Vec::new(),
            random: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// Appends an operator and returns the name of its output.
    pub fn op(&mut self, op_type: &str, inputs: &[&str], attributes: Vec<(&str, Attribute)>) -> String {
        self.op_many(op_type, inputs, attributes, 1).pop().unwrap_or_default()
    }

    /// Appends an operator with several outputs.
    pub fn op_many(
        &mut self,
        op_type: &str,
        inputs: &[&str],
        attributes: Vec<(&str, Attribute)>,
        outputs: usize,
    ) -> Vec<String> {
        let index = self.nodes.len();
        let names: Vec<String> = (0..outputs).map(|i| format!("{op_type}_{index}_{i}")).collect();
        self.nodes.push(OnnxNode {
            name: format!("{op_type}_{index}"),
            op_type: op_type.into(),
            domain: String::new(),
            inputs: inputs.iter().map(|&s| s.to_owned()).collect(),
            outputs: names.clone(),
            attributes: attributes.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
            metadata: Vec::new(),
        });
        names
    }

    /// A constant of 64-bit integers (shapes, axes).
    pub fn integers(&mut self, list: &[i64]) -> String {
        let name = format!("const_{}", self.constants.len());
        self.constants.push((
            name.clone(),
            Array { dtype: Dtype::I64, shape: vec![list.len()], values: Values::Int(list.to_vec()) },
        ));
        name
    }

    /// A single-precision scalar constant.
    pub fn scalar(&mut self, x: f32) -> String {
        self.constant(&[], vec![f64::from(x)])
    }

    /// A single-precision constant array.
    pub fn constant(&mut self, shape: &[usize], list: Vec<f64>) -> String {
        let name = format!("const_{}", self.constants.len());
        self.constants
            .push((name.clone(), Array { dtype: Dtype::F32, shape: shape.to_vec(), values: Values::Float(list) }));
        name
    }

    /// A parameter drawn uniformly from ±`bound`, rounded to single precision.
    pub fn uniform(&mut self, name: &str, shape: &[usize], bound: f64) -> String {
        let count = shape.iter().product();
        let list = (0..count).map(|_| round(bound * (2.0 * self.random.random::<f64>() - 1.0))).collect();
        self.parameter(name, shape, list)
    }

    /// A parameter drawn from a normal distribution of standard deviation `sigma` (Box-Muller).
    pub fn normal(&mut self, name: &str, shape: &[usize], sigma: f64) -> String {
        let count = shape.iter().product();
        let list = (0..count)
            .map(|_| {
                let radius = (-2.0 * (1.0 - self.random.random::<f64>()).ln()).sqrt();
                let angle = std::f64::consts::TAU * self.random.random::<f64>();
                round(sigma * radius * angle.cos())
            })
            .collect();
        self.parameter(name, shape, list)
    }

    /// A parameter filled with `x`.
    pub fn filled(&mut self, name: &str, shape: &[usize], x: f64) -> String {
        self.parameter(name, shape, vec![x; shape.iter().product()])
    }

    fn parameter(&mut self, name: &str, shape: &[usize], list: Vec<f64>) -> String {
        self.parameters
            .push((name.into(), Array { dtype: Dtype::F32, shape: shape.to_vec(), values: Values::Float(list) }));
        name.into()
    }

    /// x·Wᵀ + b of a linear layer with PyTorch's names and initialisation (uniform within ±1/√fan-in).
    /// For matrices `x` only.
    pub fn linear(&mut self, name: &str, x: &str, fan_in: usize, fan_out: usize) -> String {
        let bound = 1.0 / (fan_in as f64).sqrt();
        let w = self.uniform(&format!("{name}.weight"), &[fan_out, fan_in], bound);
        let b = self.uniform(&format!("{name}.bias"), &[fan_out], bound);
        self.op("Gemm", &[x, &w, &b], vec![("transB", Attribute::Int(1))])
    }

    /// x·W + b over the last axis of `x`, W stored (fan-in, fan-out).
    pub fn dense(&mut self, name: &str, x: &str, fan_in: usize, fan_out: usize) -> String {
        let bound = 1.0 / (fan_in as f64).sqrt();
        let w = self.uniform(&format!("{name}.weight"), &[fan_in, fan_out], bound);
        let b = self.uniform(&format!("{name}.bias"), &[fan_out], bound);
        let product = self.op("MatMul", &[x, &w], vec![]);
        self.op("Add", &[&product, &b], vec![])
    }

    /// Layer normalisation over the last axis.
    pub fn layer_norm(&mut self, name: &str, x: &str, width: usize) -> String {
        let scale = self.filled(&format!("{name}.weight"), &[width], 1.0);
        let shift = self.filled(&format!("{name}.bias"), &[width], 0.0);
        let attributes = vec![("axis", Attribute::Int(-1)), ("epsilon", Attribute::Float(1e-5))];
        self.op("LayerNormalization", &[x, &scale, &shift], attributes)
    }

    /// GELU: exact with the error function, or the tanh approximation.
    pub fn gelu(&mut self, x: &str, tanh: bool) -> String {
        let (half, one) = (self.scalar(0.5), self.scalar(1.0));
        let inner = if tanh {
            let (cubic, scale) = (self.scalar(0.044715), self.scalar((2.0 / std::f64::consts::PI).sqrt() as f32));
            let square = self.op("Mul", &[x, x], vec![]);
            let cube = self.op("Mul", &[&square, x], vec![]);
            let cube = self.op("Mul", &[&cube, &cubic], vec![]);
            let sum = self.op("Add", &[x, &cube], vec![]);
            let scaled = self.op("Mul", &[&sum, &scale], vec![]);
            self.op("Tanh", &[&scaled], vec![])
        } else {
            let root = self.scalar(std::f32::consts::SQRT_2);
            let scaled = self.op("Div", &[x, &root], vec![]);
            self.op("Erf", &[&scaled], vec![])
        };
        let gate = self.op("Add", &[&inner, &one], vec![]);
        let product = self.op("Mul", &[x, &gate], vec![]);
        self.op("Mul", &[&product, &half], vec![])
    }

    /// The finished model (opset 17) and its parameters, in order of creation.
    pub fn finish(
        mut self,
        inputs: Vec<OnnxValue>,
        result: &str,
        shape: Vec<Option<usize>>,
    ) -> (OnnxModel, Vec<(String, Array)>) {
        if let Some(node) = self.nodes.iter_mut().find(|node| node.outputs.iter().any(|o| o == result)) {
            node.outputs.iter_mut().filter(|o| *o == result).for_each(|o| *o = "out".into());
        }
        let initializers = self.parameters.iter().chain(&self.constants).cloned().collect();
        let model = OnnxModel {
            ir_version: 8,
            opset: 17,
            nodes: self.nodes,
            initializers,
            inputs,
            outputs: vec![OnnxValue { name: "out".into(), elem: Some(Dtype::F32), shape: Some(shape) }],
            metadata: Vec::new(),
        };
        (model, self.parameters)
    }
}

/// Nearest single-precision value: what the weight file will hold.
fn round(x: f64) -> f64 {
    f64::from(x as f32)
}
