//! How the pipeline tells its caller how far it is; the caller decides what to show.

/// Receives the state of a long run. Implementations must be quick: they are called from inside loops.
pub trait Progress: Sync {
    /// `fraction` of the expected work in [0, 1] is done, and `what` is being done.
    fn update(&self, fraction: f64, what: &str);

    /// Something the reader should know: the memory plan, a degraded method.
    fn remark(&self, text: &str);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn update(&self, _fraction: f64, _what: &str) {}

    fn remark(&self, _text: &str) {}
}
