//! Dense row-major arrays and the kernels that the programs run on.
