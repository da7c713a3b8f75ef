//! The networks that `train` builds: MLP, CNN, BERT- and GPT-style transformers, as ONNX graphs.

use super::graph_builder::GraphBuilder;
use crate::error::{Error, Result};
use crate::snapshot::array::{Array, Dtype};
use crate::snapshot::onnx_graph::{Attribute, OnnxModel, OnnxValue};

/// Element-wise non-linearity of an MLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// tanh x.
    Tanh,
    /// x·Φ(x), with the error function.
    Gelu,
}

/// Sizes of a transformer encoder or decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransformerShape {
    /// Width of the residual stream.
    pub hidden: usize,
    /// Blocks.
    pub layers: usize,
    /// Attention heads; divides `hidden`.
    pub heads: usize,
    /// Width of the feed-forward layer.
    pub feed_forward: usize,
}

/// A network, as written after `--network`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// Layer widths, input first; activation between layers.
    Mlp(Vec<usize>, Activation),
    /// Two convolutions, max pooling, average pooling, one linear layer.
    Cnn,
    /// Bidirectional transformer, post-layer-norm, exact GELU.
    Bert(TransformerShape),
    /// Causal transformer, pre-layer-norm, tanh GELU.
    Gpt(TransformerShape),
}

/// What the data set asks of a network's two ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interface {
    /// Vectors of `features` numbers (images of `side`² pixels when `side` is set), `classes` classes.
    Vectors {
        /// Numbers per sample.
        features: usize,
        /// Side of a square image with one channel.
        side: Option<usize>,
        /// Outputs.
        classes: usize,
    },
    /// Sequences of `length` tokens out of `vocabulary`, one prediction per position.
    Tokens {
        /// Tokens per sample.
        length: usize,
        /// Distinct tokens.
        vocabulary: usize,
    },
}

impl Network {
    /// Parses `mlp:64-16-10[:relu|tanh|gelu]`, `cnn`, `bert:H,L,A,F`, `gpt:H,L,A,F`.
    ///
    /// # Errors
    /// Anything else: exit 2 with the accepted forms.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = |what: &str| {
            let remedy = "give mlp:64-16-10[:relu|tanh|gelu], cnn, bert:H,L,A,F or gpt:H,L,A,F";
            Error::usage("train::network", format!("--network {text}"), what, remedy)
        };
        let mut parts = text.split(':');
        let kind = parts.next().unwrap_or_default();
        let sizes = parts.next();
        let extra = parts.next();
        if parts.next().is_some() {
            return Err(bad("too many parts"));
        }
        let numbers = |separator: char| -> Result<Vec<usize>> {
            let text = sizes.ok_or_else(|| bad("the sizes are missing"))?;
            let list: Option<Vec<usize>> =
                text.split(separator).map(|s| s.parse().ok().filter(|n| (1..=1 << 20).contains(n))).collect();
            list.ok_or_else(|| bad("a size is not a number from 1 to 1048576"))
        };
        match kind {
            "mlp" => {
                let widths = numbers('-')?;
                if widths.len() < 2 {
                    return Err(bad("an MLP needs at least an input and an output width"));
                }
                let activation = match extra {
                    None | Some("relu") => Activation::Relu,
                    Some("tanh") => Activation::Tanh,
                    Some("gelu") => Activation::Gelu,
                    Some(_) => return Err(bad("unknown activation")),
                };
                Ok(Network::Mlp(widths, activation))
            }
            "cnn" if sizes.is_none() => Ok(Network::Cnn),
            "bert" | "gpt" if extra.is_none() => {
                let &[hidden, layers, heads, feed_forward] = numbers(',')?.as_slice() else {
                    return Err(bad("four sizes are needed: hidden, layers, heads, feed-forward"));
                };
                if hidden % heads != 0 {
                    return Err(bad("the number of heads does not divide the hidden size"));
                }
                let shape = TransformerShape { hidden, layers, heads, feed_forward };
                Ok(if kind == "bert" { Network::Bert(shape) } else { Network::Gpt(shape) })
            }
            _ => Err(bad("unknown network")),
        }
    }

    /// The forward graph and its initial parameters (single precision), the same for the same seed.
    ///
    /// Shapes: input `x` is (batch, features), (batch, 1, side, side) or (batch, length); output (batch, classes) or
    /// (batch, length, vocabulary).
    ///
    /// # Errors
    /// When the network does not fit the data: exit 2.
    pub fn build(&self, interface: &Interface, seed: u64) -> Result<(OnnxModel, Vec<(String, Array)>)> {
        let misfit = |what: String| {
            Error::usage("train::network", "--network and --data", what, "choose sizes that fit the data")
        };
        let builder = GraphBuilder::new(seed);
        match (self, interface) {
            (Network::Mlp(widths, activation), Interface::Vectors { features, classes, .. }) => {
                let ends = (widths.first().copied().unwrap_or(0), widths.last().copied().unwrap_or(0));
                if ends != (*features, *classes) {
                    return Err(misfit(format!(
                        "the data has {features} features and {classes} classes, the MLP {} and {}",
                        ends.0, ends.1
                    )));
                }
                Ok(mlp(builder, widths, *activation))
            }
            (Network::Cnn, Interface::Vectors { side: Some(side), classes, .. }) if side % 4 == 0 => {
                Ok(cnn(builder, *side, *classes))
            }
            (Network::Bert(shape), Interface::Tokens { length, vocabulary }) => {
                Ok(transformer(builder, *shape, *length, *vocabulary, false))
            }
            (Network::Gpt(shape), Interface::Tokens { length, vocabulary }) => {
                Ok(transformer(builder, *shape, *length, *vocabulary, true))
            }
            (Network::Cnn, _) => Err(misfit("a CNN needs square images with a side divisible by 4".into())),
            (Network::Mlp(..), _) => Err(misfit("an MLP needs vectors, this data has tokens".into())),
            _ => Err(misfit("a transformer needs tokens (--data text)".into())),
        }
    }
}

fn input(dtype: Dtype, tail: &[usize]) -> Vec<OnnxValue> {
    let shape = std::iter::once(None).chain(tail.iter().map(|&n| Some(n))).collect();
    vec![OnnxValue { name: "x".into(), elem: Some(dtype), shape: Some(shape) }]
}

fn mlp(mut g: GraphBuilder, widths: &[usize], activation: Activation) -> (OnnxModel, Vec<(String, Array)>) {
    let mut x = "x".to_owned();
    for (layer, pair) in widths.windows(2).enumerate() {
        let &[fan_in, fan_out] = pair else { continue };
        x = g.linear(&format!("layers.{layer}"), &x, fan_in, fan_out);
        if layer + 2 < widths.len() {
            x = match activation {
                Activation::Relu => g.op("Relu", &[&x], vec![]),
                Activation::Tanh => g.op("Tanh", &[&x], vec![]),
                Activation::Gelu => g.gelu(&x, false),
            };
        }
    }
    let (first, last) = (widths.first().copied().unwrap_or(1), widths.last().copied().unwrap_or(1));
    g.finish(input(Dtype::F32, &[first]), &x, vec![None, Some(last)])
}

fn convolution(g: &mut GraphBuilder, name: &str, x: &str, channels: (usize, usize)) -> String {
    let bound = 1.0 / ((channels.0 * 9) as f64).sqrt();
    let w = g.uniform(&format!("{name}.weight"), &[channels.1, channels.0, 3, 3], bound);
    let b = g.uniform(&format!("{name}.bias"), &[channels.1], bound);
    let y = g.op(
        "Conv",
        &[x, &w, &b],
        vec![("kernel_shape", Attribute::Ints(vec![3, 3])), ("pads", Attribute::Ints(vec![1; 4]))],
    );
    g.op("Relu", &[&y], vec![])
}

fn cnn(mut g: GraphBuilder, side: usize, classes: usize) -> (OnnxModel, Vec<(String, Array)>) {
    let halves = || vec![("kernel_shape", Attribute::Ints(vec![2, 2])), ("strides", Attribute::Ints(vec![2, 2]))];
    let x = convolution(&mut g, "conv1", "x", (1, 4));
    let x = g.op("MaxPool", &[&x], halves());
    let x = convolution(&mut g, "conv2", &x, (4, 8));
    let x = g.op("AveragePool", &[&x], halves());
    let x = g.op("Flatten", &[&x], vec![("axis", Attribute::Int(1))]);
    let x = g.linear("head", &x, 8 * (side / 4) * (side / 4), classes);
    g.finish(input(Dtype::F32, &[1, side, side]), &x, vec![None, Some(classes)])
}

fn transformer(
    mut g: GraphBuilder,
    shape: TransformerShape,
    length: usize,
    vocabulary: usize,
    causal: bool,
) -> (OnnxModel, Vec<(String, Array)>) {
    let hidden = shape.hidden;
    let words = g.normal("word.weight", &[vocabulary, hidden], 0.1);
    let places = g.normal("pos.weight", &[length, hidden], 0.1);
    let embedded = g.op("Gather", &[&words, "x"], vec![("axis", Attribute::Int(0))]);
    let mut x = g.op("Add", &[&embedded, &places], vec![]);
    if !causal {
        x = g.layer_norm("ln", &x, hidden);
    }
    for layer in 0..shape.layers {
        let name = format!("layer.{layer}");
        let mixed = if causal { g.layer_norm(&format!("{name}.ln1"), &x, hidden) } else { x.clone() };
        let mixed = attention(&mut g, &name, &mixed, shape, length, causal);
        x = g.op("Add", &[&x, &mixed], vec![]);
        x = if causal { x } else { g.layer_norm(&format!("{name}.ln1"), &x, hidden) };
        let wide = if causal { g.layer_norm(&format!("{name}.ln2"), &x, hidden) } else { x.clone() };
        let wide = g.dense(&format!("{name}.up"), &wide, hidden, shape.feed_forward);
        let wide = g.gelu(&wide, causal);
        let narrow = g.dense(&format!("{name}.down"), &wide, shape.feed_forward, hidden);
        x = g.op("Add", &[&x, &narrow], vec![]);
        x = if causal { x } else { g.layer_norm(&format!("{name}.ln2"), &x, hidden) };
    }
    if causal {
        x = g.layer_norm("ln", &x, hidden);
    }
    let x = g.dense("head", &x, hidden, vocabulary);
    g.finish(input(Dtype::I64, &[length]), &x, vec![None, Some(length), Some(vocabulary)])
}

/// Multi-head self-attention softmax(QKᵀ/√w + mask)·V with w = hidden/heads.
fn attention(
    g: &mut GraphBuilder,
    name: &str,
    x: &str,
    shape: TransformerShape,
    length: usize,
    causal: bool,
) -> String {
    let width = shape.hidden / shape.heads;
    let split = g.integers(&[0, length as i64, shape.heads as i64, width as i64]);
    let heads = |g: &mut GraphBuilder, part: &str, perm: [i64; 4]| {
        let y = g.dense(&format!("{name}.{part}"), x, shape.hidden, shape.hidden);
        let y = g.op("Reshape", &[&y, &split], vec![]);
        g.op("Transpose", &[&y], vec![("perm", Attribute::Ints(perm.to_vec()))])
    };
    let query = heads(g, "query", [0, 2, 1, 3]);
    let key = heads(g, "key", [0, 2, 3, 1]);
    let value = heads(g, "value", [0, 2, 1, 3]);
    let scores = g.op("MatMul", &[&query, &key], vec![]);
    let root = g.scalar((width as f32).sqrt());
    let mut scores = g.op("Div", &[&scores, &root], vec![]);
    if causal {
        // A finite mask: −∞ would be refused in a constant, and exp(−1e9) is 0 in either precision.
        let mask = (0..length * length).map(|i| if i % length > i / length { -1e9 } else { 0.0 }).collect();
        let mask = g.constant(&[length, length], mask);
        scores = g.op("Add", &[&scores, &mask], vec![]);
    }
    let weights = g.op("Softmax", &[&scores], vec![("axis", Attribute::Int(-1))]);
    let mixed = g.op("MatMul", &[&weights, &value], vec![]);
    let mixed = g.op("Transpose", &[&mixed], vec![("perm", Attribute::Ints(vec![0, 2, 1, 3]))]);
    let join = g.integers(&[0, length as i64, shape.hidden as i64]);
    let mixed = g.op("Reshape", &[&mixed, &join], vec![]);
    g.dense(&format!("{name}.dense"), &mixed, shape.hidden, shape.hidden)
}
