//! A model without its steps: `ceil` and `floor` left out, for elasticities and other trends.

use super::model::Model;
use super::variable::Vocabulary;

/// The model with `ceil(x)` and `floor(x)` read as `x`; `None` where a sum or product needs whole bounds.
pub fn trend(model: &Model, vocabulary: &Vocabulary) -> Option<Model> {
    let mut source = model.source.clone();
    let texts = source.definitions.iter_mut().map(|d| &mut d.expression);
    for text in texts.chain(source.quantities.iter_mut().map(|q| &mut q.expression)) {
        if text.contains("sum(") || text.contains("prod(") {
            return None;
        }
        *text = text.replace("ceil(", "(").replace("floor(", "(");
    }
    // The worked values belong to the stepped formulas.
    source.examples.clear();
    Model::compile(source, &model.file, String::new(), vocabulary).ok()
}
