//! The closed lists of operators, functions and constants of the language.

use crate::elementary as kernel;

/// A constant with a reserved name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Constant {
    Pi,
    Euler,
}

impl Constant {
    pub fn name(self) -> &'static str {
        match self {
            Constant::Pi => "pi",
            Constant::Euler => "e",
        }
    }

    pub fn value(self) -> f64 {
        match self {
            Constant::Pi => std::f64::consts::PI,
            Constant::Euler => std::f64::consts::E,
        }
    }
}

/// An operation on two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    Min,
    Max,
}

/// A comparison of two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Relation {
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
}

impl Relation {
    pub fn symbol(self) -> &'static str {
        match self {
            Relation::Less => "<",
            Relation::LessEqual => "<=",
            Relation::Greater => ">",
            Relation::GreaterEqual => ">=",
            Relation::Equal => "==",
            Relation::NotEqual => "!=",
        }
    }

    #[inline(always)]
    pub fn holds(self, a: f64, b: f64) -> bool {
        match self {
            Relation::Less => a < b,
            Relation::LessEqual => a <= b,
            Relation::Greater => a > b,
            Relation::GreaterEqual => a >= b,
            Relation::Equal => a == b,
            Relation::NotEqual => a != b,
        }
    }
}

/// A reduction over a range of whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Reduction {
    Sum,
    Product,
}

impl Reduction {
    pub fn name(self) -> &'static str {
        match self {
            Reduction::Sum => "sum",
            Reduction::Product => "prod",
        }
    }

    pub fn start(self) -> f64 {
        match self {
            Reduction::Sum => 0.0,
            Reduction::Product => 1.0,
        }
    }
}

macro_rules! functions {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// A function of one number.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) enum Function { $($variant),* }

        impl Function {
            /// Every function, in the order of the documentation.
            pub const ALL: &[Function] = &[$(Function::$variant),*];

            pub fn name(self) -> &'static str {
                match self { $(Function::$variant => $name),* }
            }
        }
    };
}

functions! {
    Ln "ln", Log2 "log2", Log10 "log10", Ln1p "ln1p", Exp "exp", Expm1 "expm1", Sqrt "sqrt", Cbrt "cbrt",
    Sin "sin", Cos "cos", Tan "tan", Asin "asin", Acos "acos", Atan "atan",
    Sinh "sinh", Cosh "cosh", Tanh "tanh", Asinh "asinh", Acosh "acosh", Atanh "atanh",
    Abs "abs", Floor "floor", Ceil "ceil",
}

impl Function {
    pub fn from_name(name: &str) -> Option<Function> {
        Function::ALL.iter().copied().find(|f| f.name() == name)
    }

    /// The value at `x`; NaN outside the domain.
    pub fn value(self, x: f64) -> f64 {
        match self {
            Function::Ln => kernel::ln(x),
            Function::Log2 => kernel::log2(x),
            Function::Log10 => x.log10(),
            Function::Ln1p => x.ln_1p(),
            Function::Exp => kernel::exp(x),
            Function::Expm1 => x.exp_m1(),
            Function::Sqrt => x.sqrt(),
            Function::Cbrt => x.cbrt(),
            Function::Sin => x.sin(),
            Function::Cos => x.cos(),
            Function::Tan => x.tan(),
            Function::Asin => x.asin(),
            Function::Acos => x.acos(),
            Function::Atan => x.atan(),
            Function::Sinh => x.sinh(),
            Function::Cosh => x.cosh(),
            Function::Tanh => x.tanh(),
            Function::Asinh => asinh(x),
            Function::Acosh => acosh(x),
            Function::Atanh => atanh(x),
            Function::Abs => x.abs(),
            Function::Floor => x.floor(),
            Function::Ceil => x.ceil(),
        }
    }

    /// Whether a real value exists at `x`.
    pub fn defined(self, x: f64) -> bool {
        match self {
            Function::Ln | Function::Log2 | Function::Log10 => x > 0.0,
            Function::Ln1p => x > -1.0,
            Function::Sqrt => x >= 0.0,
            Function::Asin | Function::Acos => (-1.0..=1.0).contains(&x),
            Function::Acosh => x >= 1.0,
            Function::Atanh => x > -1.0 && x < 1.0,
            _ => true,
        }
    }

    /// What its argument must satisfy, in words.
    pub fn domain(self) -> &'static str {
        match self {
            Function::Ln | Function::Log2 | Function::Log10 => "an argument above 0",
            Function::Ln1p => "an argument above -1",
            Function::Sqrt => "an argument of at least 0",
            Function::Asin | Function::Acos => "an argument in [-1, 1]",
            Function::Acosh => "an argument of at least 1",
            Function::Atanh => "an argument between -1 and 1",
            Function::Tan => "an argument away from odd multiples of pi/2",
            _ => "a real argument",
        }
    }
}

/// The standard library's inverse hyperbolic functions cancel near their zero; these keep all but a few ulps.
fn acosh(x: f64) -> f64 {
    if x < 1.0 {
        return f64::NAN;
    }
    if x > 1e8 {
        return x.ln() + std::f64::consts::LN_2;
    }
    let t = x - 1.0;
    (t + (t * (t + 2.0)).sqrt()).ln_1p()
}

fn asinh(x: f64) -> f64 {
    let a = x.abs();
    let value =
        if a > 1e8 { a.ln() + std::f64::consts::LN_2 } else { (a + a * a / (1.0 + (1.0 + a * a).sqrt())).ln_1p() };
    value.copysign(x)
}

fn atanh(x: f64) -> f64 {
    let a = x.abs();
    (0.5 * (2.0 * a / (1.0 - a)).ln_1p()).copysign(x)
}

/// The smaller; NaN when either is NaN.
#[inline(always)]
pub(crate) fn minimum(a: f64, b: f64) -> f64 {
    if a < b || a.is_nan() { a } else { b }
}

/// The larger; NaN when either is NaN.
#[inline(always)]
pub(crate) fn maximum(a: f64, b: f64) -> f64 {
    if a > b || a.is_nan() { a } else { b }
}
